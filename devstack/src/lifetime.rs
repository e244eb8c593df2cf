//! When a server stops, and who owns its data folder.
//!
//! A server that a [`Stack`](crate::Stack) started gets a pipe as its standard input and stops when that pipe closes,
//! which the kernel does however its parent ends, kill -9 included. A data folder belongs to one process at a time; the
//! claim is a file lock and so dies with the process too.

use std::{
    fs::{self, File, TryLockError},
    io::Read as _,
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Waits until the process is asked to stop: by SIGTERM, by SIGINT, or, where `with_parent` says so, by the end of its
/// standard input.
///
/// # Errors
/// If the signal handlers cannot be installed.
pub(crate) async fn stop_requested(with_parent: bool) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let parent_ended = parent_ended(with_parent)?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("asked to stop by SIGTERM"),
        _ = interrupt.recv() => tracing::info!("asked to stop by SIGINT"),
        () = parent_ended => tracing::info!("asked to stop by the process that started this one"),
    }
    Ok(())
}

/// A future that is ready at the end of standard input, read by a thread of its own because that read blocks; it is
/// never ready where nobody watches.
fn parent_ended(with_parent: bool) -> Result<impl Future<Output = ()>> {
    let (ended, watch) = tokio::sync::oneshot::channel();
    if with_parent {
        std::thread::Builder::new()
            .name("parent".into())
            .spawn(move || {
                let mut stdin = std::io::stdin().lock();
                let mut buffer = [0; 64];
                while matches!(stdin.read(&mut buffer), Ok(length) if length > 0) {}
                ended.send(()).ok();
            })
            .context("cannot watch standard input")?;
    }
    Ok(async move {
        if !with_parent || watch.await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// The claim of this process on a data folder.
pub(crate) struct DataFolder {
    _lock: File,
}

impl DataFolder {
    /// Creates the folder where it is missing and claims it for this process.
    ///
    /// # Errors
    /// If another process has it, or it cannot be written.
    pub(crate) fn claim(folder: &Path) -> Result<DataFolder> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join("in-use.lock");
        let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataFolder { _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "the data folder {} is in use by another server: stop that one, or choose another folder",
                    folder.display()
                )
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_has_one_owner() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("new/data");
        let first = DataFolder::claim(&folder).unwrap();
        let error = DataFolder::claim(&folder).err().expect("claimed twice");
        assert!(error.to_string().contains("is in use by another server"), "{error}");
        drop(first);
        DataFolder::claim(&folder).unwrap();
    }
}
