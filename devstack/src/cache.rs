//! The user's cache folder: what is fetched once and used by every clone.
//!
//! A folder is filled beside its final place and renamed into it when it is whole, under a lock that dies with the
//! process: two fetches at once make one download, and one that is interrupted leaves nothing that counts as fetched.
//! Knows nothing of what is fetched.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

/// The folder `ovation` in the user's cache: `$XDG_CACHE_HOME/ovation`, else `~/.cache/ovation`.
///
/// # Errors
/// If neither `XDG_CACHE_HOME` nor `HOME` is set to an absolute path.
pub(crate) fn root() -> Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("ovation"))
        .context("no cache folder: set HOME or XDG_CACHE_HOME to an absolute path")
}

/// Gives `folder` once it is whole; where it is missing, `fill` writes its content into a temporary folder first.
///
/// # Errors
/// If `fill` fails, or a folder cannot be written.
pub(crate) fn folder(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        bail!("{} is no folder to keep things in", folder.display());
    };
    let beside = |suffix: &str| {
        let mut beside = name.to_os_string();
        beside.push(suffix);
        parent.join(beside)
    };
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let lock_path = beside(".lock");
    let lock = File::create(&lock_path).with_context(|| format!("cannot write {}", lock_path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", lock_path.display()))?;
    if folder.is_dir() {
        return Ok(());
    }
    let partial = beside(".partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("cannot clear {}", partial.display()))?;
    }
    fs::create_dir(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    fill(&partial)?;
    fs::rename(&partial, folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// Refuses a file whose SHA-256, in lower-case hexadecimal, is not `expected`.
///
/// # Errors
/// If the file cannot be read or its content is another.
pub(crate) fn check_sha256(path: &Path, expected: &str) -> Result<()> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
    }
    let actual: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(
        actual == expected,
        "{} is not what was pinned: sha256 {actual}, expected {expected}",
        path.display()
    );
    Ok(())
}

/// Runs a program to its end, its output kept for the error; says which Debian package to install if it is missing.
///
/// # Errors
/// If the program is not there or fails; the message carries the last lines of its output.
pub(crate) fn run_tool(
    program: &str,
    debian_package: &str,
    arguments: &[&str],
    folder: &Path,
) -> Result<Vec<u8>> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| missing_tool(error, program, debian_package))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n");
        bail!("{program} {} failed ({}):\n{tail}", arguments.join(" "), output.status);
    }
    Ok(output.stdout)
}

/// The one clear line for a program that is not installed; any other error as it is.
pub(crate) fn missing_tool(error: std::io::Error, program: &str, debian_package: &str) -> anyhow::Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        anyhow::anyhow!("{program} is not installed: apt-get install {debian_package}")
    } else {
        anyhow::Error::new(error).context(format!("cannot run {program}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_fill_counts_for_nothing() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("a/thing-1");
        let interrupted = folder(&target, |partial| {
            fs::write(partial.join("half"), "x").unwrap();
            bail!("interrupted")
        });
        assert!(interrupted.is_err());
        assert!(!target.exists());

        folder(&target, |partial| Ok(fs::write(partial.join("whole"), "x")?)).unwrap();
        assert!(target.join("whole").exists());
        assert!(!target.join("half").exists(), "the rest of the interrupted fill is gone");
        folder(&target, |_| panic!("filled twice")).unwrap();
    }

    #[test]
    fn two_fills_at_once_make_one() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("thing");
        let fills = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    folder(&target, |partial| {
                        fills.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        Ok(fs::write(partial.join("whole"), "x")?)
                    })
                    .unwrap();
                    assert!(target.join("whole").exists());
                });
            }
        });
        assert_eq!(fills.into_inner(), 1);
    }

    #[test]
    fn a_changed_file_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "abc").unwrap();
        check_sha256(&file, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").unwrap();
        fs::write(&file, "abd").unwrap();
        let error = check_sha256(&file, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
            .unwrap_err();
        assert!(error.to_string().contains("is not what was pinned"), "{error}");
    }

    #[test]
    fn a_missing_tool_names_its_package() {
        let error = run_tool("no-such-program", "no-such-package", &[], Path::new("/")).unwrap_err();
        assert_eq!(error.to_string(), "no-such-program is not installed: apt-get install no-such-package");
    }
}
