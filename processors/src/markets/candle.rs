//! One candle: what its trades add up to.
//!
//! Always holds: the result depends on the set of trades and not on their order (sums that saturate aside, which
//! follow the order of visibility). A trade whose trade_id came before counts like any other, and is reported: trades are told apart by
//! event_id. Does not know: what came before it.

use std::sync::Arc;

use schemas::{Aggressor, Amount, CandleResult, Decimal, Freshness, Quote, Timestamp, TradeEvent};

use super::ids::{TradeIds, between};
use super::past::{Comparison, Figures};
use super::returns::Samples;
use crate::state::bytes::{Reader, Stored, Unreadable, stored};

/// The largest number of a `decimal(38, _)`, in units.
const LARGEST_UNITS: i128 = 10i128.pow(38) - 1;

/// What a candle needs of a trade.
#[derive(Clone, Debug)]
pub(super) struct Trade {
    pub(super) position: Position,
    price: Amount,
    quantity: Amount,
    aggressor: Aggressor,
}

stored!(Trade { position, price, quantity, aggressor });

/// Where a trade stands in the order of its market. A trade without a number stands before those with one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) event_time: Timestamp,
    pub(super) trade_id: Option<i64>,
    pub(super) event_id: Arc<str>,
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

    /// Price x quantity.
    pub(super) fn quote(&self) -> Quote {
        saturating_product(self.price, self.quantity)
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

/// The largest trade: the first of those with the largest quantity.
#[derive(Clone, Debug)]
struct Largest {
    position: Position,
    quantity: Amount,
    price: Amount,
}

stored!(Largest { position, quantity, price });

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
    ids: TradeIds,
    duplicates: Side,
    largest: Largest,
    /// Records written.
    pub(super) revision: i64,
    /// The last price of every sampling step. They are saved one by one.
    pub(super) samples: Samples,
    /// Whether a trade came since the last record.
    pub(super) is_changed: bool,
}

stored!(
    Candle {
        first,
        last,
        open,
        close,
        high,
        low,
        all,
        quote_volume,
        taker_buy,
        taker_sell,
        ids,
        duplicates,
        largest,
        revision,
        is_changed,
    }..{ samples }
);

impl Candle {
    /// A candle of one trade; see [`Candle::add`].
    pub(super) fn new(trade: &Trade, quote: Quote, step: u64) -> Self {
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
            ids: TradeIds::default(),
            duplicates: Side::default(),
            largest: Largest {
                position: trade.position.clone(),
                quantity: trade.quantity,
                price: trade.price,
            },
            revision: 0,
            samples: Samples::default(),
            is_changed: true,
        };
        candle.add(trade, quote, step);
        candle
    }

    /// Adds a trade with its [`Trade::quote`] in the sampling step numbered `step`.
    pub(super) fn add(&mut self, trade: &Trade, quote: Quote, step: u64) {
        let (position, price) = (&trade.position, trade.price);
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.all.add(trade.quantity);
        self.quote_volume = saturating_sum(self.quote_volume, quote);
        match trade.aggressor {
            Aggressor::Buy => self.taker_buy.add(trade.quantity),
            Aggressor::Sell => self.taker_sell.add(trade.quantity),
            Aggressor::Unknown => {}
        }
        if position.trade_id.is_some_and(|id| self.ids.add(id)) {
            self.duplicates.add(trade.quantity);
        }
        let largest = &self.largest;
        if trade.quantity > largest.quantity
            || (trade.quantity == largest.quantity && *position < largest.position)
        {
            self.largest = Largest { position: position.clone(), quantity: trade.quantity, price };
        }
        if *position < self.first {
            self.open = price;
            self.first = position.clone();
        } else if *position > self.last {
            self.close = price;
            self.last = position.clone();
        }
        self.samples.add(step, position, price);
    }

    /// What it is compared by with those before it.
    pub(super) fn figures(&self) -> Figures {
        Figures {
            high: self.high,
            low: self.low,
            close: self.close,
            base_volume: self.all.volume,
            highest_trade_id: self.ids.ends().map(|ids| ids.1),
        }
    }

    /// The record so far. `highest_before` is the highest trade id of the candles before it. Market, interval, window, finality
    /// and as_of are the caller's.
    pub(super) fn record(&self, past: &Comparison, highest_before: Option<i64>) -> CandleResult {
        let ids = self.ids.ends();
        let missing_before = ids.zip(highest_before).map(|((first, _), before)| between(before, first));
        CandleResult {
            venue: String::new(),
            symbol: String::new(),
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
            first_trade_id: ids.map(|ids| ids.0),
            last_trade_id: ids.map(|ids| ids.1),
            missing_trade_ids: self.ids.missing(),
            missing_before: missing_before.map(|missing| i64::try_from(missing).unwrap_or(i64::MAX)),
            duplicate_trade_count: self.duplicates.count,
            duplicate_volume: self.duplicates.volume,
            largest_quantity: self.largest.quantity,
            largest_price: self.largest.price,
            largest_trade_id: self.largest.position.trade_id,
            taker_net_volume: saturating_difference(self.taker_buy.volume, self.taker_sell.volume),
            taker_volume: saturating_sum(self.taker_buy.volume, self.taker_sell.volume),
            realised_variance: self.samples.realised_variance(self.open),
            true_range: past.true_range,
            past_candle_count: past.candle_count,
            past_base_volume: past.base_volume,
            past_true_range: past.range,
            is_volume_spike: past.is_volume_spike,
            is_price_spike: past.is_price_spike,
            freshness: Freshness::default(),
        }
    }
}

fn saturated<const SCALE: u32>(is_negative: bool) -> Decimal<SCALE> {
    let units = if is_negative { -LARGEST_UNITS } else { LARGEST_UNITS };
    Decimal::from_units(units).unwrap_or(Decimal::ZERO)
}

pub(super) fn saturating_sum<const SCALE: u32>(a: Decimal<SCALE>, b: Decimal<SCALE>) -> Decimal<SCALE> {
    a.checked_add(b).unwrap_or_else(|| saturated(b < Decimal::ZERO))
}

pub(super) fn saturating_difference(a: Amount, b: Amount) -> Amount {
    a.checked_sub(b).unwrap_or_else(|| saturated(a < b))
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

    fn candle(trades: &[Trade]) -> CandleResult {
        let mut candle = Candle::new(&trades[0], trades[0].quote(), 0);
        trades[1..].iter().for_each(|trade| candle.add(trade, trade.quote(), 0));
        candle.record(&Comparison::default(), None)
    }

    #[test]
    fn open_and_close_are_by_time_then_trade_id_then_event_id() {
        let record = candle(&[
            trade(5, Some(2), "a", "10", "1"),
            trade(5, Some(1), "b", "11", "1"),
            trade(5, Some(3), "a", "12", "1"),
            trade(5, Some(3), "b", "13", "1"),
        ]);
        assert_eq!((record.open.to_string(), record.close.to_string()), ("11".into(), "13".into()));
        assert_eq!((record.first_trade_id, record.last_trade_id), (Some(1), Some(3)));
        assert_eq!((record.largest_trade_id, record.largest_price), (Some(1), record.open));
        assert_eq!((record.duplicate_trade_count, record.missing_trade_ids), (1, 0));
    }

    #[test]
    fn a_sum_that_does_not_fit_stays_at_the_largest_number() {
        let huge = "9999999999999999999999999999";
        let mut trades = vec![trade(0, None, "a", huge, huge), trade(1, None, "b", "1", huge)];
        let record = candle(&trades);
        assert_eq!(record.base_volume.units(), LARGEST_UNITS);
        assert_eq!(record.quote_volume.units(), LARGEST_UNITS);
        trades.push(trade(2, None, "c", "1", "1"));
        assert_eq!(candle(&trades).base_volume.units(), LARGEST_UNITS);
        let low = "-9999999999999999999999999999";
        let negative = candle(&[trade(0, None, "a", low, huge), trade(1, None, "b", "-1", "1")]);
        assert_eq!(negative.quote_volume.units(), -LARGEST_UNITS);
        let (low, huge) = (low.parse().expect("fits"), huge.parse().expect("fits"));
        assert_eq!(saturating_difference(low, huge).units(), -LARGEST_UNITS);
    }
}
