//! The store of snapshots as a process has it: writes and reads that are slow, fail, fail although they were done, or spoil
//! what is written.
//!
//! Always holds: what is not hindered is stored as it is, and keeps the simulated time at which it was written. A write of
//! a process that dies meanwhile is done or not, as far as it had come. Does not know: what is in a file, beyond its name.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::counts::Counts;
use crate::input::START_MICROS;
use crate::plan::{Concern, Plan, StoreRates, stream};
use crate::process::Life;

/// A slow call takes up to this long before it is done, and as long until it is answered.
pub(crate) const SLOW_MICROS: i64 = 4_000_000;

/// What may become of a write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing is written, and it says so.
    Refused,
    /// All is written, but it says that nothing is.
    Denied,
    /// Half is written, and it says that nothing is.
    Half,
    /// A byte is written wrong, and nobody says so.
    Spoilt,
}

impl Fault {
    const ALL: [Fault; 4] = [Fault::Refused, Fault::Denied, Fault::Half, Fault::Spoilt];

    fn name(self, is_manifest: bool) -> &'static str {
        match (self, is_manifest) {
            (Fault::Refused, false) => "chunk put failed",
            (Fault::Refused, true) => "manifest put failed",
            (Fault::Denied, false) => "chunk put failed but happened",
            (Fault::Denied, true) => "manifest put failed but happened",
            (Fault::Half, false) => "chunk half-written",
            (Fault::Half, true) => "manifest half-written",
            (Fault::Spoilt, false) => "chunk corrupted",
            (Fault::Spoilt, true) => "manifest corrupted",
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    path.filename().is_some_and(|name| name.starts_with("manifest-"))
}

fn failure() -> Error {
    Error::Generic { store: "simulated", source: "injected".into() }
}

/// What all processes share.
pub(crate) struct Storage {
    inner: InMemory,
    /// Elapsed time of the run.
    clock: Arc<AtomicI64>,
    mood: Mutex<Mood>,
}

/// What goes wrong, drawn from one stream for all processes of a run.
struct Mood {
    random: ChaCha8Rng,
    rates: StoreRates,
    counts: Counts,
    /// Elapsed time at which each file was written.
    written: BTreeMap<Path, i64>,
}

impl Mood {
    fn happens(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.random.random_range(0..1_000) < per_mille
    }
}

impl Storage {
    /// An empty one.
    pub(crate) fn new(plan: &Plan, clock: &Arc<AtomicI64>) -> Self {
        let mood = Mood {
            random: stream(plan.seed, Concern::Store),
            rates: plan.store_rates,
            counts: Counts::default(),
            written: BTreeMap::new(),
        };
        Storage { inner: InMemory::new(), clock: Arc::clone(clock), mood: Mutex::new(mood) }
    }

    fn mood(&self) -> MutexGuard<'_, Mood> {
        self.mood.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this goes wrong.
    pub(crate) fn set_rates(&self, rates: impl FnOnce(&mut StoreRates)) {
        rates(&mut self.mood().rates);
    }

    /// What happened.
    pub(crate) fn counts(&self) -> Counts {
        self.mood().counts.clone()
    }

    /// Perhaps somebody deletes a file.
    pub(crate) fn lose_file(&self) {
        let lost = {
            let mut mood = self.mood();
            let rate = mood.rates.lost;
            if mood.written.is_empty() || !mood.happens(rate) {
                return;
            }
            let count = mood.written.len();
            let index = mood.random.random_range(0..count);
            let Some(path) = mood.written.keys().nth(index).cloned() else { return };
            mood.written.remove(&path);
            mood.counts.add(if is_manifest(&path) { "manifest lost" } else { "chunk lost" }, 1);
            path
        };
        // In memory nothing is waited for.
        self.inner.delete(&lost).now_or_never();
    }

    /// Perhaps a call fails without doing anything.
    fn hinder(&self, what: &'static str) -> Result<()> {
        let mut mood = self.mood();
        let rate = mood.rates.look;
        if mood.happens(rate) {
            mood.counts.add(what, 1);
            return Err(failure());
        }
        Ok(())
    }

    /// Perhaps a part of a call takes long.
    async fn dawdle(&self) {
        let until = {
            let mut mood = self.mood();
            let rate = mood.rates.slow;
            if !mood.happens(rate) {
                return;
            }
            mood.counts.add("slow call to the store", 1);
            self.clock.load(Ordering::Relaxed) + mood.random.random_range(0..SLOW_MICROS)
        };
        poll_fn(|context| {
            if self.clock.load(Ordering::Relaxed) >= until {
                return Poll::Ready(());
            }
            // Asked again whenever the simulation lets work go on.
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn draw_fault(&self, path: &Path) -> Option<Fault> {
        let mut mood = self.mood();
        let rate = mood.rates.put;
        if !mood.happens(rate) {
            return None;
        }
        let fault = Fault::ALL[mood.random.random_range(0..Fault::ALL.len())];
        mood.counts.add(fault.name(is_manifest(path)), 1);
        Some(fault)
    }

    /// What is written under a fault.
    fn spoil(&self, fault: Option<Fault>, bytes: &mut Vec<u8>) {
        match fault {
            Some(Fault::Half) => bytes.truncate(bytes.len() / 2),
            Some(Fault::Spoilt) if !bytes.is_empty() => {
                let random = &mut self.mood().random;
                let at = random.random_range(0..bytes.len());
                bytes[at] ^= 1 << random.random_range(0..8);
            }
            _ => {}
        }
    }

    /// The file with the simulated time of its writing.
    fn dated(&self, meta: ObjectMeta) -> ObjectMeta {
        let written = self.mood().written.get(&meta.location).copied().unwrap_or_default();
        let since_1970 = Duration::from_micros(u64::try_from(START_MICROS + written).unwrap_or_default());
        ObjectMeta { last_modified: (UNIX_EPOCH + since_1970).into(), ..meta }
    }

    async fn delete(&self, path: Path) -> Result<Path> {
        self.hinder("delete failed")?;
        self.dawdle().await;
        self.mood().written.remove(&path);
        self.inner.delete(&path).await?;
        Ok(path)
    }
}

/// The store as one process has it.
#[derive(Clone)]
pub(crate) struct ChaosStore {
    storage: Arc<Storage>,
    life: Arc<Life>,
}

impl ChaosStore {
    /// For a process.
    pub(crate) fn new(storage: &Arc<Storage>, life: &Arc<Life>) -> Self {
        ChaosStore { storage: Arc::clone(storage), life: Arc::clone(life) }
    }
}

/// A call that a process has under way.
struct UnderWay<'a>(&'a AtomicU32);

impl<'a> UnderWay<'a> {
    fn begin(calls: &'a AtomicU32) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        UnderWay(calls)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for ChaosStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ChaosStore")
    }
}

impl fmt::Display for ChaosStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a store that fails")
    }
}

#[async_trait]
impl ObjectStore for ChaosStore {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let under_way = UnderWay::begin(&self.life.writing);
        let storage = &self.storage;
        let fault = storage.draw_fault(at);
        storage.dawdle().await;
        if fault == Some(Fault::Refused) {
            return Err(failure());
        }
        let mut bytes: Vec<u8> = Bytes::from(payload).into();
        storage.spoil(fault, &mut bytes);
        let written = storage.inner.put_opts(at, bytes.into(), options).await?;
        {
            let mut mood = storage.mood();
            mood.written.insert(at.clone(), storage.clock.load(Ordering::Relaxed));
            if is_manifest(at) && self.life.is_over() {
                mood.counts.add("snapshot by a former owner", 1);
            }
        }
        storage.dawdle().await;
        drop(under_way);
        match fault {
            Some(Fault::Denied | Fault::Half) => Err(failure()),
            _ => Ok(written),
        }
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.storage.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        let under_way = UnderWay::begin(&self.life.reading);
        self.storage.hinder("get failed")?;
        self.storage.dawdle().await;
        drop(under_way);
        self.storage.inner.get_opts(at, options).await
    }

    fn delete_stream(&self, at: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let storage = Arc::clone(&self.storage);
        at.then(move |path| {
            let storage = Arc::clone(&storage);
            async move { storage.delete(path?).await }
        })
        .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if let Err(error) = self.storage.hinder("list failed") {
            return stream::iter([Err(error)]).boxed();
        }
        let storage = Arc::clone(&self.storage);
        self.storage.inner.list(prefix).map(move |meta| meta.map(|meta| storage.dated(meta))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let under_way = UnderWay::begin(&self.life.reading);
        self.storage.hinder("list failed")?;
        self.storage.dawdle().await;
        drop(under_way);
        self.storage.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.storage.inner.copy_opts(from, to, options).await
    }
}
