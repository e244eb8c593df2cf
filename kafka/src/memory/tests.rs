//! The in-memory log: the contract that a broker keeps too, faults, and laws that hold for any history.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::contract::{self, Fixture};
use crate::log::{
    Assignment, Consumer as _, ConsumerOptions, ErrorClass, Log as _, LogError, OffsetCommit as _, Outgoing,
    Partitioned, Polled, Position, Producer as _, TopicPartition, Transactions as _,
};

use super::{Fault, Faults, MemoryConsumer, MemoryLog, MemoryTransactions};

struct InMemory(MemoryLog);

impl Fixture for InMemory {
    type Log = MemoryLog;

    fn log(&self) -> &MemoryLog {
        &self.0
    }

    fn create_topic(&self, name: &str, partitions: i32) {
        assert!(self.0.create_topic(name, partitions as u32));
    }

    fn silence(&self, group: &str, member: &MemoryConsumer) {
        assert!(self.0.expel(group, member.member_id().unwrap()));
    }

    fn session_timeout(&self) -> Duration {
        Duration::from_secs(6)
    }

    fn quiet(&self) -> Duration {
        Duration::from_millis(2)
    }
}

fn check(cases: Vec<contract::Case<InMemory>>) {
    assert!(!cases.is_empty());
    for (name, case) in cases {
        println!("{name}");
        case(&InMemory(MemoryLog::new()));
    }
}

#[test]
fn keeps_the_contract_of_records() {
    check(contract::records());
}

#[test]
fn keeps_the_contract_of_transactions() {
    check(contract::transactions());
}

#[test]
fn keeps_the_contract_of_groups() {
    check(contract::groups());
    check(contract::silent_members());
}

fn record<'a>(topic: &'a str, partition: i32, value: &'a str) -> Outgoing<'a> {
    let value = Some(value.as_bytes());
    Outgoing { topic, partition: Partitioned::To(partition), timestamp_ms: 0, key: None, value }
}

fn options(topic: &str) -> ConsumerOptions {
    ConsumerOptions {
        group: "group".to_owned(),
        topics: vec![topic.to_owned()],
        instance_id: None,
        session_timeout: Duration::from_secs(1),
    }
}

/// Everything committed in a topic, by partition, in order.
fn all_of(log: &MemoryLog, topic: &str, partitions: i32) -> Vec<Vec<(i64, String)>> {
    let from =
        (0..partitions).map(|number| Assignment { partition: TopicPartition::new(topic, number), offset: 0 });
    let mut reader = log.reader(&from.collect::<Vec<_>>()).unwrap();
    let mut all = vec![Vec::new(); partitions as usize];
    read_on(&mut reader, &mut all);
    all
}

fn read_on(reader: &mut MemoryConsumer, all: &mut [Vec<(i64, String)>]) {
    loop {
        let polled = reader.poll(7, Duration::ZERO, &mut |record| {
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            all[record.partition as usize].push((record.offset, value));
        });
        if polled.unwrap() == Polled::Records(0) {
            return;
        }
    }
}

/// A member that copies `in` to `out`, exactly once, whatever happens.
struct Copier {
    log: MemoryLog,
    id: String,
    consumer: MemoryConsumer,
    writer: MemoryTransactions,
    positions: BTreeMap<TopicPartition, i64>,
}

impl Copier {
    fn new(log: &MemoryLog, id: &str) -> Self {
        let consumer = log.join(&options("in")).unwrap();
        let writer = log.transactions(id).unwrap();
        Copier { log: log.clone(), id: id.to_owned(), consumer, writer, positions: BTreeMap::new() }
    }

    /// One poll with all that follows from it; true if something happened.
    fn step(&mut self) -> bool {
        let mut batch = Vec::new();
        let polled = self.consumer.poll(3, Duration::ZERO, &mut |record| {
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            batch.push((TopicPartition::new(record.topic, record.partition), record.offset, value));
        });
        match polled.unwrap() {
            Polled::Records(0) => return false,
            Polled::Records(_) => {
                if let Err(error) = self.copy(&batch) {
                    self.recover(&error);
                }
            }
            Polled::Assigned(partitions) => {
                let from = self.committed(&partitions);
                self.consumer.start(&from).unwrap();
                self.positions.extend(from.into_iter().map(|start| (start.partition, start.offset)));
            }
            Polled::Revoked { partitions, .. } => {
                self.positions.clear();
                self.consumer.release(&partitions).unwrap();
            }
        }
        true
    }

    fn copy(&mut self, batch: &[(TopicPartition, i64, String)]) -> Result<(), LogError> {
        self.writer.begin()?;
        for (partition, offset, value) in batch {
            let position = self.positions.get_mut(partition).expect("only ours is handed over");
            assert!(*offset >= *position, "positions never go back");
            *position = offset + 1;
            self.writer.send(&record("out", partition.partition, value))?;
        }
        let positions: Vec<Position> = self
            .positions
            .iter()
            .map(|(partition, offset)| Position {
                partition: partition.clone(),
                offset: *offset,
                metadata: String::new(),
            })
            .collect();
        let group = self.consumer.group()?;
        self.writer.commit(&positions, &group)
    }

    /// As the trait says: abort or open a new writer, then go on from what is committed.
    fn recover(&mut self, error: &LogError) {
        match error.class {
            ErrorClass::MustAbort => self.writer.abort().unwrap(),
            ErrorClass::Fatal => self.writer = self.log.transactions(&self.id).unwrap(),
            ErrorClass::Retriable => panic!("writers retry by themselves: {error}"),
        }
        let ours: Vec<TopicPartition> = self.positions.keys().cloned().collect();
        for start in self.committed(&ours) {
            self.consumer.seek(&start).unwrap();
            self.positions.insert(start.partition, start.offset);
        }
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Vec<Assignment> {
        let committed = self.consumer.committed(partitions).unwrap();
        let offset = committed.into_iter().map(|committed| committed.map_or(0, |position| position.offset));
        partitions
            .iter()
            .cloned()
            .zip(offset)
            .map(|(partition, offset)| Assignment { partition, offset })
            .collect()
    }
}

#[derive(Clone, Debug)]
enum Turn {
    Step(usize),
    Join,
    Leave(usize),
    Crash(usize),
    Expel(usize),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        12 => any::<usize>().prop_map(Turn::Step),
        1 => Just(Turn::Join),
        1 => any::<usize>().prop_map(Turn::Leave),
        1 => any::<usize>().prop_map(Turn::Crash),
        1 => any::<usize>().prop_map(Turn::Expel),
    ]
}

#[derive(Clone, Debug)]
enum Write {
    Plain { partition: i32 },
    Begin { writer: usize },
    Send { writer: usize, partition: i32 },
    End { writer: usize, commit: bool },
    TakeOver { writer: usize },
    Zombie,
}

fn write() -> impl Strategy<Value = Write> {
    let (writer, partition) = (0..3_usize, 0..2_i32);
    prop_oneof![
        2 => partition.clone().prop_map(|partition| Write::Plain { partition }),
        3 => writer.clone().prop_map(|writer| Write::Begin { writer }),
        6 => (writer.clone(), partition).prop_map(|(writer, partition)| Write::Send { writer, partition }),
        3 => (writer.clone(), any::<bool>()).prop_map(|(writer, commit)| Write::End { writer, commit }),
        1 => writer.prop_map(|writer| Write::TakeOver { writer }),
        1 => Just(Write::Zombie),
    ]
}

proptest! {
    /// However members and commits fail, every record is copied once, in order.
    #[test]
    fn copying_in_transactions_is_exactly_once(
        turns in prop::collection::vec(turn(), 1..120),
        seed in any::<u64>(),
        commits_per_mille in 0..400_u32,
        polls_per_mille in 0..100_u32,
    ) {
        const PARTITIONS: u32 = 4;
        let log = MemoryLog::new();
        log.create_topic("in", PARTITIONS);
        log.create_topic("out", PARTITIONS);
        let mut producer = log.producer().unwrap();
        for number in 0..60 {
            producer.send(&record("in", number % PARTITIONS as i32, &number.to_string())).unwrap();
        }
        log.draw_faults(Faults { seed, commits_per_mille, polls_per_mille });
        let mut copiers = vec![Copier::new(&log, "copier-0")];
        for (number, turn) in turns.into_iter().enumerate() {
            let count = copiers.len();
            match turn {
                Turn::Step(which) if count > 0 => { copiers[which % count].step(); }
                Turn::Join => copiers.push(Copier::new(&log, &format!("copier-{}", number + 1))),
                Turn::Leave(which) if count > 0 => copiers.remove(which % count).consumer.close().unwrap(),
                Turn::Crash(which) if count > 0 => {
                    copiers.remove(which % count).consumer.crash();
                    log.expel_absent("group");
                }
                Turn::Expel(which) if count > 0 => {
                    log.expel("group", copiers[which % count].consumer.member_id().unwrap());
                }
                _ => {}
            }
        }
        log.draw_faults(Faults::default());
        copiers.push(Copier::new(&log, "last"));
        // a transaction that a crashed writer left open ends when its successor comes
        let ids: Vec<String> = (0..=120).map(|number| format!("copier-{number}")).collect();
        let alive: Vec<String> = copiers.iter().map(|copier| copier.id.clone()).collect();
        for id in ids.iter().filter(|id| !alive.contains(id)) {
            log.transactions(id).unwrap();
        }
        let mut idle = 0;
        for _ in 0..2_000 {
            idle = if copiers.iter_mut().fold(false, |busy, copier| copier.step() | busy) { 0 } else { idle + 1 };
            if idle > 3 {
                break;
            }
        }
        let input = all_of(&log, "in", PARTITIONS as i32);
        let output = all_of(&log, "out", PARTITIONS as i32);
        for (input, output) in input.iter().zip(&output) {
            prop_assert_eq!(input.len(), 15);
            let texts = |records: &[(i64, String)]| records.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
            prop_assert_eq!(texts(input), texts(output));
        }
    }

    /// A reader sees exactly what was committed, in the order in which it was written, at growing offsets, whether it
    /// reads along or afterwards; a writer that was fenced changes nothing.
    #[test]
    fn readers_see_what_was_committed(writes in prop::collection::vec(write(), 1..150)) {
        let log = MemoryLog::new();
        log.create_topic("topic", 2);
        let member = log.join(&options("topic")).unwrap();
        let group = member.group().unwrap();
        let writer = |number: usize| log.transactions(&format!("writer-{number}")).unwrap();
        let mut writers: Vec<MemoryTransactions> = (0..3).map(writer).collect();
        let mut open: Vec<Option<Vec<(usize, usize)>>> = vec![None; 3];
        let mut zombies: Vec<MemoryTransactions> = Vec::new();
        // what was written to each partition, and whether it is committed
        let mut written: Vec<Vec<(String, bool)>> = vec![Vec::new(); 2];
        let mut along = vec![Vec::new(); 2];
        let both = [0, 1].map(|number| Assignment { partition: TopicPartition::new("topic", number), offset: 0 });
        let mut reader = log.reader(&both).unwrap();
        let mut producer = log.producer().unwrap();
        for (number, write) in writes.into_iter().enumerate() {
            let text = number.to_string();
            match write {
                Write::Plain { partition } => {
                    producer.send(&record("topic", partition, &text)).unwrap();
                    written[partition as usize].push((text, true));
                }
                Write::Begin { writer } if open[writer].is_none() => {
                    writers[writer].begin().unwrap();
                    open[writer] = Some(Vec::new());
                }
                Write::Send { writer, partition } => if let Some(records) = &mut open[writer] {
                    writers[writer].send(&record("topic", partition, &text)).unwrap();
                    records.push((partition as usize, written[partition as usize].len()));
                    written[partition as usize].push((text, false));
                },
                Write::End { writer, commit } => if let Some(records) = open[writer].take() {
                    if commit {
                        writers[writer].commit(&[], &group).unwrap();
                    } else {
                        writers[writer].abort().unwrap();
                    }
                    for (partition, index) in records {
                        written[partition][index].1 = commit;
                    }
                },
                Write::TakeOver { writer } => {
                    let next = log.transactions(&format!("writer-{writer}")).unwrap();
                    zombies.push(std::mem::replace(&mut writers[writer], next));
                    open[writer] = None;
                }
                Write::Zombie => for zombie in &mut zombies {
                    let ends = || [0, 1].map(|number| log.offsets(&TopicPartition::new("topic", number)).unwrap());
                    let before = ends();
                    for result in [
                        zombie.begin(),
                        zombie.send(&record("topic", 0, "zombie")),
                        zombie.commit(&[], &group),
                        zombie.abort(),
                    ] {
                        prop_assert_eq!(result.unwrap_err().class, ErrorClass::Fatal);
                    }
                    prop_assert_eq!(ends(), before);
                },
                Write::Begin { .. } => {}
            }
            read_on(&mut reader, &mut along);
        }
        for writer in 0..3 {
            if open[writer].is_some() {
                writers[writer].abort().unwrap();
            }
        }
        read_on(&mut reader, &mut along);
        let afterwards = all_of(&log, "topic", 2);
        prop_assert_eq!(&along, &afterwards);
        for (written, seen) in written.iter().zip(&afterwards) {
            let committed: Vec<&String> =
                written.iter().filter(|(_, committed)| *committed).map(|(text, _)| text).collect();
            prop_assert_eq!(committed, seen.iter().map(|(_, text)| text).collect::<Vec<_>>());
            prop_assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}

#[test]
fn faults_do_what_they_say() {
    let of = |fault: Fault| {
        let log = MemoryLog::new();
        log.create_topic("in", 1);
        log.create_topic("out", 1);
        log.producer().unwrap().send(&record("in", 0, "a")).unwrap();
        let mut copier = Copier::new(&log, "copier");
        assert!(copier.step(), "the assignment");
        log.inject(fault);
        let batch = [(TopicPartition::new("in", 0), 0, "a".to_owned())];
        let class = copier.copy(&batch).unwrap_err().class;
        let committed = copier.committed(&[TopicPartition::new("in", 0)])[0].offset;
        // the successor ends what was left open
        log.transactions("copier").unwrap();
        (class, committed, all_of(&log, "out", 1)[0].len())
    };
    assert_eq!(of(Fault::Refuse(ErrorClass::MustAbort)), (ErrorClass::MustAbort, 0, 0));
    assert_eq!(of(Fault::Refuse(ErrorClass::Retriable)), (ErrorClass::MustAbort, 0, 0));
    assert_eq!(of(Fault::Refuse(ErrorClass::Fatal)), (ErrorClass::Fatal, 0, 0));
    assert_eq!(of(Fault::LostUnknown), (ErrorClass::Fatal, 0, 0));
    assert_eq!(of(Fault::AppliedUnknown), (ErrorClass::Fatal, 1, 1));
    assert_eq!(of(Fault::Expel), (ErrorClass::MustAbort, 0, 0));
}

#[test]
fn faults_of_plain_commits_do_what_they_say() {
    let of = |fault: Fault| {
        let log = MemoryLog::new();
        log.create_topic("in", 1);
        let mut copier = Copier::new(&log, "copier");
        assert!(copier.step(), "the assignment");
        log.inject(fault);
        let partition = TopicPartition::new("in", 0);
        let position = Position { partition: partition.clone(), offset: 1, metadata: String::new() };
        let class = copier.consumer.commit(&[position]).unwrap_err().class;
        (class, copier.committed(&[partition])[0].offset)
    };
    assert_eq!(of(Fault::Refuse(ErrorClass::Retriable)), (ErrorClass::Retriable, 0));
    assert_eq!(of(Fault::AppliedUnknown), (ErrorClass::Retriable, 1));
    assert_eq!(of(Fault::LostUnknown), (ErrorClass::Retriable, 0));
    assert_eq!(of(Fault::Expel), (ErrorClass::MustAbort, 0));
}

#[test]
fn the_second_of_two_with_one_instance_id_fences_the_first() {
    let log = MemoryLog::new();
    log.create_topic("in", 2);
    let options = ConsumerOptions { instance_id: Some("one".to_owned()), ..options("in") };
    let mut first = log.join(&options).unwrap();
    let mut nothing = |_: &crate::log::Record<'_>| {};
    assert!(matches!(first.poll(1, Duration::ZERO, &mut nothing), Ok(Polled::Assigned(_))));
    let stale = first.group().unwrap();
    let mut second = log.join(&options).unwrap();
    assert!(
        matches!(second.poll(1, Duration::ZERO, &mut nothing), Ok(Polled::Assigned(given)) if given.len() == 2)
    );
    assert_eq!(first.poll(1, Duration::ZERO, &mut nothing).unwrap_err().class, ErrorClass::Fatal);
    let mut writer = log.transactions("writer").unwrap();
    writer.begin().unwrap();
    let partition = TopicPartition::new("in", 0);
    let position = Position { partition, offset: 0, metadata: String::new() };
    assert_eq!(writer.commit(&[position], &stale).unwrap_err().class, ErrorClass::Fatal);
}

#[test]
fn a_topic_that_comes_later_is_given_out() {
    let log = MemoryLog::new();
    let mut member = log.join(&options("in")).unwrap();
    let mut nothing = |_: &crate::log::Record<'_>| {};
    assert_eq!(member.poll(1, Duration::ZERO, &mut nothing).unwrap(), Polled::Records(0));
    log.create_topic("in", 1);
    assert!(
        matches!(member.poll(1, Duration::ZERO, &mut nothing).unwrap(), Polled::Assigned(given) if given.len() == 1)
    );
}
