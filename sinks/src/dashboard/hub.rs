//! Where the one writer and the many readers meet: the store behind a lock, and a word to the readers when it moved.
//!
//! Always holds: a [`Reader`] holds nothing but a [`Cursor`] and one step of it, whatever its client's speed.
//! Does not know: sockets, Kafka.

use std::collections::VecDeque;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::cursor::{Cursor, Frame};
use super::frame::{Stand, Text};
use super::row::Row;
use super::selector::Filter;
use super::store::{Store, StoreLimits};

/// Microseconds since 1970 by this machine's clock.
#[must_use]
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The store and its audience.
pub struct Hub {
    epoch: Arc<str>,
    store: RwLock<Store>,
    taken_back: AtomicU64,
    head: watch::Sender<u64>,
    caught_up: watch::Sender<bool>,
    closing: watch::Sender<bool>,
    pipeline: Mutex<(Json, Option<i64>)>,
}

impl Hub {
    /// An empty store with an epoch of its own.
    #[must_use]
    pub fn new(limits: StoreLimits) -> Arc<Self> {
        // a hasher's random keys: no two processes share an epoch, and no clock is trusted to move forward
        let epoch: Arc<str> = format!("{:016x}", RandomState::new().hash_one(now_micros())).into();
        Arc::new(Hub {
            store: RwLock::new(Store::new(Arc::clone(&epoch), limits)),
            epoch,
            taken_back: AtomicU64::new(0),
            head: watch::Sender::new(0),
            caught_up: watch::Sender::new(false),
            closing: watch::Sender::new(false),
            pipeline: Mutex::new((json!({ "state": "catching_up" }), None)),
        })
    }

    /// The numbering's name.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Takes changes in and tells the readers.
    pub fn publish(&self, rows: &[Row]) {
        if rows.is_empty() {
            return;
        }
        let head = {
            let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
            for row in rows {
                store.put(row);
            }
            self.taken_back.store(store.taken_back(), Ordering::Release);
            store.head()
        };
        self.head.send_replace(head);
    }

    /// How many changes have been taken back: steps that were made before the last of them are not to be shown to others.
    #[must_use]
    pub fn taken_back(&self) -> u64 {
        self.taken_back.load(Ordering::Acquire)
    }

    /// The store as it is.
    pub fn store(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on readers are served: the store holds what the log held at the start.
    pub fn set_caught_up(&self) {
        self.caught_up.send_replace(true);
    }

    /// True once readers are served.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        *self.caught_up.borrow()
    }

    /// The pipeline's health as last seen, and the newest `computed_at` of any result in microseconds.
    #[must_use]
    pub fn pipeline(&self) -> (Json, Option<i64>) {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what [`Hub::pipeline`] tells.
    pub fn set_pipeline(&self, health: Json, newest_computed_at: Option<i64>) {
        *self.pipeline.lock().unwrap_or_else(PoisonError::into_inner) = (health, newest_computed_at);
    }

    /// The newest offset.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Becomes true once readers are served.
    #[must_use]
    pub fn caught_up(&self) -> watch::Receiver<bool> {
        self.caught_up.subscribe()
    }

    /// Tells every connection to end.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Becomes true when the connections are to end.
    #[must_use]
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Where a frame for a reader that has seen everything up to `offset` stands.
    pub fn with_stand<R>(&self, offset: u64, make: impl FnOnce(&Stand<'_>) -> R) -> R {
        let (as_of, watermark) = self.store().freshness();
        make(&Stand { epoch: &self.epoch, offset, as_of, watermark })
    }
}

/// One client's way through the log, frame by frame as it takes them.
pub struct Reader {
    hub: Arc<Hub>,
    cursor: Cursor,
    head: watch::Receiver<u64>,
    caught_up: watch::Receiver<bool>,
    frame_interval: Duration,
    next_at: Instant,
    /// Read from the log and not handed over yet: at most one step.
    frames: VecDeque<Frame>,
    handed_over: u64,
}

impl Reader {
    /// For what a client is to be shown, after the frame of the id `resume`, if it can be continued there. Changes that follow
    /// each other within `frame_interval` are conflated.
    #[must_use]
    pub fn new(hub: &Arc<Hub>, filter: Filter, resume: Option<&str>, frame_interval: Duration) -> Self {
        let cursor = Cursor::new(hub, Arc::new(filter), resume);
        Reader {
            hub: Arc::clone(hub),
            head: hub.head(),
            caught_up: hub.caught_up(),
            frame_interval,
            next_at: Instant::now(),
            frames: VecDeque::new(),
            handed_over: cursor.offset(),
            cursor,
        }
    }

    /// Everything up to this offset has been handed over, or is not wanted.
    #[must_use]
    pub fn handed_over(&self) -> u64 {
        if self.frames.is_empty() { self.cursor.offset() } else { self.handed_over }
    }

    /// The next frame for the client, once there is one. May be dropped while waiting: nothing is lost.
    pub async fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                self.handed_over = frame.offset;
                return frame;
            }
            if !*self.caught_up.borrow_and_update() {
                wait(&mut self.caught_up).await;
                self.cursor.begin(&self.hub);
                continue;
            }
            if self.cursor.is_live() {
                tokio::time::sleep_until(self.next_at).await;
                if *self.head.borrow_and_update() <= self.cursor.offset() {
                    wait(&mut self.head).await;
                    continue;
                }
                self.next_at = Instant::now() + self.frame_interval;
            }
            self.step();
        }
    }

    fn step(&mut self) {
        let step = self.cursor.step(&self.hub);
        self.cursor.go(&step);
        self.frames.extend(step.frames);
    }

    /// What a new reader would get now, as one snapshot frame, and a name for it: the same as long as the items are the same.
    #[must_use]
    pub fn whole(hub: &Hub, filter: &Filter) -> (Text, String) {
        let batch = hub.store().read(0, filter, usize::MAX, usize::MAX);
        let mut offsets = DefaultHasher::new();
        batch.frames.iter().for_each(|(offset, _)| offset.hash(&mut offsets));
        let name = format!("{}-{}-{:016x}", hub.epoch, batch.frames.len(), offsets.finish());
        (
            hub.with_stand(batch.offset, |stand| stand.snapshot(0, true, filter.forbidden(), &batch.frames)),
            name,
        )
    }
}

/// Until the value changes; for ever once nobody can change it any more (the process is ending then).
async fn wait<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame;
    use super::super::row::Slot;
    use super::super::selector::{Kind, Selectors, SeriesKey, Subscribe};
    use super::*;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    const ALL: &str = r#"{"subscribe":[{"kind":"leaderboards"},{"kind":"moderation"},{"kind":"markets"}]}"#;

    fn row(kind: Kind, series: u8, time: i64, value: u32) -> Row {
        let parts = kind.fields().iter().map(|_| series.to_string().into()).collect();
        let slot = Slot { time: if kind == Kind::Leaderboards { 0 } else { time }, id: "".into() };
        Row {
            key: SeriesKey { kind, parts },
            slot,
            order: 0,
            as_of: time,
            watermark: Some(time),
            value: value.into(),
        }
    }

    fn filter(message: &str) -> Filter {
        let asked = Subscribe::parse(message, 8).expect("a message").asked;
        Filter::new(asked, Selectors::everything()).expect("all may be read")
    }

    fn reader(hub: &Arc<Hub>, message: &str) -> Reader {
        Reader::new(hub, filter(message), None, Duration::ZERO)
    }

    /// What is there for the reader now.
    fn frames_now(reader: &mut Reader) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            frames.extend(reader.frames.pop_front());
            if let Some(frame) = frames.last() {
                reader.handed_over = frame.offset;
            }
            if reader.frames.is_empty() {
                if reader.cursor.is_live() && reader.hub.store().head() <= reader.cursor.offset() {
                    return frames;
                }
                reader.step();
            }
        }
    }

    #[test]
    fn a_frame_is_encoded_once_and_shared() {
        let hub = Hub::new(StoreLimits::default());
        let mut readers: Vec<_> = (0..3).map(|_| reader(&hub, ALL)).collect();
        for reader in &mut readers {
            assert_eq!(frames_now(reader).len(), 1, "an empty snapshot");
        }
        hub.publish(&[row(Kind::Leaderboards, 1, 5, 7)]);
        let texts = readers.iter_mut().map(|reader| frames_now(reader).remove(0).text);
        let addresses: Vec<_> = texts.map(|text| text.message().as_ptr()).collect();
        assert!(addresses.iter().all(|address| *address == addresses[0]), "one text in memory");
    }

    #[test]
    fn the_longest_unchanged_goes_first_and_memory_is_bounded() {
        let limits = StoreLimits { entries_max: 3, bytes_max: 100_000, ..StoreLimits::default() };
        let hub = Hub::new(limits);
        for series in 0..3 {
            hub.publish(&[row(Kind::Leaderboards, series, 0, 0)]);
        }
        hub.publish(&[row(Kind::Leaderboards, 0, 0, 1), row(Kind::Leaderboards, 9, 0, 1)]);
        let (whole, _) = Reader::whole(&hub, &filter(ALL));
        let whole: Json = serde_json::from_slice(&whole.bytes()).expect("JSON");
        let kept = whole["items"].as_array().expect("items").iter().map(|item| item["key"]["board"].as_str());
        assert_eq!(kept.collect::<Vec<_>>(), [Some("2"), Some("0"), Some("9")]);

        let mut large = row(Kind::Leaderboards, 7, 0, 0);
        large.value = "x".repeat(99_900).into();
        hub.publish(&[large]);
        assert_eq!(hub.store().size().0, 1, "the bytes are bounded as well");
    }

    #[test]
    fn a_heartbeat_between_frames_does_not_claim_those_still_to_come() {
        let hub = Hub::new(StoreLimits::default());
        let mut reader = reader(&hub, ALL);
        frames_now(&mut reader);
        let rows: Vec<_> = (0..5).map(|series| row(Kind::Leaderboards, series, 0, 0)).collect();
        hub.publish(&rows);
        reader.step();
        let frame = reader.frames.pop_front().expect("the first of five");
        reader.handed_over = frame.offset;
        assert_eq!((frame.offset, reader.handed_over()), (1, 1));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(Kind, u8, i64),
        Read,
        /// Comes back with the id of the last frame that it received.
        Reconnect,
    }

    fn step() -> impl Strategy<Value = Step> {
        let kind = prop_oneof![Just(Kind::Leaderboards), Just(Kind::Markets), Just(Kind::Moderation)];
        prop_oneof![
            8 => (kind, 0..4_u8, 0..12_i64).prop_map(|(kind, series, time)| Step::Put(kind, series, time)),
            2 => Just(Step::Read),
            1 => Just(Step::Reconnect),
        ]
    }

    /// What a client knows.
    #[derive(Default)]
    struct Known {
        id: Option<String>,
        slots: BTreeMap<String, Json>,
        offset: u64,
    }

    impl Known {
        fn take(&mut self, frame: &Frame, hub: &Hub) {
            let json: Json = serde_json::from_slice(&frame.text.bytes()).expect("JSON");
            assert_eq!(
                frame::offset_of(hub.epoch(), json["id"].as_str().expect("an id")),
                Some(frame.offset)
            );
            match json["type"].as_str() {
                Some("snapshot") => {
                    if json["part"] == 0 {
                        self.slots.clear();
                    }
                    json["items"].as_array().expect("items").iter().for_each(|item| self.set(item));
                }
                Some("change") => {
                    assert!(frame.offset > self.offset, "offsets rise and none is repeated");
                    self.set(&json);
                }
                other => assert_eq!(other, Some("resumed")),
            }
            self.offset = frame.offset;
            self.id = Some(json["id"].as_str().expect("an id").to_owned());
        }

        fn set(&mut self, change: &Json) {
            let time = if change["kind"] == "leaderboards" { &Json::Null } else { &change["as_of"] };
            self.slots
                .insert(format!("{} {} {time}", change["kind"], change["key"]), change["value"].clone());
        }
    }

    proptest! {
        /// However slowly a client reads and however often it reconnects, with little memory: in the end it knows
        /// the newest value of everything that is kept, and of what it was shown nothing else than real values.
        #[test]
        fn a_client_converges_on_what_is_kept(steps in proptest::collection::vec(step(), 1..200)) {
            let limits = StoreLimits { candles_max: 4, flags_max: 3, entries_max: 20, ..StoreLimits::default() };
            let hub = Hub::new(limits);
            let mut reader = self::reader(&hub, ALL);
            let mut known = Known::default();
            for (value, step) in steps.iter().chain([&Step::Read]).enumerate() {
                match step {
                    Step::Put(kind, series, time) => hub.publish(&[row(*kind, *series, *time, value as u32)]),
                    Step::Read => frames_now(&mut reader).iter().for_each(|frame| known.take(frame, &hub)),
                    Step::Reconnect => {
                        reader = Reader::new(&hub, filter(ALL), known.id.as_deref(), Duration::ZERO);
                    }
                }
            }
            let mut kept = Known::default();
            let (text, _) = Reader::whole(&hub, &filter(ALL));
            let offset = hub.store().head();
            kept.take(&Frame { offset, text }, &hub);
            for (slot, value) in &kept.slots {
                prop_assert_eq!(known.slots.get(slot), Some(value), "{}", slot);
            }
        }
    }
}
