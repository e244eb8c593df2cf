//! Many clients' WebSockets in one task: each change is handed to all of them in one go, without waking a task for each.
//!
//! There is one for each of the runtime's threads. Always holds: the changes that follow each other within the frame interval go out
//! together; a line is looked at when its socket has something or takes something again, when a time of its own has come, and when
//! there is a change, and not otherwise; after [`TURN`] others of the runtime's tasks have their turn.
//! Does not know: what is said on a line.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use hyper::upgrade::Upgraded;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::DashboardOptions;
use super::access::Grant;
use super::hub::Hub;
use super::limits::Place;
use super::line::{Around, Line};
use super::steps::Steps;

/// As long as a shard goes on before it lets others.
const TURN: Duration = Duration::from_millis(1);
/// As many lines are served between looks at the clock.
const PORTION: usize = 16;
/// Times of lines that come within this are one.
const TIMES_APART: Duration = Duration::from_millis(20);
/// What lines read into, one after the other.
const BUFFER_BYTES: usize = 16 << 10;

/// A connection after its handshake.
pub struct Arrival {
    /// The connection.
    pub stream: Upgraded,
    /// What may be read; none before a message brings a token.
    pub grant: Option<Grant>,
    /// Its place.
    pub place: Place,
}

/// All shards.
pub struct Shards {
    arrivals: Vec<mpsc::UnboundedSender<Arrival>>,
    next: AtomicUsize,
}

impl Shards {
    /// Starts one on each of the runtime's threads; they end when the hub is closed and these are dropped.
    #[must_use]
    pub fn start(hub: &Arc<Hub>, options: &Arc<DashboardOptions>) -> Self {
        let count = tokio::runtime::Handle::current().metrics().num_workers();
        let arrivals = (0..count).map(|_| {
            let (sender, arrivals) = mpsc::unbounded_channel();
            let shard = Shard::new(Arc::clone(hub), Arc::clone(options), arrivals);
            // it gives way by itself: counted as one task it would have to far too often
            tokio::spawn(tokio::task::unconstrained(shard.run()));
            sender
        });
        Shards { arrivals: arrivals.collect(), next: AtomicUsize::new(0) }
    }

    /// Serves a connection from now on.
    pub fn admit(&self, arrival: Arrival) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.arrivals.len();
        if self.arrivals[next].send(arrival).is_err() {
            tracing::error!("a shard of connections has panicked");
        }
    }
}

/// The lines whose sockets have something.
#[derive(Default)]
struct Ready {
    list: Mutex<Vec<usize>>,
    notify: Notify,
}

/// Puts one line into the list.
struct Signal {
    line: usize,
    is_listed: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_listed.swap(true, Ordering::AcqRel) {
            self.ready.list.lock().unwrap_or_else(PoisonError::into_inner).push(self.line);
            self.ready.notify.notify_one();
        }
    }
}

/// A line's number may have been another's: what is left of that one wakes this one for nothing.
struct Slot {
    line: Line,
    signal: Arc<Signal>,
    /// The earliest of its entries among the times.
    armed: Option<Instant>,
}

/// What a line is looked at for.
#[derive(Clone, Copy)]
enum Cause {
    Ready,
    Time,
    Change,
    CaughtUp,
    Shutdown,
}

struct Shard {
    hub: Arc<Hub>,
    options: Arc<DashboardOptions>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    head: watch::Receiver<u64>,
    caught_up: watch::Receiver<bool>,
    closing: watch::Receiver<bool>,
    ready: Arc<Ready>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    times: BinaryHeap<Reverse<(Instant, usize)>>,
    times_at: Instant,
    steps: Steps,
    buffer: Vec<u8>,
    /// Changes up to this offset have been handed out, or are being handed out.
    due: u64,
    /// Before this nothing is handed out.
    next_at: Instant,
    /// The line that is next in handing out.
    at: Option<usize>,
    is_caught_up: bool,
    is_closing: bool,
    is_shut: bool,
}

impl Shard {
    fn new(
        hub: Arc<Hub>,
        options: Arc<DashboardOptions>,
        arrivals: mpsc::UnboundedReceiver<Arrival>,
    ) -> Self {
        Shard {
            arrivals,
            head: hub.head(),
            caught_up: hub.caught_up(),
            closing: hub.closing(),
            hub,
            options,
            ready: Arc::default(),
            slots: Vec::new(),
            free: Vec::new(),
            times: BinaryHeap::new(),
            times_at: Instant::now(),
            steps: Steps::new(),
            buffer: vec![0; BUFFER_BYTES],
            due: 0,
            next_at: Instant::now(),
            at: None,
            is_caught_up: false,
            is_closing: false,
            is_shut: false,
        }
    }

    async fn run(mut self) {
        while !(self.is_shut && self.free.len() == self.slots.len()) {
            self.look_around();
            self.serve_ready();
            self.serve_times();
            if self.at.is_none() && self.head.has_changed().unwrap_or(false) && self.next_at <= Instant::now()
            {
                self.due = *self.head.borrow_and_update();
                self.next_at = Instant::now() + self.options.clients.frame_interval;
                self.at = Some(0);
            }
            if self.at.is_some() {
                self.hand_out();
                tokio::task::yield_now().await;
            } else {
                self.steps.forget();
                self.wait().await;
            }
        }
    }

    /// Until there is something to do.
    async fn wait(&mut self) {
        let first = self.times.peek().map(|Reverse((at, _))| (*at).max(self.times_at + TIMES_APART));
        let is_behind = self.head.has_changed().unwrap_or(false);
        let until = first.into_iter().chain(is_behind.then_some(self.next_at)).min();
        let time = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let arrived = tokio::select! {
            arrival = self.arrivals.recv(), if !self.is_shut => Some(arrival),
            () = self.ready.notify.notified() => None,
            changed = self.head.changed(), if !is_behind => {
                if changed.is_ok() {
                    self.head.mark_changed();
                }
                None
            }
            _ = self.caught_up.wait_for(|is_caught_up| *is_caught_up), if !self.is_caught_up => None,
            _ = self.closing.wait_for(|is_closing| *is_closing), if !self.is_closing => None,
            () = time => None,
        };
        match arrived {
            Some(Some(arrival)) => self.admit(arrival),
            Some(None) => self.is_shut = true,
            None => {}
        }
    }

    fn admit(&mut self, arrival: Arrival) {
        let index = self.free.pop().unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(None);
        }
        let signal =
            Arc::new(Signal { line: index, is_listed: AtomicBool::new(false), ready: self.ready.clone() });
        let waker = Waker::from(Arc::clone(&signal));
        let Arrival { stream, grant, place } = arrival;
        let line = Line::new(stream, grant, place, waker, &self.options.clients);
        self.slots[index] = Some(Slot { line, signal, armed: None });
        self.look_at(index, if self.is_closing { Cause::Shutdown } else { Cause::Ready });
    }

    /// Looks at a line; drops it if it is over.
    fn look_at(&mut self, index: usize, cause: Cause) {
        let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else { return };
        let mut around = Around {
            hub: &self.hub,
            limits: &self.options.clients,
            access: &self.options.access,
            steps: &mut self.steps,
            buffer: &mut self.buffer,
            due: self.due,
            now: Instant::now(),
        };
        match cause {
            Cause::Ready => slot.line.on_ready(&mut around),
            Cause::Time => slot.line.on_time(&mut around),
            Cause::Change => slot.line.on_change(&mut around),
            Cause::CaughtUp => slot.line.on_caught_up(&mut around),
            Cause::Shutdown => slot.line.on_shutdown(&mut around),
        }
        if slot.line.is_over() {
            self.slots[index] = None;
            self.free.push(index);
            return;
        }
        let at = slot.line.look_at(around.now);
        if slot.armed.is_none_or(|armed| at < armed) {
            slot.armed = Some(at);
            self.times.push(Reverse((at, index)));
        }
    }

    fn look_at_all(&mut self, cause: Cause) {
        (0..self.slots.len()).for_each(|index| self.look_at(index, cause));
    }

    /// New connections, and what has become of the gateway.
    fn look_around(&mut self) {
        while let Ok(arrival) = self.arrivals.try_recv() {
            self.admit(arrival);
        }
        if !self.is_caught_up && self.hub.is_caught_up() {
            self.is_caught_up = true;
            self.look_at_all(Cause::CaughtUp);
        }
        if !self.is_closing && *self.closing.borrow() {
            self.is_closing = true;
            self.look_at_all(Cause::Shutdown);
        }
    }

    fn serve_ready(&mut self) {
        let list = std::mem::take(&mut *self.ready.list.lock().unwrap_or_else(PoisonError::into_inner));
        for index in list {
            if let Some(slot) = self.slots.get(index).and_then(Option::as_ref) {
                slot.signal.is_listed.store(false, Ordering::Release);
            }
            self.look_at(index, Cause::Ready);
        }
    }

    fn serve_times(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, index))) =
            self.times.peek().copied().filter(|Reverse((at, _))| *at <= now)
        {
            self.times.pop();
            self.times_at = now;
            let Some(slot) = self.slots.get_mut(index).and_then(Option::as_mut) else { continue };
            if slot.armed == Some(at) {
                slot.armed = None;
                self.look_at(index, Cause::Time);
            }
        }
    }

    /// Hands the changes to lines until this shard's turn is over.
    fn hand_out(&mut self) {
        let until = Instant::now() + TURN;
        while let Some(at) = self.at {
            let end = self.slots.len().min(at + PORTION);
            (at..end).for_each(|index| self.look_at(index, Cause::Change));
            self.at = (end < self.slots.len()).then_some(end);
            if until <= Instant::now() {
                return;
            }
        }
    }
}
