//! Transactions: all or nothing, and one writer at a time.
//!
//! Always holds: see [`super`]. Does not know: how a group shares its partitions.

use std::time::Instant;

use crate::log::{
    Committed, Consumer as _, ErrorClass, Log as _, Position, TopicPartition, Transactions as _,
};

use super::member::Member;
use super::records::offsets_of;
use super::{Fixture, Seen, class_of, close, poll, read, reader_of, to, unique, wait_for};

/// A membership for transactions that commit no positions.
fn group_of<F: Fixture>(fixture: &F, topic: &str) -> Member<F> {
    let mut member = Member::join(fixture, &unique("group"), &[topic], None);
    wait_for("the partitions", || {
        member.step();
        (!member.owned.is_empty()).then_some(())
    });
    member
}

fn texts(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(Seen::text).collect()
}

/// Open and aborted transactions are never seen; their places in the partition stay empty.
pub(super) fn atomic<F: Fixture>(fixture: &F) {
    let topic = unique("atomic");
    fixture.create_topic(&topic, 2);
    let member = group_of(fixture, &topic);
    let group = member.consumer.group().expect("a member has a membership");
    let mut writer = fixture.log().transactions(&unique("writer")).expect("a writer can be made");
    let mut reader = reader_of(fixture, &topic, 2);

    writer.begin().expect("beginning works");
    writer.send(&to(&topic, 0, "aborted")).expect("sending works");
    writer.send(&to(&topic, 1, "aborted")).expect("sending works");
    let mut seen = Vec::new();
    let quiet = Instant::now() + fixture.quiet();
    while Instant::now() < quiet {
        poll(&mut reader, 10, &mut seen);
    }
    assert_eq!(texts(&seen), [""; 0], "an open transaction is not seen");
    writer.abort().expect("aborting works");

    writer.begin().expect("beginning works");
    writer.send(&to(&topic, 0, "first")).expect("sending works");
    writer.send(&to(&topic, 0, "second")).expect("sending works");
    writer.send(&to(&topic, 1, "other")).expect("sending works");
    writer.commit(&[], &group).expect("committing works");
    writer.begin().expect("beginning works");
    writer.send(&to(&topic, 0, "third")).expect("sending works");
    writer.commit(&[], &group).expect("committing works");
    writer.begin().expect("beginning works");
    writer.abort().expect("an empty transaction can be aborted");

    let seen = read(fixture, &mut reader, 4);
    let of_first: Vec<String> =
        seen.iter().filter(|record| record.partition.partition == 0).map(Seen::text).collect();
    assert_eq!(of_first, ["first", "second", "third"]);
    let offsets = offsets_of(&seen, 0);
    assert_eq!(offsets[1], offsets[0] + 1);
    assert_eq!(offsets[2], offsets[1] + 2, "the commit marker takes a place");
    let (first, end) =
        fixture.log().offsets(&TopicPartition::new(topic.as_str(), 0)).expect("offsets are known");
    assert_eq!((first, end), (0, offsets[2] + 2), "the last marker is before the end");
    close(reader);
    close(member.consumer);
}

/// The end that the log reports is the one up to which a reader gets.
pub(super) fn stable_end<F: Fixture>(fixture: &F) {
    let topic = unique("stable");
    fixture.create_topic(&topic, 1);
    let partition = TopicPartition::new(topic.as_str(), 0);
    let end = || fixture.log().offsets(&partition).expect("offsets are known").1;
    let member = group_of(fixture, &topic);
    let group = member.consumer.group().expect("a member has a membership");
    super::records::write(fixture, &topic, 0, 0..3);
    assert_eq!(end(), 3);
    let mut writer = fixture.log().transactions(&unique("writer")).expect("a writer can be made");
    writer.begin().expect("beginning works");
    writer.send(&to(&topic, 0, "open")).expect("sending works");
    let quiet = Instant::now() + fixture.quiet();
    while Instant::now() < quiet {
        assert_eq!(end(), 3, "an open transaction holds the end back");
    }
    super::records::write(fixture, &topic, 0, 4..6);
    assert_eq!(end(), 3, "also for those who wrote after it");
    writer.commit(&[], &group).expect("committing works");
    assert_eq!(wait_for("the end", || (end() > 3).then(&end)), 3 + 1 + 2 + 1);
    let mut reader = reader_of(fixture, &topic, 1);
    assert_eq!(offsets_of(&read(fixture, &mut reader, 6), 0), [0, 1, 2, 3, 4, 5]);
    close(reader);
    close(member.consumer);
}

/// Positions with 3 KiB of metadata are there after the commit, and not before.
pub(super) fn positions<F: Fixture>(fixture: &F) {
    let topic = unique("positions");
    fixture.create_topic(&topic, 2);
    super::records::write(fixture, &topic, 0, 0..5);
    let mut member = group_of(fixture, &topic);
    let both = [TopicPartition::new(topic.as_str(), 1), TopicPartition::new(topic.as_str(), 0)];
    let committed = |member: &mut Member<F>| member.consumer.committed(&both).expect("positions can be read");
    assert_eq!(committed(&mut member), [None, None]);

    let metadata: String = "horizon=1700000000000;é✓ ".chars().cycle().take(2_700).collect();
    assert!(metadata.len() > 3_000 && metadata.len() < 4_096);
    let group = member.consumer.group().expect("a member has a membership");
    let position = |offset, metadata: &str| {
        vec![Position { partition: both[1].clone(), offset, metadata: metadata.to_owned() }]
    };
    member.writer.begin().expect("beginning works");
    member.writer.send(&to(&topic, 1, "result")).expect("sending works");
    member.writer.commit(&position(3, &metadata), &group).expect("committing works");
    let expected = [None, Some(Committed { offset: 3, metadata })];
    assert_eq!(committed(&mut member), expected);

    member.writer.begin().expect("beginning works");
    member.writer.send(&to(&topic, 1, "nothing")).expect("sending works");
    member.writer.abort().expect("aborting works");
    assert_eq!(committed(&mut member), expected, "an aborted transaction commits no positions");

    member.writer.begin().expect("beginning works");
    member.writer.commit(&position(5, ""), &group).expect("committing works");
    assert_eq!(committed(&mut member), [None, Some(Committed { offset: 5, metadata: String::new() })]);
    close(member.consumer);
}

/// The first writer can do nothing more, and nothing that it had open is ever seen.
pub(super) fn fenced<F: Fixture>(fixture: &F) {
    let topic = unique("fenced");
    fixture.create_topic(&topic, 1);
    let mut member = group_of(fixture, &topic);
    let group = member.consumer.group().expect("a member has a membership");
    let id = unique("writer");
    let mut zombie = fixture.log().transactions(&id).expect("a writer can be made");
    zombie.begin().expect("beginning works");
    zombie.send(&to(&topic, 0, "zombie")).expect("sending works");

    let mut writer = fixture.log().transactions(&id).expect("a second writer can be made");
    let position =
        Position { partition: TopicPartition::new(topic.as_str(), 0), offset: 1, metadata: String::new() };
    assert_eq!(class_of(zombie.commit(std::slice::from_ref(&position), &group)), ErrorClass::Fatal);
    assert_eq!(class_of(zombie.begin()), ErrorClass::Fatal);
    assert_eq!(class_of(zombie.send(&to(&topic, 0, "zombie"))), ErrorClass::Fatal);
    assert_eq!(class_of(zombie.abort()), ErrorClass::Fatal);

    writer.begin().expect("beginning works");
    writer.send(&to(&topic, 0, "writer")).expect("sending works");
    writer.commit(&[], &group).expect("committing works");
    let mut reader = reader_of(fixture, &topic, 1);
    assert_eq!(texts(&read(fixture, &mut reader, 1)), ["writer"]);
    let committed = member.consumer.committed(&[position.partition]).expect("positions can be read");
    assert_eq!(committed, [None], "a fenced writer commits no positions");
    close(reader);
    close(member.consumer);
}

/// What a writer left open when it died does not block readers for longer than until its successor comes.
pub(super) fn left_open<F: Fixture>(fixture: &F) {
    let topic = unique("left-open");
    fixture.create_topic(&topic, 1);
    let id = unique("writer");
    let mut dead = fixture.log().transactions(&id).expect("a writer can be made");
    dead.begin().expect("beginning works");
    dead.send(&to(&topic, 0, "dead")).expect("sending works");
    // until the record is in the log, there is nothing to be aborted
    super::records::write(fixture, &topic, 0, 0..1);
    drop(dead);
    let _successor = fixture.log().transactions(&id).expect("a writer can be made");
    super::records::write(fixture, &topic, 0, 1..2);
    let mut reader = reader_of(fixture, &topic, 1);
    assert_eq!(texts(&read(fixture, &mut reader, 2)), ["0", "1"]);
    close(reader);
}
