//! What is computed on all sides: which topics, and our configuration of it.
//!
//! Always holds: bounds of our state are beyond what the data reaches, so that all sides are exact. Does not know: peers.

use clap::ValueEnum;

use super::compare::Kind;
use crate::ovation::{CHAT, ROLLING_BOARD};

/// What trades are read from.
pub const TRADES: &str = "events.trades";
/// Bounds of state that this data does not reach, so that both sides are exact.
const UNBOUNDED: &str = "entries_max = 100000000\n";
const ENGAGEMENT: &str = "[jobs.JOB.engagement]\nwindow = \"1m\"\nemit_every = \"1m\"\ndistinct_max = 1000000\n\
                          messages_max = 10000000\n";
const CANDLES: &str = "[jobs.JOB.candles]\nintervals = [\"1s\", \"1m\"]\nemit_every = \"1m\"\n";

/// What is computed, from one read of its topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// The 100 users of each channel who wrote most in the last five minutes, every ten seconds.
    W1,
    /// Messages and distinct chatters of each channel and minute.
    W2,
    /// Candles of one second and one minute of each market.
    W3,
    /// All of these.
    W4,
}

impl Workload {
    pub fn name(self) -> &'static str {
        ["w1", "w2", "w3", "w4"][self as usize]
    }

    pub fn topics(self) -> &'static [&'static str] {
        match self {
            Workload::W1 | Workload::W2 => &[CHAT],
            Workload::W3 => &[TRADES],
            Workload::W4 => &[CHAT, TRADES],
        }
    }

    /// Our jobs, each with its topic. What is keyed by channel and what is keyed by market are two, in one process.
    pub fn jobs(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Workload::W1 => &[("w1", &[CHAT])],
            Workload::W2 => &[("w2", &[CHAT])],
            Workload::W3 => &[("w3", &[TRADES])],
            Workload::W4 => &[("w4", &[CHAT]), ("w4_markets", &[TRADES])],
        }
    }

    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Workload::W1 => &[Kind::Board],
            Workload::W2 => &[Kind::Engagement],
            Workload::W3 => &[Kind::Candle],
            Workload::W4 => &[Kind::Board, Kind::Engagement, Kind::Candle],
        }
    }

    pub fn settings(self) -> String {
        let name = self.name();
        let board = ROLLING_BOARD.replace("jobs.boards", &format!("jobs.{name}"));
        let lateness = |job: &str| format!("[jobs.{job}]\nlateness = \"2s\"\n");
        let engagement = ENGAGEMENT.replace("JOB", name);
        let candles = |job: &str| format!("{}{}", lateness(job), CANDLES.replace("JOB", job));
        match self {
            Workload::W1 => format!("{board}{UNBOUNDED}"),
            Workload::W2 => format!("{}{engagement}", lateness(name)),
            Workload::W3 => candles(name),
            Workload::W4 => format!("{board}{UNBOUNDED}{engagement}{}", candles("w4_markets")),
        }
    }
}
