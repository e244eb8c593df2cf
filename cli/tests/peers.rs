//! The benchmark's comparison with other frameworks, on little data: what their jobs find must be what ours find.
//!
//! Some events are late; where the peer can do it some are too late, and moderators take back some. Kafka Streams' faster job is killed half-way,
//! so that its state is one that survives, as ours does; Flink's is done with so little before it could be. The speeds that are printed say
//! nothing here.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// One after the other: each has a broker and two programs of its own.
static TURN: Mutex<()> = Mutex::new(());

fn finds_the_same(arguments: &[&str]) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let built = Command::new("make").arg("--silent").arg("peers").current_dir(root).status();
    assert!(built.expect("make runs").success(), "the peers were not built");
    let peers = root.join("bench/peers");
    let mut all = vec!["harness", "--binary", env!("CARGO_BIN_EXE_ovation"), "peers"];
    all.extend(["--peers", peers.to_str().expect("a path")]);
    all.extend(["--workload", "w4", "--users", "5000", "--rounds", "1"]);
    all.extend(["--heap-mb", "1024", "--snapshots-every", "2s"].iter().chain(arguments));
    harness::run(all.into_iter().map(Into::into)).expect("the same results");
}

#[test]
fn kafka_streams_finds_the_same() {
    finds_the_same(&["--events", "40000", "--rate", "100", "--disorder-ms", "3000", "--kill-peer"]);
}

#[test]
fn the_dsl_of_kafka_streams_finds_the_same() {
    let size = ["--events", "6000", "--rate", "15", "--disorder-ms", "3000"];
    finds_the_same(&[&["--peer", "streams-dsl"], &size[..]].concat());
}

#[test]
fn flink_finds_the_same() {
    let size = ["--events", "40000", "--rate", "100", "--disorder-ms", "2000"];
    finds_the_same(&[&["--peer", "flink", "--checkpoint-ms", "100"], &size[..]].concat());
}
