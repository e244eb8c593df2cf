//! Groups: who owns what, how it moves, and who may commit.
//!
//! Always holds: see [`super`]. Does not know: how the members agree.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::log::{
    Assignment, Committed, Consumer as _, ConsumerOptions, ErrorClass, Log as _, OffsetCommit as _, Polled,
    Position, TopicPartition, Transactions as _,
};

use super::member::Member;
use super::records::write;
use super::{Fixture, class_of, close, poll, to, unique, wait_for};

/// Lets all members go on until it holds.
fn settle<F: Fixture>(
    what: &str,
    members: &mut [&mut Member<F>],
    mut holds: impl FnMut(&[&mut Member<F>]) -> bool,
) {
    wait_for(what, || {
        for member in members.iter_mut() {
            member.step();
        }
        holds(members).then_some(())
    });
}

/// Two members own the same numbers of both topics, and all of them between them.
pub(super) fn share<F: Fixture>(fixture: &F) {
    let (chat, viewers, group) = (unique("chat"), unique("viewers"), unique("share"));
    fixture.create_topic(&chat, 5);
    fixture.create_topic(&viewers, 5);
    let topics = [chat.as_str(), viewers.as_str()];
    let mut first = Member::join(fixture, &group, &topics, None);
    settle("all partitions", &mut [&mut first], |members| members[0].owned.len() == 10);
    let mut second = Member::join(fixture, &group, &topics, None);
    settle("shared partitions", &mut [&mut first, &mut second], |members| {
        members[0].owned.len() + members[1].owned.len() == 10
            && members.iter().all(|member| !member.owned.is_empty())
    });
    for member in [&first, &second] {
        assert_eq!(member.numbers(&chat), member.numbers(&viewers));
        assert!((2..=3).contains(&member.numbers(&chat).len()));
    }
    let mut all = [first.numbers(&chat), second.numbers(&chat)].concat();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4]);
    close(first.consumer);
    close(second.consumer);
}

/// Members come and go; every record is read by exactly one of them, because each starts where the last committed.
pub(super) fn move_on<F: Fixture>(fixture: &F) {
    const PARTITIONS: i32 = 4;
    let (topic, group) = (unique("move"), unique("move"));
    fixture.create_topic(&topic, PARTITIONS);
    let write_all = |values: std::ops::Range<usize>| {
        for partition in 0..PARTITIONS {
            write(fixture, &topic, partition, values.clone());
        }
    };
    write_all(0..30);
    let mut first = Member::join(fixture, &group, &[&topic], None);
    settle("the first records", &mut [&mut first], |members| members[0].seen.len() >= 30);
    let mut second = Member::join(fixture, &group, &[&topic], None);
    settle("shared partitions", &mut [&mut first, &mut second], |members| {
        members.iter().all(|member| member.owned.len() == 2)
    });
    write_all(30..60);
    settle("the next records", &mut [&mut first, &mut second], |members| {
        members.iter().map(|member| member.seen.len()).sum::<usize>() >= 60 * PARTITIONS as usize
    });
    assert!(!second.seen.is_empty(), "the second member took its share");
    assert!(first.revocations > 0, "the first member was asked to give some up");
    assert!(second.started.iter().any(|start| start.offset > 0), "it went on where the first had stopped");

    second.commit().expect("committing works");
    close(second.consumer);
    write_all(60..90);
    settle("the last records", &mut [&mut first], |members| {
        members[0].seen.len() + second.seen.len() >= 90 * PARTITIONS as usize
    });
    assert_eq!(first.owned.len(), PARTITIONS as usize);
    let mut counts: BTreeMap<(i32, String), usize> = BTreeMap::new();
    for record in first.seen.iter().chain(&second.seen) {
        *counts.entry((record.partition.partition, record.text())).or_default() += 1;
    }
    assert_eq!(counts.len(), 90 * PARTITIONS as usize);
    assert!(counts.values().all(|count| *count == 1), "every record is read once");
    close(first.consumer);
}

/// A membership from before a rebalance commits nothing, and what was written with it is not seen.
pub(super) fn stale_membership<F: Fixture>(fixture: &F) {
    let (topic, group) = (unique("stale"), unique("stale"));
    fixture.create_topic(&topic, 2);
    write(fixture, &topic, 0, 0..3);
    write(fixture, &topic, 1, 0..3);
    let mut first = Member::join(fixture, &group, &[&topic], None);
    settle("all partitions", &mut [&mut first], |members| members[0].owned.len() == 2);
    let stale = first.consumer.group().expect("a member has a membership");
    let mut second = Member::join(fixture, &group, &[&topic], None);
    settle("shared partitions", &mut [&mut first, &mut second], |members| {
        members.iter().all(|member| member.owned.len() == 1)
    });
    let moved = second.owned.keys().next().expect("it owns one").clone();
    let before = second.consumer.committed(std::slice::from_ref(&moved)).expect("positions can be read");
    let position = Position { partition: moved.clone(), offset: 1, metadata: "stale".to_owned() };
    first.writer.begin().expect("beginning works");
    first.writer.send(&to(&topic, 0, "stale")).expect("sending works");
    assert_ne!(class_of(first.writer.commit(std::slice::from_ref(&position), &stale)), ErrorClass::Retriable);
    assert_eq!(
        second.consumer.committed(std::slice::from_ref(&moved)).expect("positions can be read"),
        before
    );
    assert_eq!(class_of(first.consumer.commit(&[position])), ErrorClass::MustAbort, "not ours any more");

    first.writer.abort().expect("aborting works");
    first.commit().expect("the membership of now commits");
    write(fixture, &topic, 0, 3..4);
    settle("the last record", &mut [&mut first, &mut second], |members| {
        members.iter().any(|member| member.seen.iter().any(|record| record.text() == "3"))
    });
    assert!(first.seen.iter().chain(&second.seen).all(|record| record.text() != "stale"));
    close(first.consumer);
    close(second.consumer);
}

/// It gets back what it had, and the other member is not asked to stop.
pub(super) fn static_member<F: Fixture>(fixture: &F) {
    let (topic, group) = (unique("static"), unique("static"));
    fixture.create_topic(&topic, 4);
    let mut first = Member::join(fixture, &group, &[&topic], Some("one"));
    let mut second = Member::join(fixture, &group, &[&topic], Some("two"));
    settle("shared partitions", &mut [&mut first, &mut second], |members| {
        members.iter().all(|member| member.owned.len() == 2)
    });
    let had: Vec<TopicPartition> = second.owned.keys().cloned().collect();
    let revocations = first.revocations;
    close(second.consumer);
    let quiet = Instant::now() + fixture.quiet();
    while Instant::now() < quiet {
        first.step();
    }
    let mut again = Member::join(fixture, &group, &[&topic], Some("two"));
    settle("its partitions", &mut [&mut first, &mut again], |members| members[1].owned.len() == 2);
    assert_eq!(again.owned.keys().cloned().collect::<Vec<_>>(), had);
    let quiet = Instant::now() + fixture.quiet();
    while Instant::now() < quiet {
        first.step();
        again.step();
    }
    assert_eq!(first.revocations, revocations, "nothing moved");
    assert_eq!(again.revocations, 0, "nothing moved");
    close(first.consumer);
    close(again.consumer);
}

/// As sinks do it.
pub(super) fn plain_commit<F: Fixture>(fixture: &F) {
    let (topic, group) = (unique("plain"), unique("plain"));
    fixture.create_topic(&topic, 1);
    write(fixture, &topic, 0, 0..10);
    let mut member = Member::join(fixture, &group, &[&topic], None);
    settle("the records", &mut [&mut member], |members| members[0].seen.len() == 10);
    let partition = TopicPartition::new(topic.as_str(), 0);
    let metadata = "intent=".repeat(400);
    let position = Position { partition: partition.clone(), offset: 7, metadata: metadata.clone() };
    member.consumer.commit(&[position]).expect("committing works");
    let committed =
        member.consumer.committed(std::slice::from_ref(&partition)).expect("positions can be read");
    assert_eq!(committed, [Some(Committed { offset: 7, metadata })]);
    close(member.consumer);

    let mut again = Member::join(fixture, &group, &[&topic], None);
    settle("the rest", &mut [&mut again], |members| members[0].seen.len() == 3);
    assert_eq!(again.started, [Assignment { partition, offset: 7 }]);
    close(again.consumer);
}

/// An answer that leaves a partition out, or comes unasked, is refused, and nothing is read meanwhile.
pub(super) fn answers<F: Fixture>(fixture: &F) {
    let (topic, group) = (unique("answers"), unique("answers"));
    fixture.create_topic(&topic, 2);
    write(fixture, &topic, 0, 0..1);
    write(fixture, &topic, 1, 0..1);
    let options = ConsumerOptions {
        group,
        topics: vec![topic],
        instance_id: None,
        session_timeout: fixture.session_timeout(),
    };
    let mut consumer = fixture.log().join(&options).expect("joining works");
    assert_eq!(class_of(consumer.start(&[])), ErrorClass::MustAbort);
    let mut seen = Vec::new();
    let assigned = wait_for("the assignment", || match poll(&mut consumer, 10, &mut seen) {
        Polled::Assigned(partitions) => Some(partitions),
        _ => None,
    });
    assert_eq!(assigned.len(), 2);
    let from: Vec<Assignment> =
        assigned.into_iter().map(|partition| Assignment { partition, offset: 0 }).collect();
    assert_eq!(class_of(consumer.start(&from[..1])), ErrorClass::MustAbort);
    let quiet = Instant::now() + fixture.quiet();
    while Instant::now() < quiet {
        poll(&mut consumer, 10, &mut seen);
    }
    assert!(seen.is_empty(), "nothing is read before the start");
    consumer.start(&from).expect("starting works");
    wait_for("the records", || {
        poll(&mut consumer, 10, &mut seen);
        (seen.len() == 2).then_some(())
    });
    assert_eq!(class_of(consumer.release(&[])), ErrorClass::MustAbort);
    close(consumer);
}

/// The group goes on without it; what it still tries to commit is refused; it can come back.
pub(super) fn silent_member<F: Fixture>(fixture: &F) {
    let (topic, group) = (unique("silent"), unique("silent"));
    fixture.create_topic(&topic, 2);
    write(fixture, &topic, 0, 0..5);
    write(fixture, &topic, 1, 0..5);
    let mut silent = Member::join(fixture, &group, &[&topic], None);
    let mut other = Member::join(fixture, &group, &[&topic], None);
    settle("shared partitions", &mut [&mut silent, &mut other], |members| {
        members.iter().all(|member| member.owned.len() == 1)
    });
    let stale = silent.consumer.group().expect("a member has a membership");
    fixture.silence(&group, &silent.consumer);
    settle("the other's partition", &mut [&mut other], |members| members[0].owned.len() == 2);
    settle("all records", &mut [&mut other], |members| {
        members[0].seen.len() + silent.seen.len() >= 10 && members[0].owned.values().all(|next| *next == 5)
    });

    silent.writer.begin().expect("beginning works");
    assert_ne!(class_of(silent.writer.commit(&silent.positions(), &stale)), ErrorClass::Retriable);
    silent.writer.abort().expect("aborting works");
    settle("the news", &mut [&mut silent, &mut other], |members| members[0].lost);
    settle("shared partitions", &mut [&mut silent, &mut other], |members| {
        members.iter().all(|member| member.owned.len() == 1)
    });
    close(silent.consumer);
    close(other.consumer);
}
