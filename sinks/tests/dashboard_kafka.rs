//! The gateway on Apache Kafka: transactions, aborted ones included, end to end to a client, and a broker's own way of
//! saying where a partition ends (after markers that no reader sees).

mod dashboard_support;

use std::time::Instant;

use dashboard_support::*;
use devstack::{Part, Stack, StackOptions};
use kafka::broker::{BrokerLog, BrokerOptions, NewTopic};
use kafka::{Consumer, ConsumerOptions, Log, Outgoing, Partitioned, Polled, Transactions};
use schemas::{Encoder, SchemaIds, Topic};

const PREFIX: &str = "test.";

fn create_topics(log: &BrokerLog) {
    let topics: Vec<_> = Topic::ALL
        .into_iter()
        .map(|topic| NewTopic {
            name: format!("{PREFIX}{}", topic.name()),
            partitions: 3,
            replication: 1,
            config: Default::default(),
        })
        .collect();
    log.create_topics(&topics).expect("created");
}

/// A job's transactions: each a flag; every third is aborted.
fn run_job(log: &BrokerLog, ids: std::ops::Range<i64>) {
    let chat = format!("{PREFIX}{}", Topic::Chat.name());
    let flags = format!("{PREFIX}{}", Topic::Moderation.name());
    let options = ConsumerOptions {
        group: "job".to_owned(),
        topics: vec![chat],
        instance_id: None,
        session_timeout: DEADLINE,
    };
    let mut member = log.join(&options).expect("a member");
    let until = Instant::now() + DEADLINE;
    while !matches!(member.poll(1, DEADLINE / 20, &mut |_| {}), Ok(Polled::Assigned(_))) {
        assert!(Instant::now() < until, "the group never gave its only member anything");
    }
    let mut transactions = log.transactions("job-0").expect("a writer");
    let mut encoder = Encoder::new(SchemaIds::local());
    for id in ids {
        let mut value = Vec::new();
        encoder.encode(&flag("twitch:1", &format!("m-{id}"), id, "x"), &mut value).expect("a value");
        transactions.begin().expect("begun");
        let record = Outgoing {
            topic: &flags,
            partition: Partitioned::ByKey,
            timestamp_ms: 1_700_000_000_000,
            key: Some(b"twitch:1"),
            value: Some(&value),
        };
        transactions.send(&record).expect("sent");
        if id % 3 == 2 {
            transactions.abort().expect("aborted");
        } else {
            transactions.commit(&[], &member.group().expect("a member")).expect("committed");
        }
    }
    member.close().expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_what_jobs_commit_to_kafka() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = tokio::task::block_in_place(|| {
        Stack::start(StackOptions::new(folder.path()).with_kafka(Part::Free)).expect("Kafka starts")
    });
    let log = BrokerLog::new(BrokerOptions::new(stack.kafka_brokers())).expect("a client");
    tokio::task::block_in_place(|| {
        create_topics(&log);
        run_job(&log, 0..30);
    });
    let mut set_up = options();
    set_up.topic_prefix = PREFIX.to_owned();
    let gateway = Gateway::start(&log, set_up).await;
    let mut client = Client::subscribed(&gateway, r#"{"subscribe":[{"kind":"moderation"}]}"#).await;
    let committed = |ids: std::ops::Range<i64>| ids.filter(|id| id % 3 != 2).map(|id| format!("m-{id}"));
    let id_of = |frame: &serde_json::Value| frame["value"]["message_id"].as_str().expect("an id").to_owned();
    let shown: Vec<_> = client.snapshot().await.iter().map(id_of).collect();
    assert_eq!(
        shown,
        committed(0..30).collect::<Vec<_>>(),
        "the snapshot is whole and holds nothing aborted"
    );

    tokio::task::block_in_place(|| run_job(&log, 30..60));
    for id in committed(30..60) {
        assert_eq!(id_of(&client.next().await), id);
    }
    gateway.stop().await;
    drop(log);
    tokio::task::block_in_place(|| stack.stop().expect("Kafka stops"));
}
