//! The simulator's knobs.

use std::str::FromStr;
use std::time::Duration;

use schemas::Timestamp;

/// What the simulator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatorOptions {
    /// The same seed (and the same other options) gives the same events.
    pub seed: u64,
    /// Event time of the first event.
    pub start: Timestamp,
    /// Events of all kinds a second; 1 or more.
    pub events_per_second: u32,
    /// How long in event time; none goes on for ever (or until `count`).
    pub duration: Option<Duration>,
    /// How many events; none goes on for ever (or until `duration`).
    pub count: Option<u64>,
    /// Channels; the first are the most popular.
    pub channels: u32,
    /// Users in all.
    pub users: u32,
    /// Users who write in each channel, spammers apart, some far more often than others (Zipf); `users` at most.
    pub regulars: u32,
    /// Traded symbols.
    pub symbols: u32,
    /// How the rate is divided among the kinds of events.
    pub shares: Shares,
    /// The longest time in milliseconds that an event is on its way; 0 keeps all in order.
    pub disorder_max_ms: u32,
    /// Whether moderators take spam back.
    pub is_moderated: bool,
}

impl Default for SimulatorOptions {
    /// 1,000 events a second in 50 channels with 20,000 users, 2,000 regulars in each, and 4 symbols, without end, in order, moderated, from
    /// 1970.
    fn default() -> Self {
        SimulatorOptions {
            seed: 1,
            start: Timestamp::default(),
            events_per_second: 1_000,
            duration: None,
            count: None,
            channels: 50,
            users: 20_000,
            regulars: 2_000,
            symbols: 4,
            shares: Shares::default(),
            disorder_max_ms: 0,
            is_moderated: true,
        }
    }
}

/// Weights of the kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Viewers' sessions.
    pub viewers: u32,
    /// Chat.
    pub chat: u32,
    /// Reactions.
    pub reactions: u32,
    /// Trades.
    pub trades: u32,
}

impl Default for Shares {
    /// 40 : 25 : 15 : 20.
    fn default() -> Self {
        Shares { viewers: 40, chat: 25, reactions: 15, trades: 20 }
    }
}

/// A text that does not name shares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not say shares, such as viewers=40,chat=25,reactions=15,trades=20 (0 to 1000000 each)")]
pub struct InvalidShares(pub String);

impl FromStr for Shares {
    type Err = InvalidShares;

    /// `KIND=WEIGHT,...`; kinds that are not named get none.
    fn from_str(text: &str) -> Result<Self, InvalidShares> {
        let invalid = || InvalidShares(text.to_owned());
        let mut shares = Shares { viewers: 0, chat: 0, reactions: 0, trades: 0 };
        for part in text.split(',') {
            let (kind, weight) = part.split_once('=').ok_or_else(invalid)?;
            let share = match kind.trim() {
                "viewers" => &mut shares.viewers,
                "chat" => &mut shares.chat,
                "reactions" => &mut shares.reactions,
                "trades" => &mut shares.trades,
                _ => return Err(invalid()),
            };
            *share = weight.trim().parse().map_err(|_| invalid())?;
        }
        Ok(shares)
    }
}

/// Options that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// A number that must be above zero for what is asked for.
    #[error("{0} must be 1 or more")]
    Zero(&'static str),
    /// A number beyond what the arithmetic is made for.
    #[error("{0} must be {1} at most")]
    TooLarge(&'static str, u32),
}

impl SimulatorOptions {
    pub(super) fn check(&self) -> Result<(), InvalidOptions> {
        let Shares { viewers, chat, reactions, trades } = self.shares;
        let has_channels = viewers > 0 || chat > 0 || reactions > 0;
        let not_zero = [
            (self.events_per_second, true, "events_per_second"),
            (viewers.max(chat).max(reactions).max(trades), true, "one of the shares"),
            (self.channels, has_channels, "channels"),
            (self.users, has_channels, "users"),
            (self.regulars, has_channels, "regulars"),
            (self.symbols, trades > 0, "symbols"),
        ];
        for (value, is_needed, name) in not_zero {
            if is_needed && value == 0 {
                return Err(InvalidOptions::Zero(name));
            }
        }
        let limits = [
            (viewers.max(chat).max(reactions).max(trades), 1_000_000, "each share"),
            (self.channels, 1_000_000, "channels"),
            (self.regulars, 100_000_000, "regulars"),
            (self.symbols, 1_000_000, "symbols"),
            (self.disorder_max_ms, 3_600_000, "disorder_max_ms"),
        ];
        for (value, limit, name) in limits {
            if value > limit {
                return Err(InvalidOptions::TooLarge(name, limit));
            }
        }
        Ok(())
    }

    /// How many events there will be.
    pub(super) fn event_count(&self) -> u64 {
        let within = self.duration.map_or(u64::MAX, |duration| {
            let events = duration.as_micros() * u128::from(self.events_per_second);
            u64::try_from(events.div_ceil(1_000_000)).unwrap_or(u64::MAX)
        });
        within.min(self.count.unwrap_or(u64::MAX))
    }
}
