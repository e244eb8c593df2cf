//! The Java runtime: whether there is one that will do, and a class archive that halves the time it takes to start.
//!
//! The first broker that ends in order leaves its loaded classes in an archive beside the jars; every later start maps
//! them in. An archive is named by the runtime that wrote it, because no other can use it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::cache;

/// What Kafka 4 asks for.
const MAJOR_VERSION_MIN: u32 = 17;

/// Kafka's jars and the runtime that runs them.
pub(crate) struct Java {
    jars: PathBuf,
    archive: PathBuf,
}

impl Java {
    /// Looks for `java`, to run the jars in `home/libs`.
    ///
    /// # Errors
    /// If there is none, or it is too old.
    pub(crate) fn find(home: &Path) -> Result<Java> {
        let output = Command::new("java").arg("-version").stdin(Stdio::null()).output().map_err(missing)?;
        let version = String::from_utf8_lossy(&output.stderr).into_owned();
        let major =
            major_version(&version).with_context(|| format!("java does not say its version: {version}"))?;
        ensure!(
            major >= MAJOR_VERSION_MIN,
            "java {major} is too old for kafka, which needs {MAJOR_VERSION_MIN}: apt-get install openjdk-17-jre-headless"
        );
        let runtime = &Sha256::digest(&version)[..8];
        let runtime: String = runtime.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Java { jars: home.join("libs/*"), archive: home.join(format!("classes-{runtime}.jsa")) })
    }

    /// A command that runs a class of the jars; further options of the runtime, the class and its arguments follow.
    pub(crate) fn command(&self, heap_mb: u32) -> Command {
        let mut java = Command::new("java");
        java.arg(format!("-Xmx{heap_mb}m"))
            .args([
                "-XX:+UseG1GC",
                "-XX:MaxGCPauseMillis=20",
                "-XX:+ExitOnOutOfMemoryError",
                "-Djava.awt.headless=true",
            ])
            .args(["-Xlog:disable", "-Xlog:all=error:stderr"])
            .arg("-cp")
            .arg(&self.jars)
            .stdin(Stdio::null());
        if self.archive.exists() {
            java.arg(argument("-XX:SharedArchiveFile=", &self.archive));
        }
        java
    }

    /// Makes a command leave a class archive when it ends, if there is none yet.
    pub(crate) fn record(&self, java: &mut Command) -> Option<Recording> {
        if self.archive.exists() {
            return None;
        }
        let partial = self.archive.with_extension(format!("{}.partial", std::process::id()));
        java.arg(argument("-XX:ArchiveClassesAtExit=", &partial));
        Some(Recording { partial, archive: self.archive.clone() })
    }
}

/// A class archive that is being written.
pub(crate) struct Recording {
    partial: PathBuf,
    archive: PathBuf,
}

impl Recording {
    /// Puts the archive in its place, once the process that wrote it has ended. It only saves time, so that a failure is
    /// no more than noted.
    pub(crate) fn keep(&self) {
        if let Err(error) = std::fs::rename(&self.partial, &self.archive) {
            tracing::debug!("no class archive was left for the next start: {error}");
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // gone already where it was kept
        std::fs::remove_file(&self.partial).ok();
    }
}

/// The one clear line where Java is missing.
pub(crate) fn missing(error: std::io::Error) -> anyhow::Error {
    cache::missing_tool(error, "java", "default-jre-headless")
}

fn argument(option: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(option);
    argument.push(path);
    argument
}

/// The first number of `openjdk version "17.0.15" 2025-04-15`; that of Java 8 and older is 1.
fn major_version(text: &str) -> Option<u32> {
    let (_, quoted) = text.split_once("version \"")?;
    let digits = quoted.find(|character: char| !character.is_ascii_digit()).unwrap_or(quoted.len());
    quoted[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK ..."), Some(17));
        assert_eq!(
            major_version("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\njava version \"21\" 2023-09-19"),
            Some(21)
        );
        assert_eq!(major_version("java version \"1.8.0_392\""), Some(1));
        assert_eq!(major_version("no java"), None);
    }
}
