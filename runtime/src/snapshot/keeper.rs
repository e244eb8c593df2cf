//! The keeper: writes and reads snapshots beside a worker, on threads with a small runtime of their own, or as its driver likes.
//!
//! Always holds: a worker never waits for the store. At most one snapshot of a worker is on its way, and at most one shard is
//! being read; whoever asks for more is told to come back. Does not know: when a snapshot is due, or what a shard is.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use processors::Job;
use tokio::runtime::Builder;

use super::SnapshotOptions;
use super::store::{Draft, Found, Refused, Saved, SnapshotStore, Wanted};

/// Writing or reading one snapshot.
pub type Work = BoxFuture<'static, ()>;

/// Takes work and sees to it that it is done, some time, without keeping the caller waiting.
pub type Driver = Arc<dyn Fn(Work) + Send + Sync>;

/// What became of a request.
pub(crate) enum Reply {
    /// A snapshot was written, or why not.
    Saved { shard: i32, outcome: Result<Saved, String> },
    /// A snapshot was looked for.
    Loaded { ticket: u64, shard: i32, outcome: Result<Found, Refused> },
}

/// The worker's end.
pub(crate) struct Keeper {
    store: SnapshotStore,
    job: Arc<Job>,
    folder: String,
    /// A driver for each kind, so that reading does not wait for writing.
    saves: Driver,
    loads: Driver,
    answer: mpsc::Sender<Reply>,
    replies: mpsc::Receiver<Reply>,
    is_saving: bool,
    is_loading: bool,
}

impl Keeper {
    /// A keeper for the job, whose snapshots are in `folder`.
    ///
    /// # Errors
    /// If the system has no thread or handle left.
    pub(crate) fn new(options: &SnapshotOptions, job: &Arc<Job>, folder: &str) -> std::io::Result<Self> {
        let (saves, loads) = match &options.driver {
            Some(driver) => (Arc::clone(driver), Arc::clone(driver)),
            None => (thread()?, thread()?),
        };
        let (answer, replies) = mpsc::channel();
        Ok(Keeper {
            store: options.store.clone(),
            job: Arc::clone(job),
            folder: folder.to_owned(),
            saves,
            loads,
            answer,
            replies,
            is_saving: false,
            is_loading: false,
        })
    }

    /// Whether a snapshot is still being written.
    pub(crate) fn is_saving(&self) -> bool {
        self.is_saving
    }

    /// Whether a shard is still being read.
    pub(crate) fn is_loading(&self) -> bool {
        self.is_loading
    }

    /// Begins to write a snapshot. Only while none is being written.
    pub(crate) fn save(&mut self, draft: Draft) {
        self.is_saving = true;
        let (store, answer) = (self.store.clone(), self.answer.clone());
        let save = async move {
            let shard = draft.moment.shard;
            let outcome = store.save(draft).await.map_err(|error| error.to_string());
            // Nobody listens any more if the worker has ended.
            answer.send(Reply::Saved { shard, outcome }).ok();
        };
        (self.saves)(save.boxed());
    }

    /// Begins to look for a snapshot. Only while none is being read.
    pub(crate) fn load(&mut self, ticket: u64, wanted: Wanted) {
        self.is_loading = true;
        let (store, answer) = (self.store.clone(), self.answer.clone());
        let (job, folder) = (Arc::clone(&self.job), self.folder.clone());
        let load = async move {
            let outcome = store.load(&job, &folder, &wanted).await;
            answer.send(Reply::Loaded { ticket, shard: wanted.shard, outcome }).ok();
        };
        (self.loads)(load.boxed());
    }

    /// The next answer, if there is one.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        let reply = self.replies.try_recv().ok()?;
        match &reply {
            Reply::Saved { .. } => self.is_saving = false,
            Reply::Loaded { .. } => self.is_loading = false,
        }
        Some(reply)
    }
}

/// A thread that does one work after the other, until nobody can bring any more.
fn thread() -> std::io::Result<Driver> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (sender, works) = mpsc::sync_channel::<Work>(1);
    let work = move || works.into_iter().for_each(|work| runtime.block_on(work));
    thread::Builder::new().name("snapshots".to_owned()).spawn(work)?;
    // The thread lives as long as this end, and its channel has room: whoever brings work has had the last one's answer.
    Ok(Arc::new(move |work| {
        sender.try_send(work).ok();
    }))
}
