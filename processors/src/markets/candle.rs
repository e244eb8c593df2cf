//! One candle: what its trades add up to.
//!
//! Always holds: the result depends on the set of trades and not on their order (sums that saturate aside, which
//! follow the order of visibility). Does not know: when it starts and ends.

use schemas::{Aggressor, Amount, CandleResult, Decimal, Freshness, Quote, Timestamp, TradeEvent};

use crate::state::bytes::{Reader, Stored, Unreadable, stored};

/// The largest number of a `decimal(38, _)`, in units.
const LARGEST_UNITS: i128 = 10i128.pow(38) - 1;

/// What a candle needs of a trade.
#[derive(Clone, Debug)]
pub(super) struct Trade {
    position: Position,
    price: Amount,
    quantity: Amount,
    aggressor: Aggressor,
}

stored!(Trade { position, price, quantity, aggressor });

/// Where a trade stands in the order of its market. A trade without a number stands before those with one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    event_time: Timestamp,
    trade_id: Option<i64>,
    event_id: Box<str>,
}

stored!(Position { event_time, trade_id, event_id });

impl Stored for Aggressor {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Aggressor::Buy => 0,
            Aggressor::Sell => 1,
            Aggressor::Unknown => 2,
        });
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match reader.take(1)? {
            [0] => Ok(Aggressor::Buy),
            [1] => Ok(Aggressor::Sell),
            [2] => Ok(Aggressor::Unknown),
            _ => Err(Unreadable("names a side that does not exist")),
        }
    }
}

impl Trade {
    pub(super) fn of(trade: &TradeEvent<'_>, event_time: Timestamp) -> Self {
        Trade {
            position: Position {
                event_time,
                trade_id: trade.trade_id,
                event_id: trade.event_id.as_str().into(),
            },
            price: trade.price,
            quantity: trade.quantity,
            aggressor: trade.aggressor,
        }
    }
}

/// A count and a sum of quantities.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    count: i64,
    volume: Amount,
}

stored!(Side { count, volume });

impl Side {
    fn add(&mut self, quantity: Amount) {
        self.count += 1;
        self.volume = saturating_sum(self.volume, quantity);
    }
}

/// The trades of one market in one interval.
#[derive(Clone, Debug)]
pub(super) struct Candle {
    first: Position,
    last: Position,
    open: Amount,
    close: Amount,
    high: Amount,
    low: Amount,
    all: Side,
    quote_volume: Quote,
    taker_buy: Side,
    taker_sell: Side,
    trade_ids: Option<(i64, i64)>,
    /// Records written.
    pub(super) revision: i64,
    /// Whether a trade came since the last record.
    pub(super) is_changed: bool,
    /// Whether it is among the changes that the next save writes.
    pub(super) is_unsaved: bool,
}

// It is saved between ticks, when it has not changed since its record.
stored!(Candle {
    first, last, open, close, high, low, all, quote_volume, taker_buy, taker_sell, trade_ids, revision,
} .. { is_changed, is_unsaved });

impl Candle {
    /// A candle of one trade.
    pub(super) fn new(trade: Trade) -> Self {
        let mut candle = Candle {
            first: trade.position.clone(),
            last: trade.position.clone(),
            open: trade.price,
            close: trade.price,
            high: trade.price,
            low: trade.price,
            all: Side::default(),
            quote_volume: Quote::ZERO,
            taker_buy: Side::default(),
            taker_sell: Side::default(),
            trade_ids: None,
            revision: 0,
            is_changed: true,
            is_unsaved: false,
        };
        candle.add(trade);
        candle
    }

    /// Adds a trade.
    pub(super) fn add(&mut self, trade: Trade) {
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        self.all.add(trade.quantity);
        self.quote_volume =
            saturating_sum(self.quote_volume, saturating_product(trade.price, trade.quantity));
        match trade.aggressor {
            Aggressor::Buy => self.taker_buy.add(trade.quantity),
            Aggressor::Sell => self.taker_sell.add(trade.quantity),
            Aggressor::Unknown => {}
        }
        if let Some(id) = trade.position.trade_id {
            let (lowest, highest) = self.trade_ids.unwrap_or((id, id));
            self.trade_ids = Some((lowest.min(id), highest.max(id)));
        }
        if trade.position < self.first {
            self.open = trade.price;
            self.first = trade.position;
        } else if trade.position > self.last {
            self.close = trade.price;
            self.last = trade.position;
        }
    }

    /// The record so far; interval, window, finality and as_of are the caller's.
    pub(super) fn record(&self, venue: &str, symbol: &str) -> CandleResult {
        CandleResult {
            venue: venue.to_owned(),
            symbol: symbol.to_owned(),
            interval_s: 0,
            window_start: Timestamp::default(),
            window_end: Timestamp::default(),
            is_final: false,
            revision: self.revision,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            trade_count: self.all.count,
            base_volume: self.all.volume,
            quote_volume: self.quote_volume,
            taker_buy_count: self.taker_buy.count,
            taker_sell_count: self.taker_sell.count,
            taker_buy_volume: self.taker_buy.volume,
            taker_sell_volume: self.taker_sell.volume,
            first_trade_id: self.trade_ids.map(|ids| ids.0),
            last_trade_id: self.trade_ids.map(|ids| ids.1),
            freshness: Freshness::default(),
        }
    }
}

fn saturated<const SCALE: u32>(is_negative: bool) -> Decimal<SCALE> {
    let units = if is_negative { -LARGEST_UNITS } else { LARGEST_UNITS };
    Decimal::from_units(units).unwrap_or(Decimal::ZERO)
}

fn saturating_sum<const SCALE: u32>(a: Decimal<SCALE>, b: Decimal<SCALE>) -> Decimal<SCALE> {
    a.checked_add(b).unwrap_or_else(|| saturated(b < Decimal::ZERO))
}

fn saturating_product(price: Amount, quantity: Amount) -> Quote {
    price
        .checked_mul(quantity)
        .unwrap_or_else(|| saturated((price < Amount::ZERO) != (quantity < Amount::ZERO)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trade(micros: i64, id: Option<i64>, event_id: &str, price: &str, quantity: &str) -> Trade {
        let event_time = Timestamp::from_micros(micros);
        Trade {
            position: Position { event_time, trade_id: id, event_id: event_id.into() },
            price: price.parse().expect("price"),
            quantity: quantity.parse().expect("quantity"),
            aggressor: Aggressor::Buy,
        }
    }

    #[test]
    fn open_and_close_are_by_time_then_trade_id_then_event_id() {
        let mut candle = Candle::new(trade(5, Some(2), "a", "10", "1"));
        candle.add(trade(5, Some(1), "b", "11", "1"));
        candle.add(trade(5, Some(3), "a", "12", "1"));
        candle.add(trade(5, Some(3), "b", "13", "1"));
        let record = candle.record("v", "s");
        assert_eq!((record.open.to_string(), record.close.to_string()), ("11".into(), "13".into()));
        assert_eq!((record.first_trade_id, record.last_trade_id), (Some(1), Some(3)));
    }

    #[test]
    fn a_sum_that_does_not_fit_stays_at_the_largest_number() {
        let huge = "9999999999999999999999999999";
        let mut candle = Candle::new(trade(0, None, "a", huge, huge));
        candle.add(trade(1, None, "b", "1", huge));
        let record = candle.record("v", "s");
        assert_eq!(record.base_volume.units(), LARGEST_UNITS);
        assert_eq!(record.quote_volume.units(), LARGEST_UNITS);
        candle.add(trade(2, None, "c", "1", "1"));
        assert_eq!(candle.record("v", "s").base_volume.units(), LARGEST_UNITS);
        let mut negative = Candle::new(trade(0, None, "a", "-9999999999999999999999999999", huge));
        negative.add(trade(1, None, "b", "-1", "1"));
        assert_eq!(negative.record("v", "s").quote_volume.units(), -LARGEST_UNITS);
    }
}
