//! An object store in memory whose writes and reads go wrong as a seed draws it, or as a switch says.
//!
//! A write may fail, fail after it was done, leave half of the object and fail, or damage it and report success (as a disk does). A
//! read may fail.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[derive(Debug)]
pub struct FaultyStore {
    pub inner: InMemory,
    random: Mutex<ChaCha8Rng>,
    /// Of 1000 writes and reads, how many go wrong.
    per_mille: u32,
    /// Manifests cannot be written: as if every snapshot crashed between its chunks and its manifest.
    pub refuses_manifests: AtomicBool,
    /// How many writes did not leave what was written.
    pub spoilt: AtomicU64,
}

impl FaultyStore {
    pub fn new(seed: u64, per_mille: u32) -> Self {
        FaultyStore {
            inner: InMemory::new(),
            random: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            per_mille,
            refuses_manifests: AtomicBool::new(false),
            spoilt: AtomicU64::new(0),
        }
    }

    fn draw(&self, below: u32) -> u32 {
        self.random.lock().expect("no panic").random_range(0..below)
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a faulty store")
    }
}

fn failure() -> Error {
    Error::Generic { store: "faulty", source: "injected".into() }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let is_manifest = at.filename().is_some_and(|name| name.starts_with("manifest-"));
        if is_manifest && self.refuses_manifests.load(Ordering::Relaxed) {
            return Err(failure());
        }
        if self.draw(1_000) >= self.per_mille {
            return self.inner.put_opts(at, payload, options).await;
        }
        let mut bytes: Vec<u8> = Bytes::from(payload).into();
        let kind = self.draw(4);
        match kind {
            0 => return Err(failure()),
            1 => {}
            2 => bytes.truncate(bytes.len() / 2),
            _ => match bytes.len() {
                0 => {}
                len => bytes[self.draw(len as u32) as usize] ^= 0x20,
            },
        }
        let written = self.inner.put_opts(at, bytes.into(), options).await?;
        self.spoilt.fetch_add(u64::from(kind > 1), Ordering::Relaxed);
        if kind == 3 { Ok(written) } else { Err(failure()) }
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        if self.draw(1_000) < self.per_mille / 4 {
            return Err(failure());
        }
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(&self, at: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(at)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        // Everything is as old as can be: what no manifest names may be deleted.
        let aged = |meta| ObjectMeta { last_modified: UNIX_EPOCH.into(), ..meta };
        self.inner.list(prefix).map_ok(aged).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
