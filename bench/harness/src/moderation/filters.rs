//! The sides: our moderation processor, and crates that filter words.
//!
//! rustrict is set up as its guide says, with a list of words of its own and its buffers used again; better-profanity as
//! its first example. Always holds: a filter is given a message's text and nothing that was worked out before. Does not know: what is measured.

use std::str::Chars;

use anyhow::{Context, Result, anyhow};
use better_profanity::Profanity;
use processors::{Arrival, Job, JobConfig, Output, Processor, StateSize};
use rustrict::{Censor, Trie, Type};
use schemas::{Event, Topic};

use super::messages::text_of;

/// The configuration that comes with the program.
const SHIPPED: &str = include_str!("../../../../ovation.toml");
/// As its job is shipped.
const LATENESS_MICROS: i64 = 2_000_000;
/// So often time moves on.
const ADVANCE_EVERY: i64 = 1_000;

/// A side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Terms,
    Shipped,
    BetterProfanity,
    Rustrict,
    RustrictWhole,
}

impl Side {
    pub const ALL: [Side; 5] =
        [Side::Terms, Side::Shipped, Side::BetterProfanity, Side::Rustrict, Side::RustrictWhole];
    /// Those that look for the terms and for nothing else.
    pub const ALIKE: [Side; 3] = [Side::Terms, Side::BetterProfanity, Side::Rustrict];

    pub fn name(self) -> &'static str {
        match self {
            Side::Terms => "ovation, terms",
            Side::Shipped => "ovation, all rules",
            Side::BetterProfanity => "better-profanity",
            Side::Rustrict => "rustrict",
            Side::RustrictWhole => "rustrict, its words too",
        }
    }
}

/// Says of each message in turn whether it is flagged.
pub trait Filter<'m> {
    fn is_flagged(&mut self, message: &'m Event<'static>) -> bool;

    /// What it keeps from one message to the next.
    fn kept(&self) -> StateSize {
        StateSize::default()
    }
}

/// What filters are made from; prepared once, as a program that starts would.
pub struct Prepared {
    terms: Job,
    shipped: Job,
    better_profanity: Profanity,
    rustrict: &'static Trie,
    rustrict_whole: &'static Trie,
}

impl Prepared {
    /// # Errors
    /// If a term is not one.
    pub fn new(terms: &[String]) -> Result<Self> {
        let rustrict = |mut trie: Trie| -> &'static Trie {
            terms.iter().for_each(|term| trie.set(term, (Type::PROFANE & Type::SEVERE) | Type::MEAN));
            // It takes only what lives as long as the program.
            Box::leak(Box::new(trie))
        };
        Ok(Prepared {
            terms: job(terms, true)?,
            shipped: job(terms, false)?,
            better_profanity: Profanity::with_words(terms),
            rustrict: rustrict(Trie::new()),
            rustrict_whole: rustrict(Trie::default()),
        })
    }

    /// One that has seen no message.
    pub fn filter<'m>(&'m self, side: Side) -> Box<dyn Filter<'m> + 'm> {
        let ours = |job: &Job| Ours { processors: job.build(), out: Vec::new(), seen: 0 };
        match side {
            Side::Terms => Box::new(ours(&self.terms)),
            Side::Shipped => Box::new(ours(&self.shipped)),
            Side::BetterProfanity => Box::new(&self.better_profanity),
            Side::Rustrict => Box::new(rustrict(self.rustrict)),
            Side::RustrictWhole => Box::new(rustrict(self.rustrict_whole)),
        }
    }
}

/// The job as shipped, with these terms; with nothing else if that is asked for.
fn job(terms: &[String], is_terms_only: bool) -> Result<Job> {
    let shipped: toml::Table = SHIPPED.parse()?;
    let mut job = shipped["jobs"]["moderation"].clone();
    let rules =
        job.get_mut("moderation").and_then(toml::Value::as_table_mut).context("no rules are shipped")?;
    if is_terms_only {
        rules.clear();
    }
    let term = |term: &String| {
        let keys = [("term", term.as_str().into()), ("category", "insult".into()), ("severity", 1.into())];
        toml::Value::from(toml::Table::from_iter(
            keys.map(|(key, value): (_, toml::Value)| (key.to_owned(), value)),
        ))
    };
    rules.insert("terms".to_owned(), terms.iter().map(term).collect::<Vec<_>>().into());
    let config: JobConfig = job.try_into()?;
    config.validate("moderation").map_err(|problems| anyhow!("{problems:?}"))
}

struct Ours {
    processors: Vec<Box<dyn Processor>>,
    out: Vec<Output>,
    seen: i64,
}

impl<'m> Filter<'m> for Ours {
    fn is_flagged(&mut self, message: &'m Event<'static>) -> bool {
        let event_time = message.header().event_time;
        let partition_watermark = event_time.plus_micros(-LATENESS_MICROS);
        let arrival = Arrival { topic: Topic::Chat, offset: self.seen, event_time, partition_watermark };
        self.seen += 1;
        self.out.clear();
        for processor in &mut self.processors {
            processor.process(message, &arrival, &mut self.out);
            if self.seen % ADVANCE_EVERY == 0 {
                processor.advance(partition_watermark, &mut self.out);
            }
        }
        !self.out.is_empty()
    }

    fn kept(&self) -> StateSize {
        self.processors.first().map(|processor| processor.size()).unwrap_or_default()
    }
}

impl<'m> Filter<'m> for &Profanity {
    fn is_flagged(&mut self, message: &'m Event<'static>) -> bool {
        self.contains_profanity(text_of(message))
    }
}

fn rustrict<'m>(trie: &'static Trie) -> Censor<Chars<'m>> {
    let mut censor = Censor::from_str("");
    censor.with_trie(trie);
    censor
}

impl<'m> Filter<'m> for Censor<Chars<'m>> {
    fn is_flagged(&mut self, message: &'m Event<'static>) -> bool {
        self.reset(text_of(message).chars());
        self.analyze().is(Type::INAPPROPRIATE)
    }
}
