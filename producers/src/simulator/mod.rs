//! The simulator: many channels, their viewers, chats and reactions, and some markets, made from a seed.
//!
//! Always holds: the same options give the same events, byte for byte, on every machine; there is no clock in here. The
//! n-th event happens n / rate after the start, so the rate is exact; each event's kind is drawn by the shares.
//! Memory is bounded by open sessions, channels and symbols. Events come ordered by event time, or, where disorder
//! is asked for, by the time at which they would have come in over a network.
//!
//! Does not know: Kafka, pacing (see [`mod@crate::replay`]).

mod cast;
mod chat;
mod draw;
mod markets;
mod options;
mod phrases;
mod reactions;
mod spotlight;
mod viewers;

use std::collections::BTreeMap;

use schemas::{Event, Timestamp};

use cast::Cast;
use chat::Chat;
use draw::{Concern, Draw};
use markets::Markets;
pub use options::{InvalidOptions, InvalidShares, Shares, SimulatorOptions};
use reactions::Reactions;
use spotlight::Spotlight;
use viewers::Viewers;

/// Makes events, one at a time.
pub struct Simulator {
    options: SimulatorOptions,
    end: u64,
    made: u64,
    kinds: Draw,
    cast: Cast,
    spotlight: Spotlight,
    viewers: Viewers,
    chat: Chat,
    reactions: Reactions,
    markets: Markets,
    disorder: Draw,
    /// Events on their way, by time of arrival and number.
    delayed: BTreeMap<(Timestamp, u64), Event<'static>>,
}

impl Simulator {
    /// Sets the scene.
    ///
    /// # Errors
    /// If the options contradict each other.
    pub fn new(options: SimulatorOptions) -> Result<Self, InvalidOptions> {
        options.check()?;
        let (seed, start) = (options.seed, options.start);
        let draw = |concern| Draw::new(seed, concern);
        Ok(Simulator {
            end: options.event_count(),
            made: 0,
            kinds: draw(Concern::Kinds),
            cast: Cast::new(seed, start, options.channels, options.users, options.regulars),
            spotlight: Spotlight::new(draw(Concern::Spotlight), start),
            viewers: Viewers::new(draw(Concern::Viewers)),
            chat: Chat::new(draw(Concern::Chat), draw(Concern::Spam), &options),
            reactions: Reactions::new(draw(Concern::Reactions)),
            markets: Markets::new(draw(Concern::Markets), options.symbols, start),
            disorder: draw(Concern::Disorder),
            delayed: BTreeMap::new(),
            options,
        })
    }

    /// Sessions that are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.viewers.open_sessions()
    }

    fn time_of(&self, number: u64) -> Timestamp {
        let elapsed_us = u128::from(number) * 1_000_000 / u128::from(self.options.events_per_second);
        self.options.start.plus_micros(i64::try_from(elapsed_us).unwrap_or(i64::MAX))
    }

    /// The next event by event time.
    fn make(&mut self) -> Option<Event<'static>> {
        if self.made >= self.end {
            return None;
        }
        let now = self.time_of(self.made);
        self.made += 1;
        self.spotlight.advance(now, &self.cast);
        let Shares { viewers, chat, reactions, trades } = self.options.shares;
        Some(match self.kinds.weighted(&[viewers, chat, reactions, trades]) {
            0 => self.viewers.next(now, &self.cast, &self.spotlight),
            1 => self.chat.next(now, &self.cast, &self.spotlight),
            2 => self.reactions.next(now, &self.cast, &mut self.spotlight, &self.chat),
            _ => self.markets.next(now),
        })
    }

    /// How long an event is on its way: mostly little, rarely up to the most.
    fn delay_us(&mut self) -> i64 {
        let most_ms = self.options.disorder_max_ms;
        let delay_ms = match self.disorder.weighted(&[900, 90, 10]) {
            0 => self.disorder.between(0, 20),
            1 => self.disorder.between(20, 200),
            _ => self.disorder.between(0, most_ms),
        };
        i64::from(delay_ms.min(most_ms)) * 1_000
    }

    fn next_arrival(&mut self) -> Option<Event<'static>> {
        // nothing that is still to be made can arrive before it happens
        while self.made < self.end
            && self
                .delayed
                .first_key_value()
                .is_none_or(|((arrival, _), _)| *arrival > self.time_of(self.made))
        {
            let mut event = self.make()?;
            let arrival = event.header().event_time.plus_micros(self.delay_us());
            event.set_ingest_time(arrival);
            self.delayed.insert((arrival, self.made), event);
        }
        self.delayed.pop_first().map(|(_, event)| event)
    }
}

impl Iterator for Simulator {
    type Item = Event<'static>;

    fn next(&mut self) -> Option<Event<'static>> {
        if self.options.disorder_max_ms == 0 { self.make() } else { self.next_arrival() }
    }
}
