//! Snapshots under the production loop: whatever the store does, readers see what they would have seen without it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{FutureExt, TryStreamExt};
use kafka::memory::{Fault, MemoryLog};
use kafka::{Consumer, ConsumerOptions, ErrorClass, Log, OffsetCommit, Polled, Position};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use runtime::snapshot::Work;
use runtime::{SnapshotOptions, SnapshotStore, Worker, WorkerError};
use schemas::Topic;

use super::compare;
use super::faulty_store::FaultyStore;
use super::world::{PARTITIONS, Settings, World, count, horizons, make_records, new_log, produce, run};

pub fn snapshots(store: &Arc<FaultyStore>, every: Duration) -> SnapshotOptions {
    let store = SnapshotStore {
        store: Arc::clone(store) as Arc<dyn ObjectStore>,
        root: Path::from("state"),
        keep: 3,
        grace: Duration::ZERO,
    };
    // A store in memory is never waited for: each work is done when it is given.
    let driver = Arc::new(|work: Work| work.now_or_never().expect("done at once"));
    SnapshotOptions { store, every, fingerprint: "configuration".to_owned(), driver: Some(driver) }
}

fn with_snapshots(workers: usize, store: &Arc<FaultyStore>, every_ms: u64) -> Settings {
    let snapshots = snapshots(store, Duration::from_millis(every_ms));
    Settings { snapshots: Some(snapshots), ..Settings::new(workers) }
}

/// The names of what the store has.
fn files(store: &FaultyStore) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let listed: Vec<_> = runtime.block_on(store.inner.list(None).try_collect()).expect("a list");
    let mut names: Vec<String> = listed.into_iter().map(|meta| meta.location.to_string()).collect();
    names.sort();
    names
}

#[test]
fn crashes_with_snapshots_change_nothing() {
    let (mut compared, mut restores, mut saved, mut replayed, mut read_again) = (0, 0, 0, 0, 0);
    for seed in 0..60 {
        let (calm, _) = run(seed, false, Settings::new(1));
        let store = Arc::new(FaultyStore::new(seed, 0));
        let (rough, metrics) = run(seed, true, with_snapshots(2, &store, 100));
        compared += compare(&calm, &rough, &format!("seed {seed} with snapshots"));
        restores += count(&metrics.restores);
        saved += count(&metrics.snapshots);
        replayed += count(&metrics.replayed);
        let (_, without) = run(seed, true, Settings::new(2));
        read_again += count(&without.replayed);
        assert_eq!(count(&metrics.snapshots_failed), 0);
    }
    assert!(compared > 10_000, "only {compared} records were compared");
    assert!(restores > 300 && saved > 1_000, "only {restores} restores of {saved} snapshots");
    assert!(replayed * 4 < read_again, "{replayed} records were read again, {read_again} without snapshots");
}

#[test]
fn a_faulty_store_changes_nothing() {
    let (mut compared, mut restores, mut failed, mut damaged, mut spoilt) = (0, 0, 0, 0, 0);
    for seed in 100..160 {
        let (calm, _) = run(seed, false, Settings::new(1));
        let store = Arc::new(FaultyStore::new(seed, 60));
        let (rough, metrics) = run(seed, true, with_snapshots(2, &store, 100));
        compared += compare(&calm, &rough, &format!("seed {seed} with a faulty store"));
        restores += count(&metrics.restores);
        failed += count(&metrics.snapshots_failed);
        damaged += count(&metrics.snapshots_damaged);
        spoilt += store.spoilt.load(Ordering::Relaxed);
    }
    assert!(compared > 10_000, "only {compared} records were compared");
    assert!(restores > 50 && failed > 100, "{restores} restores, {failed} failures");
    assert!(damaged > 20 && spoilt > 100, "{damaged} damaged snapshots found, {spoilt} objects spoilt");
}

/// A log, and workers that have read the first half of a run and stored its state.
fn half_way(store: &Arc<FaultyStore>) -> (MemoryLog, World) {
    let log = new_log();
    let mut world = World::new(&log, with_snapshots(1, store, 100));
    produce(&log, &make_records(7)[..200]);
    world.steps(60);
    (log, world)
}

/// Reads the second half, and compares.
fn other_half(log: &MemoryLog, mut world: World, context: &str) {
    produce(log, &make_records(7)[200..]);
    world.finish();
    let (calm, _) = run(7, false, Settings::new(1));
    assert!(compare(&calm, log, context) > 100);
}

#[test]
fn without_a_manifest_chunks_are_no_snapshot() {
    let store = Arc::new(FaultyStore::new(1, 0));
    store.refuses_manifests.store(true, Ordering::Relaxed);
    let (log, mut world) = half_way(&store);
    assert!(count(&world.metrics.snapshots_failed) > 1 && count(&world.metrics.snapshots) == 0);
    assert!(files(&store).iter().all(|name| name.contains("/chunks/")) && !files(&store).is_empty());
    world.crash(0);
    world.steps(3);
    assert_eq!(count(&world.metrics.restores), 0);
    other_half(&log, world, "chunks without a manifest");
}

#[test]
fn what_is_damaged_is_passed_over_for_what_is_older_and_then_for_the_log() {
    let store = Arc::new(FaultyStore::new(1, 0));
    let (log, mut world) = half_way(&store);
    produce(&log, &make_records(7)[200..220]);
    world.steps(60);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut manifests: Vec<String> =
        files(&store).into_iter().filter(|name| name.contains("all/1/manifest-")).collect();
    assert!(manifests.len() > 1, "{manifests:?}");
    let newest = manifests.pop().expect("a manifest");
    runtime.block_on(store.inner.put(&Path::from(newest), "{}".into())).expect("written");
    world.crash(0);
    world.steps(3);
    assert_eq!((count(&world.metrics.restores), count(&world.metrics.snapshots_damaged)), (2, 1));
    for name in files(&store).into_iter().filter(|name| name.contains("all/1/chunks/")) {
        runtime.block_on(store.inner.put(&Path::from(name), "other bytes".into())).expect("written");
    }
    world.crash(0);
    world.steps(3);
    assert_eq!(count(&world.metrics.restores), 3, "the other shard alone is restored");
    assert!(count(&world.metrics.snapshots_damaged) > 2);
    produce(&log, &make_records(7)[220..]);
    world.finish();
    let (calm, _) = run(7, false, Settings::new(1));
    assert!(compare(&calm, &log, "damaged snapshots") > 100);
}

#[test]
fn a_snapshot_of_another_configuration_is_refused_until_it_is_deleted() {
    let store = Arc::new(FaultyStore::new(1, 0));
    let (log, mut world) = half_way(&store);
    world.crash(0);
    let mut snapshots = snapshots(&store, Duration::from_millis(100));
    snapshots.fingerprint = "another configuration".to_owned();
    let store_of_snapshots = snapshots.store.clone();
    world.settings.snapshots = Some(snapshots);
    let options = world.settings.options(0);
    let mut worker = Worker::new(log.clone(), Arc::clone(&world.job), options, Arc::clone(&world.metrics))
        .expect("a worker");
    let error = (0..10).find_map(|_| worker.step(world.now()).err()).expect("a refusal");
    assert!(matches!(error, WorkerError::Snapshot(_)) && !error.is_worth_retrying(), "{error}");
    assert!(error.to_string().contains("jobs snapshots all --delete"), "{error}");
    drop(worker);
    log.expel_absent("ovation-all");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert!(runtime.block_on(store_of_snapshots.delete("all")).expect("deleted") > 2);
    assert!(files(&store).is_empty());
    other_half(&log, world, "after the way out");
}

#[test]
fn only_the_newest_snapshots_and_their_chunks_are_kept() {
    let store = Arc::new(FaultyStore::new(1, 0));
    let (log, mut world) = half_way(&store);
    for part in make_records(7)[200..].chunks(10) {
        produce(&log, part);
        world.steps(10);
    }
    assert!(count(&world.metrics.snapshots) > 20);
    let snapshots = snapshots(&store, Duration::ZERO).store;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut named = 0;
    let shards = runtime.block_on(snapshots.shards("all")).expect("shards");
    for shard in &shards {
        let listed = runtime.block_on(snapshots.list("all", *shard)).expect("manifests");
        assert!(listed.len() == 3 || *shard == 0, "shard 0 has no events");
        let mut chunks: Vec<String> = listed
            .into_iter()
            .flat_map(|(_, manifest)| manifest.expect("readable").chunks)
            .map(|chunk| chunk.checksum)
            .collect();
        chunks.sort();
        chunks.dedup();
        named += chunks.len();
    }
    assert_eq!(files(&store).iter().filter(|name| name.contains("/chunks/")).count(), named);
    println!(
        "{} snapshots, {} bytes written, state of a shard {} bytes",
        count(&world.metrics.snapshots),
        count(&world.metrics.snapshot_bytes),
        count(&world.metrics.state_bytes)
    );
}

/// Sets the job's positions as an operator's tool does, while nobody is in the group.
fn set_positions(log: &MemoryLog, world: &World, offset: i64) {
    let options = ConsumerOptions {
        group: "ovation-all".to_owned(),
        topics: world.job.inputs.iter().map(|topic| topic.name().to_owned()).collect(),
        instance_id: None,
        session_timeout: Duration::from_secs(10),
    };
    let mut tool = log.join(&options).expect("a member");
    let Polled::Assigned(partitions) = tool.poll(1, Duration::ZERO, &mut |_| {}).expect("an assignment")
    else {
        panic!("no assignment")
    };
    let positions: Vec<Position> = partitions
        .iter()
        .map(|partition| Position { partition: partition.clone(), offset, metadata: String::new() })
        .collect();
    OffsetCommit::commit(&mut tool, &positions).expect("committed");
    tool.close().expect("closed");
}

#[test]
fn positions_that_an_operator_sets_begin_a_history_without_state() {
    let store = Arc::new(FaultyStore::new(1, 0));
    let (log, mut world) = half_way(&store);
    world.crash(0);
    set_positions(&log, &world, 0);
    let results = super::by_identity(&log, Topic::Leaderboards, "before the reset").len();
    assert!(results > 10);
    let events = count(&world.metrics.events);
    world.steps(30);
    assert_eq!(count(&world.metrics.restores), 0, "snapshots of the history before are no use");
    assert_eq!((count(&world.metrics.replayed), count(&world.metrics.events)), (0, events * 2));
}

#[test]
fn a_snapshot_of_the_history_before_a_reset_is_never_used_again() {
    let store = Arc::new(FaultyStore::new(1, 0));
    let (log, mut world) = half_way(&store);
    world.crash(0);
    set_positions(&log, &world, 0);
    // The new history comes as far as the old one, and stores nothing.
    world.settings = with_snapshots(1, &store, 3_600_000);
    world.steps(30);
    world.crash(0);
    world.steps(30);
    assert!(count(&world.metrics.snapshots) > 0, "there are snapshots of the old history");
    assert_eq!(count(&world.metrics.restores), 0, "and they are of no use");
    assert!(count(&world.metrics.replayed) > 150);
}

#[test]
fn what_a_refused_commit_held_is_not_stored() {
    let store = Arc::new(FaultyStore::new(1, 0));
    let log = new_log();
    let settings = Settings { commit_every: Duration::from_millis(1), ..with_snapshots(1, &store, 1) };
    let mut world = World::new(&log, settings);
    for part in make_records(7)[..200].chunks(20) {
        produce(&log, part);
        let before = files(&store);
        for fault in [Fault::Refuse(ErrorClass::MustAbort), Fault::LostUnknown, Fault::Expel] {
            log.inject(fault);
            let (commits, aborts) = (count(&world.metrics.commits), count(&world.metrics.aborts));
            let is_met = |world: &World| count(&world.metrics.aborts) > aborts || world.workers[0].is_none();
            world.steps(1);
            for _ in 0..20 {
                if !is_met(&world) {
                    world.steps(1);
                }
            }
            assert!(is_met(&world), "{fault:?} was not met");
            assert_eq!(count(&world.metrics.commits), commits, "{fault:?}");
            assert_eq!(files(&store), before, "{fault:?} left something behind");
        }
        world.steps(10);
        assert_ne!(files(&store), before, "a commit that succeeds is stored");
    }
    other_half(&log, world, "refused commits");
}

#[test]
fn a_save_that_ends_after_its_shard_was_made_anew_is_not_built_upon() {
    let store = Arc::new(FaultyStore::new(1, 0));
    let (holds, held) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<Work>>>::default());
    let mut settings = with_snapshots(1, &store, 100);
    let (is_holding, holding) = (Arc::clone(&holds), Arc::clone(&held));
    settings.snapshots.as_mut().expect("snapshots").driver = Some(Arc::new(move |work: Work| {
        if is_holding.swap(false, Ordering::Relaxed) {
            holding.lock().expect("no panic").push(work);
        } else {
            work.now_or_never().expect("done at once");
        }
    }));
    let log = new_log();
    let mut world = World::new(&log, settings);
    let records = make_records(7);
    produce(&log, &records[..100]);
    world.steps(60);
    // The next work is a save. While it is under way its shard's transaction is aborted.
    holds.store(true, Ordering::Relaxed);
    produce(&log, &records[100..150]);
    world.steps(60);
    assert_eq!(held.lock().expect("no panic").len(), 1);
    let stored = || -> Vec<_> {
        horizons(&log).into_iter().map(|(_, horizon)| horizon.note.snapshot_offset).collect()
    };
    let (restored, stored_before) = (count(&world.metrics.restores), stored());
    log.inject(Fault::Refuse(ErrorClass::MustAbort));
    produce(&log, &records[150..160]);
    while count(&world.metrics.restores) < restored + u64::from(PARTITIONS) {
        world.steps(1);
    }
    assert_eq!(count(&world.metrics.aborts), 1);
    let saved = count(&world.metrics.snapshots);
    let late = held.lock().expect("no panic").pop().expect("a save");
    late.now_or_never().expect("done at once");
    world.steps(1);
    assert_eq!(count(&world.metrics.snapshots), saved + 1);
    // What is committed next, and stored from now on, must not build on it.
    produce(&log, &records[160..200]);
    let before = horizons(&log);
    while horizons(&log) == before {
        world.steps(1);
    }
    assert_eq!(stored(), stored_before);
    world.steps(60);
    assert!(count(&world.metrics.snapshots) > saved + 1);
    world.crash(0);
    world.steps(3);
    other_half(&log, world, "a save that came late");
}

#[test]
fn a_slow_store_does_not_hold_processing_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    let (store, root) = runtime::snapshot::location::open(path, []).expect("a store");
    let gate = Arc::new(AtomicBool::new(false));
    let store = Arc::new(super::slow_store::SlowStore { inner: store, gate: Arc::clone(&gate) });
    let store = SnapshotStore { store, root, keep: 3, grace: Duration::ZERO };
    let snapshots = SnapshotOptions {
        store,
        every: Duration::from_millis(100),
        fingerprint: "configuration".to_owned(),
        driver: None,
    };
    let log = new_log();
    let mut world = World::new(&log, Settings { snapshots: Some(snapshots), ..Settings::new(1) });
    for part in make_records(7)[..200].chunks(10) {
        produce(&log, part);
        world.steps(10);
    }
    assert_eq!(count(&world.metrics.snapshots), 0, "the first is still on its way");
    assert!(count(&world.metrics.snapshots_skipped) > 2);
    assert!(count(&world.metrics.events) > 150 && count(&world.metrics.commits) > 10);
    gate.store(true, Ordering::Relaxed);
    wait_until(&mut world, |world| count(&world.metrics.snapshots) > 1);
    // Another instance, on the same folder: its thread restores while it is stepped.
    world.crash(0);
    wait_until(&mut world, |world| {
        let worker = world.workers[0].as_ref();
        let begun = worker.map_or(0, |worker| worker.shard_numbers().count());
        count(&world.metrics.restores) > 0 && begun == super::world::PARTITIONS as usize
    });
    other_half(&log, world, "a slow store");
}

fn wait_until(world: &mut World, is_done: impl Fn(&World) -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while !is_done(world) {
        assert!(std::time::Instant::now() < until, "it did not happen");
        world.steps(1);
        // The hand-moved clock must not run ahead of the thread that is waited for: it would make everything idle.
        std::thread::sleep(Duration::from_millis(2));
    }
}
