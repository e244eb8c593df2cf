//! A process of a run: a worker, its way to the log, and the work with snapshots that it has under way.
//!
//! Always holds: work under way goes on only when it is let, and ends with its process; a worker that ends by itself leaves it
//! behind, as it would leave its thread. Does not know: what befalls a process.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use object_store::path::Path;
use runtime::snapshot::Work;
use runtime::{SnapshotOptions, SnapshotStore, Worker};

use crate::chaos::ChaosLog;
use crate::plan::SnapshotPlan;
use crate::store::{ChaosStore, Storage};

/// What is known of a process from outside.
#[derive(Default)]
pub(crate) struct Life {
    /// It was killed.
    pub(crate) is_dead: AtomicBool,
    /// Another has taken its place.
    is_replaced: AtomicBool,
    /// Calls to the store of snapshots that it has under way.
    pub(crate) writing: AtomicU32,
    pub(crate) reading: AtomicU32,
}

impl Life {
    /// Whether another has taken its place.
    pub(crate) fn is_over(&self) -> bool {
        self.is_replaced.load(Ordering::Relaxed)
    }

    /// Another takes its place.
    pub(crate) fn end(&self) {
        self.is_replaced.store(true, Ordering::Relaxed);
    }
}

/// Snapshots that are being written or read.
#[derive(Clone)]
pub(crate) struct Works {
    life: Arc<Life>,
    works: Arc<Mutex<Vec<Work>>>,
}

impl Works {
    /// None yet, of a process with this life.
    pub(crate) fn new(life: &Arc<Life>) -> Self {
        Works { life: Arc::clone(life), works: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Work>> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all go on as far as they come; whether there are more.
    pub(crate) fn go_on(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut works = self.lock();
        if self.life.is_dead.load(Ordering::Relaxed) {
            works.clear();
        }
        works.retain_mut(|work| work.as_mut().poll(&mut context).is_pending());
        !works.is_empty()
    }

    /// How a worker keeps its snapshots, with its work given to these.
    pub(crate) fn options(&self, plan: &SnapshotPlan, storage: &Arc<Storage>) -> SnapshotOptions {
        let works = self.clone();
        SnapshotOptions {
            store: SnapshotStore {
                store: Arc::new(ChaosStore::new(storage, &self.life)),
                root: Path::default(),
                keep: plan.keep,
                grace: plan.grace,
            },
            every: plan.every,
            fingerprint: "configuration".to_owned(),
            driver: Some(Arc::new(move |work| works.lock().push(work))),
        }
    }
}

/// A process.
pub(crate) struct Process {
    pub(crate) worker: Worker<ChaosLog>,
    pub(crate) log: ChaosLog,
    pub(crate) works: Works,
}
