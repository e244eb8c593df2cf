//! The keeper: writes and reads snapshots beside a worker, on a thread with a small runtime of its own.
//!
//! Always holds: a worker never waits for the store. At most one snapshot of a worker is on its way, and at most one shard is
//! being read; whoever asks for more is told to come back. Does not know: when a snapshot is due, or what a shard is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use processors::Job;
use tokio::runtime::{Builder, Runtime};

use super::SnapshotOptions;
use super::store::{Draft, Found, Refused, Saved, SnapshotStore, Wanted};

/// What became of a request.
pub(crate) enum Reply {
    /// A snapshot was written, or why not.
    Saved { shard: i32, outcome: Result<Saved, String> },
    /// A snapshot was looked for.
    Loaded { ticket: u64, shard: i32, outcome: Result<Found, Refused> },
}

enum Request {
    Save(Draft),
    Load { ticket: u64, wanted: Wanted },
}

/// What serves the requests.
struct Server {
    store: SnapshotStore,
    job: Arc<Job>,
    folder: String,
}

impl Server {
    async fn serve(&self, request: Request) -> Reply {
        match request {
            Request::Save(draft) => {
                let shard = draft.moment.shard;
                Reply::Saved {
                    shard,
                    outcome: self.store.save(draft).await.map_err(|error| error.to_string()),
                }
            }
            Request::Load { ticket, wanted } => {
                let outcome = self.store.load(&self.job, &self.folder, &wanted).await;
                Reply::Loaded { ticket, shard: wanted.shard, outcome }
            }
        }
    }
}

enum Way {
    /// Served while the caller waits.
    Inline { runtime: Runtime, server: Server, replies: VecDeque<Reply> },
    /// Served on a thread for each kind, so that reading does not wait for writing.
    Threads {
        saves: mpsc::SyncSender<Request>,
        loads: mpsc::SyncSender<Request>,
        replies: mpsc::Receiver<Reply>,
    },
}

/// The worker's end.
pub(crate) struct Keeper {
    way: Way,
    is_saving: bool,
    is_loading: bool,
}

impl Keeper {
    /// A keeper for the job, whose snapshots are in `folder`.
    ///
    /// # Errors
    /// If the system has no thread or handle left.
    pub(crate) fn new(options: &SnapshotOptions, job: &Arc<Job>, folder: &str) -> std::io::Result<Self> {
        let server =
            || Server { store: options.store.clone(), job: Arc::clone(job), folder: folder.to_owned() };
        let way = if options.is_inline {
            Way::Inline { runtime: runtime()?, server: server(), replies: VecDeque::new() }
        } else {
            let (reply, replies) = mpsc::channel();
            Way::Threads { saves: spawn(server(), reply.clone())?, loads: spawn(server(), reply)?, replies }
        };
        Ok(Keeper { way, is_saving: false, is_loading: false })
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
        self.ask(Request::Save(draft));
    }

    /// Begins to look for a snapshot. Only while none is being read.
    pub(crate) fn load(&mut self, ticket: u64, wanted: Wanted) {
        self.is_loading = true;
        self.ask(Request::Load { ticket, wanted });
    }

    fn ask(&mut self, request: Request) {
        match &mut self.way {
            Way::Inline { runtime, server, replies } => {
                replies.push_back(runtime.block_on(server.serve(request)));
            }
            // The thread lives as long as this end, and its channel has room: it was not asked since it answered.
            Way::Threads { saves, loads, .. } => {
                let thread = if matches!(request, Request::Save(_)) { saves } else { loads };
                thread.try_send(request).ok();
            }
        }
    }

    /// The next answer, if there is one.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        let reply = match &mut self.way {
            Way::Inline { replies, .. } => replies.pop_front(),
            Way::Threads { replies, .. } => replies.try_recv().ok(),
        }?;
        match &reply {
            Reply::Saved { .. } => self.is_saving = false,
            Reply::Loaded { .. } => self.is_loading = false,
        }
        Some(reply)
    }
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A thread that serves one request after the other, until nobody can ask any more.
fn spawn(server: Server, replies: mpsc::Sender<Reply>) -> std::io::Result<mpsc::SyncSender<Request>> {
    let runtime = runtime()?;
    let (sender, requests) = mpsc::sync_channel::<Request>(1);
    let serve = move || {
        for request in requests {
            if replies.send(runtime.block_on(server.serve(request))).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("snapshots".to_owned()).spawn(serve)?;
    Ok(sender)
}
