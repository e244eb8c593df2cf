//! Markets: for each symbol a price that walks in ticks, with bursts of volatility, and takers on both sides.
//!
//! Always holds: prices and quantities are exact; trade ids of a symbol have no gap; a later run starts with higher ids,
//! so two runs are never taken for one another's repetition. Does not know: order books.

use schemas::{Aggressor, Amount, Event, Timestamp, TradeEvent};

use super::cast::SOURCE;
use super::draw::{Draw, Zipf};
use super::phrases::MARKETS;

struct Market {
    symbol: String,
    channel_id: String,
    price_ticks: i64,
    first_price_ticks: i64,
    tick: i64,
    lot: i64,
    next_trade_id: i64,
    /// Trades left of a burst of volatility.
    burst_left: u32,
    /// Of 1000 takers so many buy: the mood of the moment.
    buyers_per_mille: u32,
}

pub(super) struct Markets {
    draw: Draw,
    markets: Vec<Market>,
    popularity: Zipf,
}

impl Markets {
    pub(super) fn new(draw: Draw, symbols: u32, start: Timestamp) -> Self {
        // room for ten thousand trades a second until the next run's first id
        let first_trade_id = start.millis().saturating_mul(10).max(0) + 1;
        let markets = (0..symbols as usize).map(|number| {
            let (name, price_ticks, tick, lot) = MARKETS[number % MARKETS.len()];
            let symbol = match number / MARKETS.len() {
                0 => name.to_owned(),
                round => format!("{name}-{round}"),
            };
            Market {
                channel_id: format!("{SOURCE}:{symbol}"),
                symbol,
                price_ticks,
                first_price_ticks: price_ticks,
                tick,
                lot,
                next_trade_id: first_trade_id,
                burst_left: 0,
                buyers_per_mille: 500,
            }
        });
        Markets { draw, markets: markets.collect(), popularity: Zipf::new(symbols) }
    }

    pub(super) fn next(&mut self, now: Timestamp) -> Event<'static> {
        let draw = &mut self.draw;
        let market = &mut self.markets[self.popularity.pick(draw) as usize];
        if market.burst_left > 0 {
            market.burst_left -= 1;
        } else if draw.below(2_000) == 0 {
            market.burst_left = draw.between(200, 1_500);
        }
        if draw.chance(20) {
            market.buyers_per_mille = draw.between(300, 700);
        }
        let is_buy = draw.chance(market.buyers_per_mille);
        let step = market.step(draw, is_buy);
        // far from where it began, the price is drawn back; it never reaches zero
        let low = market.first_price_ticks / 2;
        let high = market.first_price_ticks * 2;
        market.price_ticks = (market.price_ticks + step).clamp(low.max(1), high);
        let lots = match draw.weighted(&[600, 300, 90, 10]) {
            0 => draw.between(1, 50),
            1 => draw.between(50, 1_000),
            2 => draw.between(1_000, 20_000),
            _ => draw.between(20_000, 500_000),
        };
        let trade_id = market.next_trade_id;
        market.next_trade_id += 1;
        Event::Trade(TradeEvent {
            event_id: format!("{}:{trade_id}", market.channel_id).into(),
            event_time: now,
            ingest_time: now,
            source: SOURCE.into(),
            channel_id: market.channel_id.clone().into(),
            user_id: None,
            stream_id: None,
            trade_id: Some(trade_id),
            price: exact(market.price_ticks, market.tick),
            quantity: exact(i64::from(lots), market.lot),
            aggressor: if is_buy { Aggressor::Buy } else { Aggressor::Sell },
            venue: SOURCE.into(),
            symbol: market.symbol.clone().into(),
        })
    }
}

impl Market {
    /// Ticks that a trade moves the price: mostly none, with the taker, more of them in a burst.
    fn step(&self, draw: &mut Draw, is_buy: bool) -> i64 {
        let (moves_per_mille, most) = if self.burst_left > 0 { (600, 40) } else { (250, 4) };
        let is_moved = draw.chance(moves_per_mille);
        let ticks = i64::from(draw.between(1, most));
        let is_reverted = draw.chance(450);
        match (is_moved, is_buy != is_reverted) {
            (false, _) => 0,
            (true, true) => ticks,
            (true, false) => -ticks,
        }
    }
}

/// So many ticks or lots; a product of two table entries is far below 38 digits.
fn exact(count: i64, unit: i64) -> Amount {
    Amount::from_units(i128::from(count) * i128::from(unit)).unwrap_or_default()
}
