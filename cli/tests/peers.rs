//! The benchmark's comparison with Kafka Streams, on little data: what its jobs find must be what ours find.
//!
//! Some events are late, some too late, moderators take back some, and the peer is killed half-way, so that its state is one that
//! survives, as ours does. The speeds that are printed say nothing here.

use std::path::Path;
use std::process::Command;

#[test]
fn kafka_streams_finds_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let built = Command::new("make").arg("--silent").arg("peers").current_dir(root).status();
    assert!(built.expect("make runs").success(), "the peer was not built");
    let peer = root.join("bench/peers/kafka-streams/target");
    let size =
        ["--events", "40000", "--rate", "100", "--users", "5000", "--disorder-ms", "3000", "--rounds", "1"];
    let what = ["--workload", "w4", "--kill-peer", "--heap-mb", "1024", "--snapshots-every", "2s"];
    let mut arguments = vec!["harness", "--binary", env!("CARGO_BIN_EXE_ovation"), "peers"];
    arguments.extend(size.iter().chain(&what));
    arguments.extend(["--peer", peer.to_str().expect("a path")]);
    harness::run(arguments.into_iter().map(Into::into)).expect("the same results");
}
