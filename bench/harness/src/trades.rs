//! Real trades: a recording, told again and again by as many symbols as asked for.
//!
//! Each symbol begins at another moment of the recording, evenly spread, so that at any time all of it is told somewhere. Event times keep the
//! recording's distances, bursts and standstills included, all stretched (or shrunk) by one factor, with which all symbols together have the
//! rate that is asked for. Always holds: prices, quantities, sides and their order are the recording's; a symbol's trade ids are the recording's
//! and go on without a gap when it begins anew (there the price jumps from its last to its first); the same options give the same trades.
//! Does not know: who reads them; that some markets are traded far more than others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use producers::{Format, ReadOptions, Recording};
use schemas::{Event, Timestamp, TradeEvent};

const RECORDING: &[u8] = include_bytes!("../../data/binance-spot-ethusdt.trades.csv.gz");
const RECORDING_NAME: &str = "bench/data/binance-spot-ethusdt.trades.csv.gz";

/// How many, of what, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub count: u64,
    pub symbols: u32,
    /// Of all symbols, in a second of event time.
    pub rate: u64,
    /// The longest time that a trade is on its way, in milliseconds; 0 keeps all in order.
    pub disorder_ms: u32,
    pub start: Timestamp,
}

/// Trades in the order in which they come in.
pub struct RealTrades {
    size: Size,
    recording: Vec<TradeEvent<'static>>,
    /// From the recording's first trade to where it begins anew.
    span_micros: i64,
    symbols: Vec<Symbol>,
    /// When each symbol trades next.
    due: BinaryHeap<Reverse<(i64, usize)>>,
    made: u64,
    /// Trades on their way, by time of arrival and number.
    delayed: BTreeMap<(i64, u64), Event<'static>>,
}

struct Symbol {
    name: String,
    channel_id: String,
    /// The recording's moment at which it begins.
    phase_micros: i64,
    /// Counts the recording's trades, and goes on counting when it begins anew.
    next: usize,
}

impl RealTrades {
    /// # Errors
    /// If the recording cannot be read, or nothing is asked for.
    pub fn new(size: Size) -> Result<Self> {
        ensure!(size.symbols > 0 && size.rate > 0, "no symbol or no rate");
        let recording = recording()?;
        let [first, .., last] = &recording[..] else { bail!("{RECORDING_NAME} has too few trades") };
        let length_micros = last.event_time.micros_since(first.event_time);
        let span_micros = length_micros + length_micros / recording.len() as i64;
        let symbols = (0..size.symbols).map(|number| {
            let phase_micros = span_micros * i64::from(number) / i64::from(size.symbols);
            let is_before =
                |trade: &TradeEvent<'_>| trade.event_time.micros_since(first.event_time) < phase_micros;
            let suffix = if number == 0 { String::new() } else { format!("-{number}") };
            Symbol {
                name: format!("{}{suffix}", first.symbol.as_str()),
                channel_id: format!("{}{suffix}", first.channel_id.as_str()),
                phase_micros,
                next: recording.partition_point(is_before),
            }
        });
        let symbols = symbols.collect();
        let mut trades = RealTrades {
            size,
            recording,
            span_micros,
            symbols,
            due: BinaryHeap::new(),
            made: 0,
            delayed: BTreeMap::new(),
        };
        for symbol in 0..trades.symbols.len() {
            trades.due.push(Reverse((trades.next_micros(symbol), symbol)));
        }
        Ok(trades)
    }

    /// When a symbol trades next, in microseconds since 1970.
    fn next_micros(&self, symbol: usize) -> i64 {
        let Symbol { phase_micros, next, .. } = &self.symbols[symbol];
        let (round, place) = (next / self.recording.len(), next % self.recording.len());
        let in_round = self.recording[place].event_time.micros_since(self.recording[0].event_time);
        let elapsed = i128::from(in_round - phase_micros) + round as i128 * i128::from(self.span_micros);
        // Of all symbols there are so many trades in a span of the recording.
        let in_span = i128::from(self.size.symbols) * self.recording.len() as i128 * 1_000_000;
        let stretched = elapsed * in_span / (i128::from(self.span_micros) * i128::from(self.size.rate));
        self.size.start.micros() + i64::try_from(stretched).unwrap_or(i64::MAX)
    }

    /// The next trade by event time.
    fn make(&mut self) -> Option<Event<'static>> {
        if self.made >= self.size.count {
            return None;
        }
        self.made += 1;
        let Reverse((micros, number)) = self.due.pop()?;
        let symbol = &mut self.symbols[number];
        let (round, place) = (symbol.next / self.recording.len(), symbol.next % self.recording.len());
        symbol.next += 1;
        let recorded = &self.recording[place];
        let trade_id = recorded.trade_id.map(|id| id + (round * self.recording.len()) as i64);
        let event_time = Timestamp::from_micros(micros);
        let event = TradeEvent {
            event_id: format!("{}:{}", symbol.channel_id, trade_id.unwrap_or_default()).into(),
            event_time,
            ingest_time: event_time,
            channel_id: symbol.channel_id.clone().into(),
            symbol: symbol.name.clone().into(),
            trade_id,
            ..recorded.clone()
        };
        self.due.push(Reverse((self.next_micros(number), number)));
        Some(Event::Trade(event))
    }

    /// How long the trade of this number is on its way: mostly little, rarely up to the most, as in the simulator.
    fn delay_micros(&self, number: u64) -> i64 {
        let drawn = scattered(number);
        let most_ms = u64::from(self.size.disorder_ms);
        let (least, beyond) = match drawn % 1_000 {
            0..900 => (0, 21),
            900..990 => (20, 181),
            _ => (0, most_ms + 1),
        };
        ((least + (drawn >> 32) % beyond).min(most_ms) * 1_000) as i64
    }
}

impl Iterator for RealTrades {
    type Item = Event<'static>;

    fn next(&mut self) -> Option<Event<'static>> {
        if self.size.disorder_ms == 0 {
            return self.make();
        }
        // Nothing that is still to be made can arrive before it happens.
        while self.made < self.size.count
            && self.delayed.first_key_value().is_none_or(|((arrival, _), _)| {
                self.due.peek().is_some_and(|Reverse((next, _))| *arrival > *next)
            })
        {
            let event = self.make()?;
            let arrival = event.header().event_time.micros() + self.delay_micros(self.made);
            self.delayed.insert((arrival, self.made), event);
        }
        self.delayed.pop_first().map(|(_, event)| event)
    }
}

/// The recording, by our own parser.
fn recording() -> Result<Vec<TradeEvent<'static>>> {
    let options = ReadOptions::default();
    let recording = Recording::read(Format::BinanceCsv, Path::new(RECORDING_NAME), RECORDING, &options)?;
    let trade = |event: Result<Event<'static>, _>| match event? {
        Event::Trade(trade) => Ok(trade),
        _ => bail!("{RECORDING_NAME} has more than trades"),
    };
    recording.map(trade).collect::<Result<_>>().context("the recording")
}

/// A number without any order (the finaliser of SplitMix64).
pub fn scattered(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        count: 30_000,
        symbols: 3,
        rate: 1_000,
        disorder_ms: 0,
        start: Timestamp::from_millis(1_700_000_040_000),
    };

    fn trades(size: Size) -> Vec<TradeEvent<'static>> {
        let trade = |event| match event {
            Event::Trade(trade) => trade,
            other => panic!("{other:?}"),
        };
        RealTrades::new(size).expect("the recording").map(trade).collect()
    }

    #[test]
    fn the_recording_is_whole_and_has_no_gap() {
        let recording = recording().expect("the recording");
        assert_eq!(recording.len(), 6_106);
        let first = recording[0].trade_id.expect("an id");
        for (number, trade) in recording.iter().enumerate() {
            assert_eq!(trade.trade_id, Some(first + number as i64));
        }
        assert!(recording.is_sorted_by_key(|trade| trade.event_time));
    }

    #[test]
    fn each_symbol_goes_on_without_a_gap_and_tells_what_was_recorded() {
        let (recording, trades) = (recording().expect("the recording"), trades(SIZE));
        assert_eq!(trades.len(), 30_000);
        assert!(trades.is_sorted_by_key(|trade| trade.event_time));
        let first_id = recording[0].trade_id.expect("an id");
        for symbol in ["ETHUSDT", "ETHUSDT-1", "ETHUSDT-2"] {
            let of_symbol: Vec<_> = trades.iter().filter(|trade| trade.symbol.as_str() == symbol).collect();
            assert!(of_symbol.len() > recording.len(), "it is told more than once");
            for pair in of_symbol.windows(2) {
                assert_eq!(pair[0].trade_id.map(|id| id + 1), pair[1].trade_id);
            }
            for trade in of_symbol {
                let place = (trade.trade_id.expect("an id") - first_id) as usize % recording.len();
                assert_eq!(
                    (trade.price, trade.quantity),
                    (recording[place].price, recording[place].quantity)
                );
                assert_eq!(trade.channel_id.as_str(), format!("binance-spot:{symbol}"));
            }
        }
    }

    #[test]
    fn the_rate_is_that_of_all_symbols_together() {
        let size = Size { symbols: 1_000, rate: 10_000, count: 200_000, ..SIZE };
        let trades = trades(size);
        let last = trades.last().expect("a trade").event_time.micros_since(size.start);
        assert!((19_000_000..21_000_000).contains(&last), "{last}");
    }

    #[test]
    fn disorder_stays_within_its_bound_and_loses_nothing() {
        let size = Size { disorder_ms: 3_000, ..SIZE };
        let (late, mut ordered) = (trades(size), trades(SIZE));
        let mut newest = i64::MIN;
        let mut most = 0;
        for trade in &late {
            newest = newest.max(trade.event_time.micros());
            most = most.max(newest - trade.event_time.micros());
        }
        assert!((2_000_000..=3_000_000).contains(&most), "{most}");
        let id = |trade: &TradeEvent<'static>| trade.event_id.as_str().to_owned();
        let mut late = late.iter().map(id).collect::<Vec<_>>();
        late.sort_unstable();
        ordered.sort_unstable_by_key(id);
        assert_eq!(late, ordered.iter().map(id).collect::<Vec<_>>());
    }
}
