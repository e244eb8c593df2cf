//! What an operator does: look, ask for live state, restart, reset, and meet a snapshot of another configuration.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::deployment::{Deployment, get, wait_until};

const JOB: &str = "leaderboards";
const BOARD: &str = "top_chatters_all_time";

fn status(deployment: &Deployment) -> Value {
    let shown = deployment.run(&["jobs", "status", JOB, "--output", "json"]);
    serde_json::from_str::<Value>(&shown).expect("json")[0].clone()
}

fn lag(status: &Value) -> i64 {
    status["shards"]
        .as_array()
        .expect("shards")
        .iter()
        .filter_map(|shard| shard["lag_records"].as_i64())
        .sum()
}

fn owners(status: &Value) -> BTreeSet<String> {
    let shards = status["shards"].as_array().expect("shards");
    shards.iter().filter_map(|shard| shard["owner"].as_str().map(str::to_owned)).collect()
}

fn simulate(deployment: &Deployment, seed: &str, start: &str) {
    let more = ["--shares", "chat=1", "--channels", "8", "--seed", seed, "--start", start];
    deployment.simulate("4000", "100", &more);
}

/// The board as its owner shows it, and whether another instance sent us there.
fn ask(address: &str, group: &str) -> Option<(Value, bool)> {
    let (code, response) = get(&format!("{address}/state/boards/{BOARD}/{group}"));
    match code {
        200 => {
            let body = response.split_once("\r\n\r\n").expect("a body").1;
            Some((serde_json::from_str(body).expect("json"), false))
        }
        307 => {
            let place =
                response.lines().find_map(|line| line.strip_prefix("location: ")).expect("a location");
            let owner = place.split("/state/").next().expect("an address");
            assert_ne!(owner, address, "sent to itself");
            ask(owner, group).map(|(board, _)| (board, true))
        }
        // It is still being rebuilt, or its first tick has not come: a partition without events holds it back until it is idle.
        503 | 404 => None,
        _ => panic!("{response}"),
    }
}

#[test]
fn status_live_state_restart_and_reset() {
    let mut deployment = Deployment::new("operating");
    simulate(&deployment, "3", "1700000040000");
    deployment.start(&["process", JOB]);
    deployment.start(&["process", JOB]);
    wait_until("both instances own shards and nothing is left to read", || {
        let status = status(&deployment);
        status["members"] == 2 && owners(&status).len() == 2 && lag(&status) == 0
    });
    let first = owners(&status(&deployment)).into_iter().next().expect("an owner");

    // Every group is answered by either instance; some by a redirect. The figures are those that were published.
    let mut redirected = 0;
    for channel in 1..=8 {
        let group = format!("simulator:channel-{channel}");
        let mut answer = None;
        wait_until("the board is answered", || {
            answer = ask(&first, &group);
            answer.is_some()
        });
        let (board, was_redirected) = answer.expect("an answer");
        redirected += usize::from(was_redirected);
        assert_eq!((&board["board"], &board["group"]), (&BOARD.into(), &group.as_str().into()));
        assert!(!board["entries"].as_array().expect("entries").is_empty());
    }
    assert!((1..8).contains(&redirected), "{redirected} of 8 were redirected");
    assert_eq!(get(&format!("{first}/health")).0, 200);
    let metrics = get(&format!("{first}/metrics")).1;
    assert!(metrics.contains("ovation_job_events{job=\"leaderboards\"}"));
    let kept = "ovation_job_state_entries{job=\"leaderboards\",operator=\"board.top_chatters\"}";
    assert!(metrics.contains(kept), "{metrics}");
    assert_eq!(get(&format!("{first}/state/boards/no_such_board/x")).0, 404);

    // A job that runs is not set back, and its snapshots are not deleted.
    for refused in
        [vec!["jobs", "reset", JOB, "--to", "earliest"], vec!["jobs", "snapshots", JOB, "--delete"]]
    {
        let output = deployment.command(&refused).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(1), "{refused:?}");
    }
    wait_until("every shard with records has a snapshot", || {
        let listed = deployment.run(&["jobs", "snapshots", JOB]);
        let status = status(&deployment);
        let with_records = status["shards"]
            .as_array()
            .expect("shards")
            .iter()
            .filter(|shard| shard["positions"]["events.chat"].as_i64().is_some_and(|offset| offset > 0));
        with_records
            .into_iter()
            .all(|shard| listed.lines().any(|line| line.starts_with(&shard["shard"].to_string())))
    });
    deployment.stop();

    // A restart begins from the snapshots and repeats nothing.
    let results = |deployment: &Deployment| {
        deployment.run(&["tail", "results.leaderboards", "--from-beginning", "--exit-at-end"]).lines().count()
    };
    let before = results(&deployment);
    deployment.start(&["process", JOB]);
    wait_until("the restarted instance owns every shard", || {
        let status = status(&deployment);
        status["members"] == 1
            && status["shards"]
                .as_array()
                .expect("shards")
                .iter()
                .all(|shard| shard["restoring_records"].is_null())
    });
    simulate(&deployment, "4", "1700000140000");
    wait_until("the new events are read", || lag(&status(&deployment)) == 0);
    wait_until("the new events are shown", || results(&deployment) > before);
    deployment.stop();

    // Another configuration of the job does not take the state over, and says what to do.
    deployment.set("jobs.leaderboards.lateness", "3s");
    let output = deployment.command(&["process", JOB]).output().expect("the binary runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("ovation jobs snapshots leaderboards --delete"), "{message}");

    // Set back to the beginning, the new configuration computes everything anew.
    deployment.run(&["jobs", "reset", JOB, "--to", "earliest"]);
    let before = results(&deployment);
    deployment.start(&["process", JOB]);
    wait_until("everything is read again", || lag(&status(&deployment)) == 0);
    wait_until("results are published again", || results(&deployment) > before + 100);
    deployment.stop();
}
