//! What idleness and the clock did to watermarks is not in the log: after a crash it must be done again, where it was done.

use std::sync::Arc;
use std::time::Duration;

use kafka::memory::MemoryLog;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use runtime::JobMetrics;
use schemas::{Encoder, SchemaIds};

use super::compare;
use super::faulty_store::FaultyStore;
use super::snapshots::snapshots;
use super::world::{Made, START_MS, Settings, World, count, event, new_log, produce};

/// Bursts of events, some far out of order, with silences in which the clock moves on.
fn run(seed: u64, crashes: bool, snapshots_every: Option<Duration>) -> (MemoryLog, Arc<JobMetrics>) {
    let log = new_log();
    let mut settings = Settings { idle_after: Duration::from_secs(1), ..Settings::new(1) };
    settings.late_to_dead_letter = true;
    let store = Arc::new(FaultyStore::new(seed, 0));
    settings.snapshots = snapshots_every.map(|every| snapshots(&store, every));
    let mut world = World::new(&log, settings);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Crashes do not move what is produced.
    let mut crash = ChaCha8Rng::seed_from_u64(!seed);
    let mut encoder = Encoder::new(SchemaIds::local());
    let mut number = 0;
    for _ in 0..12 {
        let time_ms = START_MS + world.elapsed_micros / 1_000;
        let mut records = Vec::new();
        for _ in 0..random.random_range(1..6) {
            number += 1;
            let late_ms = if random.random_range(0..2) == 0 { random.random_range(0..60_000) } else { 0 };
            let user = format!("test:user-{}", random.random_range(0..4));
            let channel = format!("test:channel-{}", random.random_range(0..2));
            let event = event(number, time_ms - late_ms, &channel, &user, &mut random);
            let mut value = Vec::new();
            encoder.encode_event(&event, &mut value).expect("fits");
            records.push(Made { topic: event.topic(), key: channel.clone(), value, timestamp_ms: time_ms });
        }
        produce(&log, &records);
        world.steps(10);
        if crashes && crash.random_range(0..2) == 0 {
            world.crash(0);
        }
        world.steps(10);
        // Everything becomes idle, and then the clock moves on.
        world.elapsed_micros += 2_000_000;
        world.steps(3);
        world.elapsed_micros += random.random_range(1..40) * 1_000_000;
        world.steps(3);
    }
    world.finish();
    (log, world.metrics)
}

#[test]
fn what_the_clock_made_late_is_late_again_after_a_crash() {
    let (mut compared, mut lates, mut replayed, mut restores) = (0, 0, 0, 0);
    for seed in 0..40 {
        let (calm, metrics) = run(seed, false, None);
        lates += count(&metrics.late);
        // Without snapshots all is read again; with them a part, from before and after the raises.
        for every_ms in [None, Some(100), Some(20_000), Some(60_000)] {
            let (rough, metrics) = run(seed, true, every_ms.map(Duration::from_millis));
            compared += compare(&calm, &rough, &format!("seed {seed} with snapshots every {every_ms:?} ms"));
            replayed += count(&metrics.replayed);
            restores += count(&metrics.restores);
        }
    }
    assert!(compared > 5_000, "only {compared} records were compared");
    assert!(
        lates > 80 && replayed > 1_000 && restores > 100,
        "{lates} late, {replayed} replayed, {restores}"
    );
}
