//! Where snapshots are kept: from a URL to a store.
//!
//! Always holds: a local directory is created if it is missing; a bucket is not contacted yet. Does not know: what is stored.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use url::Url;

/// A place that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// Neither a directory nor a bucket.
    #[error("`{0}` is no place for snapshots: write a directory, file:///directory or s3://bucket/prefix")]
    Unknown(String),
    /// The directory cannot be made or found.
    #[error("cannot use directory {path}: {error}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// An option that the bucket's client does not know.
    #[error("`{0}` is no option of an s3 store")]
    Option(String),
    /// The bucket's client cannot be made.
    #[error("cannot use {place}: {error}")]
    Bucket {
        /// The URL.
        place: String,
        /// Why.
        error: String,
    },
}

/// The store that `place` names, and the path within it. A directory (`/var/lib/ovation`, `file:///var/lib/ovation`) or
/// `s3://bucket/prefix`. A bucket's `options` are named as in `aws_endpoint`, `aws_region`, `aws_access_key_id`,
/// `aws_secret_access_key`, `aws_allow_http`; what they do not say is taken from environment variables of these names.
///
/// # Errors
/// If the place cannot be understood or used.
pub fn open<'a>(
    place: &str,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(Arc<dyn ObjectStore>, Path), LocationError> {
    let unknown = || LocationError::Unknown(place.to_owned());
    match Url::parse(place) {
        Ok(url) if url.scheme() == "s3" => bucket(&url, place, options),
        Ok(url) if url.scheme() == "file" => directory(url.to_file_path().map_err(|()| unknown())?),
        Ok(_) => Err(unknown()),
        Err(_) if place.is_empty() => Err(unknown()),
        Err(_) => directory(PathBuf::from(place)),
    }
}

fn directory(path: PathBuf) -> Result<(Arc<dyn ObjectStore>, Path), LocationError> {
    let opened = std::fs::create_dir_all(&path)
        .map_err(|error| error.to_string())
        .and_then(|()| LocalFileSystem::new_with_prefix(&path).map_err(|error| error.to_string()));
    match opened {
        Ok(store) => Ok((Arc::new(store), Path::default())),
        Err(error) => Err(LocationError::Directory { path, error }),
    }
}

fn bucket<'a>(
    url: &Url,
    place: &str,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(Arc<dyn ObjectStore>, Path), LocationError> {
    // The client asks the process for its cryptography. Somebody else may have said which already.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut builder = AmazonS3Builder::from_env().with_url(url.as_str());
    for (key, value) in options {
        let known: AmazonS3ConfigKey = key.parse().map_err(|_| LocationError::Option(key.to_owned()))?;
        builder = builder.with_config(known, value);
    }
    let failed = |error: String| LocationError::Bucket { place: place.to_owned(), error };
    let prefix = Path::from_url_path(url.path()).map_err(|error| failed(error.to_string()))?;
    let store = builder.build().map_err(|error| failed(error.to_string()))?;
    Ok((Arc::new(store), prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_directories_or_buckets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let text = path.to_str().unwrap();
        assert!(open(text, []).is_ok() && path.is_dir());
        assert!(open(&format!("file://{text}"), []).is_ok());
        let options =
            [("aws_endpoint", "http://127.0.0.1:9"), ("aws_region", "r"), ("aws_allow_http", "true")];
        let (_, prefix) = open("s3://bucket/some/prefix", options).unwrap();
        assert_eq!(prefix.as_ref(), "some/prefix");
        for (place, options, expected) in [
            ("http://host/x", None, "is no place for snapshots"),
            ("", None, "is no place for snapshots"),
            ("/proc/no/such", None, "cannot use directory"),
            ("s3://bucket", Some(("aws_colour", "red")), "no option"),
        ] {
            let error = open(place, options).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(expected), "{place}: {error}");
        }
    }
}
