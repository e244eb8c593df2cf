//! Engagement through the driver: how many events a second one core takes in, at so many sessions.
//!
//! `cargo bench -p processors --bench engagement`. All sessions have joined; then each sends a heartbeat every ten seconds of the
//! stream's own time, to a hundred channels, beside 8 % chat and 2 % reactions, a tenth of them a little out of order; one
//! minute ends on the way. Every record that a job would publish is made, and dropped.
//!
//! Does not know: Kafka, what decoding and encoding cost, and the search for duplicates, which is off.

use divan::Bencher;
use divan::counter::ItemsCount;
use processors::{Driver, JobConfig};
use schemas::{
    ChatEvent, ChatKind, Event, ReactionEvent, ReactionKind, Timestamp, Topic, ViewerEvent, ViewerKind,
};

const EVENTS: usize = 1_000_000;
const CHANNELS: usize = 100;
const TOML: &str = "lateness = '2s'\ndedup_for = '0s'\n[engagement]\nwindow = '1m'\nemit_every = '1s'\n\
    retention_ages = ['1m', '2m', '5m', '10m', '15m', '30m', '1h']\n";
/// Ten seconds before a minute ends.
const START_MICROS: i64 = 1_700_000_040_000_000 + 50_000_000;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// The names in a stream.
struct Names {
    channels: Vec<String>,
    sessions: Vec<String>,
    messages: Vec<String>,
}

impl Names {
    fn of(sessions: usize) -> Self {
        let names =
            |prefix: &str, count: usize| (0..count).map(|number| format!("{prefix}:{number}")).collect();
        Names {
            channels: names("twitch:channel", CHANNELS),
            sessions: names("twitch:session-of-some-viewer", sessions),
            messages: names("twitch:message-with-a-long-id", EVENTS),
        }
    }

    fn viewer(&self, session: usize, kind: ViewerKind, time: Timestamp) -> Event<'_> {
        let name = self.sessions[session].as_str();
        Event::Viewer(ViewerEvent {
            event_id: "e".into(),
            event_time: time,
            ingest_time: time,
            source: "twitch".into(),
            channel_id: self.channels[session % CHANNELS].as_str().into(),
            user_id: (!session.is_multiple_of(4)).then(|| name.into()),
            stream_id: None,
            kind,
            session_id: name.into(),
            watch_ms: 10_000,
            startup_ms: (kind == ViewerKind::Join).then_some(400 + session as i64 % 900),
            rebuffer_count: 0,
            rebuffer_ms: 0,
            bitrate_kbps: Some(6_000),
            live_latency_ms: Some(1_500 + session as i64 % 3_000),
            device: None,
            country: None,
        })
    }

    fn chat(&self, index: usize, session: usize, time: Timestamp) -> Event<'_> {
        Event::Chat(ChatEvent {
            event_id: self.messages[index].as_str().into(),
            event_time: time,
            ingest_time: time,
            source: "twitch".into(),
            channel_id: self.channels[session % CHANNELS].as_str().into(),
            user_id: Some(self.sessions[session].as_str().into()),
            stream_id: None,
            kind: ChatKind::Message,
            user_name: None,
            text: Some("hello".into()),
            emotes: Vec::new(),
            roles: Vec::new(),
            badges: Vec::new(),
            reply_to: None,
            is_question: false,
            is_first_message: false,
            target_message_id: None,
            target_user_id: None,
            duration_ms: None,
        })
    }

    fn reaction(&self, session: usize, time: Timestamp) -> Event<'_> {
        Event::Reaction(ReactionEvent {
            event_id: "e".into(),
            event_time: time,
            ingest_time: time,
            source: "twitch".into(),
            channel_id: self.channels[session % CHANNELS].as_str().into(),
            user_id: None,
            stream_id: None,
            kind: ReactionKind::Like,
            count: 3,
            user_name: None,
            emoji: None,
            amount_micros: None,
            currency: None,
            target_id: None,
            option: None,
        })
    }
}

/// A driver to which so many sessions have joined in the last ten seconds.
fn joined(names: &Names) -> Driver {
    let config: JobConfig = toml::from_str(TOML).expect("well formed");
    let mut driver = Driver::new(&config.validate("engagement").expect("valid"));
    let sessions = names.sessions.len();
    for session in 0..sessions {
        let at = START_MICROS - 10_000_000 + session as i64 * 10_000_000 / sessions as i64;
        let time = Timestamp::from_micros(at);
        driver.push(Topic::Viewers, time, &names.viewer(session, ViewerKind::Join, time));
        driver.take();
    }
    driver
}

#[divan::bench(args = [10_000, 100_000, 1_000_000, 10_000_000], sample_count = 3, sample_size = 1)]
fn heartbeats_chat_and_reactions(bencher: Bencher<'_, '_>, sessions: usize) {
    let names = Names::of(sessions);
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(|| joined(&names)).bench_local_values(
        |mut driver| {
            let mut records = 0;
            for index in 0..EVENTS {
                let session = index % sessions;
                let back = if index % 10 == 0 { 700_000 } else { 0 };
                let now = START_MICROS + index as i64 * 10_000_000 / sessions as i64;
                let time = Timestamp::from_micros(now - back);
                let (topic, event) = match index % 50 {
                    0..4 => (Topic::Chat, names.chat(index, session, time)),
                    4 => (Topic::Reactions, names.reaction(session, time)),
                    _ => (Topic::Viewers, names.viewer(session, ViewerKind::Heartbeat, time)),
                };
                driver.push(topic, Timestamp::from_micros(now), &event);
                records += driver.take().len();
            }
            assert!(records > 0, "no tick was reached");
            records
        },
    );
}
