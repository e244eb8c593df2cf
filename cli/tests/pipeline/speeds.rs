//! The same recording gives the same records at any speed: as recorded, a hundred times as fast, as fast as the log takes it, and
//! without a log.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::deployment::Deployment;

/// Seconds of event time.
const SECONDS: i64 = 30;
/// Event time of the first event.
const START_MS: i64 = 1_700_000_040_000;
/// Ticks up to this one are reached by the events alone; what comes later is closed by the clock.
const COMPARED_TO_MICROS: i64 = (START_MS + SECONDS * 1_000 - 5_000) * 1_000;
const JOBS: [&str; 3] = ["leaderboards", "engagement", "markets"];

/// Every record, provisional ones too, without the fields that describe the run.
fn records(lines: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for line in lines.lines() {
        let mut shown: Value = serde_json::from_str(line).expect("json");
        let (topic, key) = (shown["topic"].take(), shown["key"].take());
        let record = shown["record"].as_object_mut().expect("a record");
        if record["as_of"].as_i64().expect("an instant") > COMPARED_TO_MICROS {
            continue;
        }
        for field in ["watermark", "computed_at", "shard", "input_offsets"] {
            record.remove(field);
        }
        let text = format!("{topic} {key} {}", shown["record"]);
        assert!(all.insert(text.clone()), "twice: {text}");
    }
    all
}

#[test]
fn the_same_recording_gives_the_same_records_at_any_speed() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("events.jsonl").display().to_string();
    let input = format!("jsonl:{recording}");
    let (count, start) = ((SECONDS * 200).to_string(), START_MS.to_string());
    let simulate =
        ["produce", "simulate", "--count", &count, "--rate", "200", "--seed", "5", "--channels", "8"];
    let recorded = ["--start", &start, "--disorder-ms", "1500", "--to", &recording];
    let mut runs = ["1", "100", "full"].map(|speed| (speed, Deployment::new(&format!("speed_{speed}"))));
    runs[0].1.run(&[&simulate[..], &recorded].concat());
    let dry_run = ["dry-run", "--job", JOBS[0], "--job", JOBS[1], "--job", JOBS[2], "--input", &input];
    let expected = records(&runs[0].1.run(&dry_run));
    assert!(expected.len() > 500, "only {} records to compare", expected.len());

    let mut replays = Vec::new();
    for (speed, deployment) in &mut runs {
        // A gap in a partition's events must not count as silence: at full speed there is none.
        deployment.set("process.idle_after", "20s");
        deployment.start(&[&["process"], &JOBS[..]].concat());
        let mut replay = deployment.command(&["produce", "replay", "--speed", speed, "--input", &input]);
        replays.push(replay.spawn().expect("the binary runs"));
    }
    for mut replay in replays {
        assert!(replay.wait().expect("ended").success());
    }
    for (speed, deployment) in &mut runs {
        let deadline = Instant::now() + Duration::from_secs(120);
        let topics = ["results.leaderboards", "results.engagement", "results.markets"];
        loop {
            let tail =
                topics.map(|topic| deployment.run(&["tail", topic, "--from-beginning", "--exit-at-end"]));
            let found = records(&tail.concat());
            let surplus = found.difference(&expected).next();
            assert_eq!(surplus, None, "at speed {speed}: a record that the dry run does not have");
            match expected.difference(&found).next() {
                None => break,
                missing => assert!(Instant::now() < deadline, "at speed {speed}: missing {missing:?}"),
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        println!("speed {speed}: {} records equal", expected.len());
        deployment.stop();
    }
}
