//! The engine's library, fetched once from its npm package and kept in the user's cache folder.
//!
//! Version and content are pinned here. Knows nothing of what the library does.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::cache;

const PACKAGE: &str = "@chdb/lib-linux-x64-gnu";
const VERSION: &str = "26.7.3-stable.1";
const ARCHIVE: &str = "chdb-lib-linux-x64-gnu-26.7.3-stable.1.tgz";
const ARCHIVE_SHA256: &str = "c0d32b129e988f2b9a9a31c9141aecf5e1e2453f9a079efc4d36ab8e3f92b2ad";

/// Copies ClickHouse's engine into the cache folder, unless it is there, and gives the path of the library.
///
/// # Errors
/// If this is no x86-64 Linux with glibc, npm is not installed or fails, or the package is not the pinned one.
pub fn fetch_chdb() -> Result<PathBuf> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")),
        "ClickHouse's engine is only to be had for x86-64 Linux with glibc: name a running ClickHouse instead"
    );
    let home = cache::root()?.join(format!("chdb-{VERSION}"));
    cache::folder(&home, |partial| {
        tracing::info!(folder = %home.display(), "fetching ClickHouse's engine (178 MB), once for this user");
        cache::run_tool("npm", "npm", &["pack", "--silent", &format!("{PACKAGE}@{VERSION}")], partial)?;
        let archive = partial.join(ARCHIVE);
        cache::check_sha256(&archive, ARCHIVE_SHA256)?;
        cache::run_tool(
            "tar",
            "tar",
            &["-xzf", ARCHIVE, "--strip-components=1", "package/libchdb.so"],
            partial,
        )?;
        std::fs::remove_file(&archive).context("cannot remove the archive")
    })?;
    Ok(home.join("libchdb.so"))
}
