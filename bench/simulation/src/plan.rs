//! What a run is: jobs, partitions, workers, and how much goes wrong.
//!
//! Always holds: a seed decides everything; each concern draws from a stream of its own. Does not know: how it is run.

use std::sync::Arc;
use std::time::Duration;

use processors::{Job, JobConfig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::Topic;
use serde_json::{Value, json};

/// The streams of random numbers of a seed.
#[derive(Clone, Copy)]
pub(crate) enum Concern {
    Plan = 1,
    Input = 2,
    Schedule = 3,
    Faults = 4,
    Store = 5,
}

/// The stream of `seed` for one concern.
pub(crate) fn stream(seed: u64, concern: Concern) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(concern as u64);
    random
}

/// How often, of 1000 times, something goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    /// A call to the log at which the process dies.
    pub(crate) crash_at_call: u32,
    /// A commit that meets a fault of the log.
    pub(crate) commit: u32,
    /// A poll at which the member turns out to be expelled.
    pub(crate) expelled: u32,
    /// A call that fails while the process lives on.
    pub(crate) refused: u32,
    /// A turn of the schedule that crashes, stops or starts a worker.
    pub(crate) upheaval: u32,
}

/// How often, of 1000 times, something goes wrong with the store of snapshots.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoreRates {
    /// A write that fails, or spoils what it writes.
    pub(crate) put: u32,
    /// A read, a list or a deletion that fails.
    pub(crate) look: u32,
    /// A part of a call that takes long.
    pub(crate) slow: u32,
    /// A turn of the schedule at which somebody deletes a file.
    pub(crate) lost: u32,
}

/// How a run keeps snapshots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SnapshotPlan {
    pub(crate) every: Duration,
    /// How many of each shard.
    pub(crate) keep: usize,
    /// How old a chunk must be that is deleted.
    pub(crate) grace: Duration,
}

/// A job of a run.
pub(crate) struct JobPlan {
    pub(crate) config: JobConfig,
    pub(crate) job: Arc<Job>,
}

/// A run.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) partitions: i32,
    pub(crate) jobs: Vec<JobPlan>,
    /// Workers of each job.
    pub(crate) workers: usize,
    pub(crate) records: usize,
    /// Pauses are longer than `idle_after`, and events keep to the clock.
    pub(crate) has_pauses: bool,
    pub(crate) idle_after: Duration,
    pub(crate) commit_every: Duration,
    pub(crate) is_static: bool,
    /// No poll brings more records than this.
    pub(crate) poll_records_max: usize,
    pub(crate) rates: Rates,
    pub(crate) snapshots: Option<SnapshotPlan>,
    pub(crate) store_rates: StoreRates,
    /// Everything stops once, and the log is set back to a copy of it.
    pub(crate) is_set_back: bool,
    /// All processes are killed before the quiet end, and their successors keep no more snapshots, but begin from what there is.
    pub(crate) ends_with_restart: bool,
}

impl Plan {
    /// Draws the run of a seed.
    pub(crate) fn of(seed: u64) -> Plan {
        let mut random = stream(seed, Concern::Plan);
        let has_pauses = random.random_range(0..4) == 0;
        let mut jobs = Vec::new();
        let which = random.random_range(0..4);
        if which != 0 {
            jobs.push(job("audience", audience(&mut random, has_pauses)));
        }
        if which == 0 || which == 3 {
            jobs.push(job("markets", markets(&mut random)));
        }
        let second =
            |job: &JobPlan| Some(JobPlan { config: job.config.clone(), job: job.job.second.clone()? });
        jobs.extend(jobs.iter().filter_map(second).collect::<Vec<_>>());
        let among = |random: &mut ChaCha8Rng, rates: &[u32]| rates[random.random_range(0..rates.len())];
        Plan {
            seed,
            partitions: random.random_range(1..=3),
            jobs,
            workers: random.random_range(1..=3),
            records: random.random_range(60..160),
            has_pauses,
            idle_after: if has_pauses { Duration::from_secs(2) } else { Duration::from_secs(3600) },
            commit_every: Duration::from_millis([0, 50, 200, 1_000][random.random_range(0..4)]),
            is_static: random.random(),
            poll_records_max: if has_pauses || random.random() { 4_096 } else { random.random_range(1..12) },
            rates: Rates {
                crash_at_call: among(&mut random, &[0, 2, 10]),
                commit: among(&mut random, &[0, 50, 200]),
                expelled: among(&mut random, &[0, 5, 15]),
                refused: among(&mut random, &[0, 2, 10]),
                upheaval: among(&mut random, &[0, 10, 50]),
            },
            snapshots: snapshots(&mut random),
            store_rates: StoreRates {
                put: among(&mut random, &[0, 20, 100]),
                look: among(&mut random, &[0, 10, 50]),
                slow: among(&mut random, &[0, 20, 100]),
                lost: among(&mut random, &[0, 0, 30]),
            },
            is_set_back: random.random_range(0..5) == 0,
            ends_with_restart: random.random_range(0..4) > 0,
        }
    }

    /// Every topic that some job reads.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        let read = |topic: &Topic| self.jobs.iter().any(|job| job.job.inputs.contains(topic));
        Topic::EVENTS.into_iter().filter(read).collect()
    }

    /// The least lateness of all jobs, in microseconds.
    pub(crate) fn lateness_micros(&self) -> i64 {
        self.jobs.iter().map(|job| job.config.lateness.micros()).min().unwrap_or(0)
    }
}

fn snapshots(random: &mut ChaCha8Rng) -> Option<SnapshotPlan> {
    (random.random_range(0..6) > 0).then(|| SnapshotPlan {
        every: Duration::from_millis([100, 500, 2_000, 8_000][random.random_range(0..4)]),
        keep: random.random_range(1..=3),
        grace: Duration::from_secs([0, 5, 3_600][random.random_range(0..3)]),
    })
}

fn job(name: &str, config: Value) -> JobPlan {
    let config: JobConfig = match serde_json::from_value(config) {
        Ok(config) => config,
        Err(error) => unreachable!("the configuration is part of the program: {error}"),
    };
    match config.validate(name) {
        Ok(job) => JobPlan { job: Arc::new(job), config },
        Err(errors) => unreachable!("the configuration is part of the program: {errors:?}"),
    }
}

fn pick<'a>(random: &mut ChaCha8Rng, words: &[&'a str]) -> &'a str {
    words[random.random_range(0..words.len())]
}

fn audience(random: &mut ChaCha8Rng, has_pauses: bool) -> Value {
    let (length, slide, often) =
        [("30s", "10s", "5s"), ("10s", "5s", "1s"), ("12s", "4s", "4s"), ("6s", "2s", "2s")]
            [random.random_range(0..4)];
    let (tumbling, rarely) =
        [("10s", "5s"), ("15s", "5s"), ("1m", "10s"), ("3s", "3s")][random.random_range(0..4)];
    let emit = pick(random, &["2s", "5s", "10s"]);
    let mut boards = vec![
        json!({"name": "rolling", "source": "chat", "item": "user", "k": random.random_range(1..5), "emit_every": often,
               "window": {"kind": "rolling", "length": length, "slide": slide}}),
        json!({"name": "all", "source": "chat", "item": "user", "k": 3, "emit_every": emit, "window": {"kind": "all_time"}}),
        json!({"name": "emotes", "source": "chat", "item": "emote", "k": 2, "emit_every": rarely,
               "window": {"kind": "tumbling", "length": tumbling}}),
        json!({"name": "gifts", "source": "reactions", "item": "user", "k": 4, "emit_every": often,
               "window": {"kind": "rolling", "length": length, "slide": slide}}),
        json!({"name": "emoji", "source": "reactions", "item": "emoji", "k": 3, "emit_every": rarely,
               "window": {"kind": "tumbling", "length": tumbling}}),
        json!({"name": "sessions", "source": "chat", "item": "emote", "score": "distinct_users", "k": 2,
               "emit_every": emit, "window": {"kind": "session", "gap": pick(random, &["700ms", "3s", "15s"])}}),
        json!({"name": "kept", "source": "chat", "item": "emote", "k": 3, "emit_every": emit, "retract": true,
               "window": {"kind": "all_time"}}),
        json!({"name": "money", "source": "reactions", "group": ["channel", "currency"], "item": "user",
               "score": {pick(random, &["sum", "largest"]): "money"}, "k": 2, "emit_every": often,
               "window": {"kind": "rolling", "length": length, "slide": slide}}),
        json!({"name": "kinds", "source": "reactions", "item": "reaction", "score": "distinct_users", "k": 4,
               "emit_every": often, "window": {"kind": "rolling", "length": length, "slide": slide}}),
    ];
    // With pauses a shard may be called idle before its first event comes, which is then late for boards across shards.
    if !has_pauses {
        boards.extend([
            json!({"name": "channels", "source": "chat", "item": "channel", "k": 2, "emit_every": often,
                   "window": {"kind": "rolling", "length": length, "slide": slide}}),
            json!({"name": "emotes_everywhere", "source": "chat", "group": "global", "item": "emote", "k": 3,
                   "emit_every": emit, "retract": random.random::<bool>(), "window": {"kind": "all_time"}}),
            json!({"name": "gifts_everywhere", "source": "reactions", "group": "currency", "item": "reaction",
                   "score": {"sum": "money"}, "k": 3, "emit_every": rarely, "window": {"kind": "tumbling", "length": tumbling}}),
        ]);
    }
    boards.retain(|_| random.random());
    let mut config = json!({"lateness": pick(random, &["1s", "2s", "4s"]), "boards": boards});
    if random.random_range(0..4) == 0 {
        config["dedup_for"] = json!("0s");
    }
    if boards.is_empty() || random.random() {
        let (window, emit_every) = [("1m", "5s"), ("10s", "2s"), ("20s", "20s")][random.random_range(0..3)];
        config["engagement"] = json!({"window": window, "emit_every": emit_every,
            "heartbeat_timeout": pick(random, &["3s", "10s", "30s"])});
        if random.random() {
            config["engagement"]["retention_ages"] = json!([emit_every, "1m", "2m"]);
        }
        if random.random_range(0..3) == 0 {
            config["engagement"]["distinct_max"] = json!(random.random_range(0..4));
            config["engagement"]["messages_max"] = json!(random.random_range(0..6));
        }
    }
    if random.random_range(0..3) > 0 {
        config["moderation"] = json!({
            "terms": [{"term": "spam", "category": "spam", "severity": 2}],
            "repeated_text": {"within": pick(random, &["5s", "20s"]), "count": random.random_range(2..4)},
        });
    }
    config
}

fn markets(random: &mut ChaCha8Rng) -> Value {
    let mut config = json!({
        "lateness": pick(random, &["1s", "3s"]),
        "candles": {"intervals": ["1s", "10s", "1m"], "emit_every": pick(random, &["1s", "5s"]),
            "spike_candles": random.random_range(0..4), "spike_factor": random.random_range(1..4)},
    });
    if random.random() {
        config["boards"] = json!([{"name": "traders", "source": "trades", "item": "user", "k": 2, "emit_every": "5s",
            "window": {"kind": "tumbling", "length": "10s"}}]);
    }
    config
}
