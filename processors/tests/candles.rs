//! Candles against a naive model: for every tick it adds up all trades anew, in plain integers.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Partition, Ran, at, job, next_multiple, run, seen, ticks, trade};
use processors::Output;
use proptest::prelude::*;
use schemas::{Aggressor, Amount, CandleResult, Event, Freshness, Quote, Topic, TradeEvent};

const SECOND: i64 = 1_000_000;

fn model(interval_s: i64, emit_every: i64, lateness: i64, partitions: &[Partition]) -> Ran {
    let interval = interval_s * SECOND;
    let step = interval.min(emit_every);
    let all = seen(partitions, lateness);
    let end_of = |time: i64| (time.div_euclid(interval) + 1) * interval;
    let late_count = all.iter().filter(|seen| end_of(seen.time) <= seen.watermark).count();
    let mut outputs = Vec::new();
    let mut revisions: BTreeMap<(String, i64), i64> = BTreeMap::new();
    for tick in ticks(&all, step, 2 * interval) {
        let end = (tick + interval - 1).div_euclid(interval) * interval;
        let mut trades: BTreeMap<String, Vec<&TradeEvent<'_>>> = BTreeMap::new();
        let mut changed = BTreeSet::new();
        for seen in all.iter().filter(|seen| end_of(seen.time) > seen.watermark && seen.visible_from < tick) {
            let Event::Trade(trade) = seen.event else { panic!("only trades") };
            let market = format!("{}:{}", trade.venue, trade.symbol);
            if seen.visible_from >= tick - step {
                changed.insert(market.clone());
            }
            if end_of(seen.time) == end {
                trades.entry(market).or_default().push(trade);
            }
        }
        for (market, mut trades) in trades {
            if tick != end && !changed.contains(&market) {
                continue;
            }
            trades.sort_by_key(|trade| (trade.event_time, trade.trade_id, trade.event_id.to_string()));
            let revision = revisions.entry((market.clone(), end)).or_insert(0);
            *revision += 1;
            let sum = |filter: &dyn Fn(&&&TradeEvent<'_>) -> bool| {
                let units = trades.iter().filter(filter).map(|trade| trade.quantity.units()).sum();
                Amount::from_units(units).expect("small")
            };
            let is = |aggressor: Aggressor| move |trade: &&&TradeEvent<'_>| trade.aggressor == aggressor;
            let quote = trades.iter().map(|trade| trade.price.units() * trade.quantity.units()).sum();
            outputs.push(Output::Candle(CandleResult {
                venue: trades[0].venue.to_string(),
                symbol: trades[0].symbol.to_string(),
                interval_s: interval_s as i32,
                window_start: at(end - interval),
                window_end: at(end),
                is_final: tick == end,
                revision: *revision,
                open: trades[0].price,
                high: trades.iter().map(|trade| trade.price).max().expect("one at least"),
                low: trades.iter().map(|trade| trade.price).min().expect("one at least"),
                close: trades[trades.len() - 1].price,
                trade_count: trades.len() as i64,
                base_volume: sum(&|_| true),
                quote_volume: Quote::from_units(quote).expect("small"),
                taker_buy_count: trades.iter().filter(is(Aggressor::Buy)).count() as i64,
                taker_sell_count: trades.iter().filter(is(Aggressor::Sell)).count() as i64,
                taker_buy_volume: sum(&is(Aggressor::Buy)),
                taker_sell_volume: sum(&is(Aggressor::Sell)),
                first_trade_id: trades.iter().filter_map(|trade| trade.trade_id).min(),
                last_trade_id: trades.iter().filter_map(|trade| trade.trade_id).max(),
                freshness: Freshness { as_of: at(tick), ..Freshness::default() },
            }));
        }
    }
    Ran { outputs, late_count }
}

fn partition() -> impl Strategy<Value = Partition> {
    let steps = prop_oneof![4 => 0..3i64, 2 => -15..0i64, 1 => 5..60i64];
    let one = (steps, 0..3usize, proptest::option::of(0..40i64), 1..400i64, 1..50i64, 0..3usize);
    (proptest::collection::vec(one, 0..50), -30..30i64).prop_map(|(trades, start)| {
        let mut time = start;
        let event = |(index, (step, market, id, price, quantity, side)): (
            usize,
            (i64, usize, _, i64, i64, usize),
        )| {
            time += step;
            let market = [("v", "x"), ("v", "y"), ("w", "x")][market];
            let side = [Aggressor::Buy, Aggressor::Sell, Aggressor::Unknown][side];
            // A tenth of a second each step; prices may be negative, as futures' were.
            let (price, quantity) = (format!("{}.25", price - 100), format!("0.{quantity:03}"));
            Event::Trade(trade(
                &format!("t{index}"),
                at(time * SECOND / 10),
                market,
                id,
                &price,
                &quantity,
                side,
            ))
        };
        (Topic::Trades, trades.into_iter().enumerate().map(event).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn candles_equal_the_model_however_often_the_watermark_is_looked_at(
        interval_s in prop_oneof![Just(1), Just(2), Just(4)],
        emit_every in prop_oneof![Just("500ms"), Just("1s"), Just("2s"), Just("10s")],
        lateness_tenths in 0..20i64,
        partition in partition(),
        schedules in proptest::collection::vec(proptest::collection::vec(0..2u8, 0..50), 2),
    ) {
        let emit_micros = match emit_every { "500ms" => SECOND / 2, "1s" => SECOND, "2s" => 2 * SECOND, _ => 10 * SECOND };
        let lateness = lateness_tenths * SECOND / 10;
        let toml = format!("lateness = '{lateness}us'\n[candles]\nintervals = ['{interval_s}s']\nemit_every = '{emit_every}'\n");
        let partitions = [partition];
        let expected = model(interval_s, emit_micros, lateness, &partitions);
        for schedule in schedules {
            prop_assert_eq!(&run(&job(&toml), &partitions, &schedule), &expected);
        }
    }
}

#[test]
fn an_interval_shorter_than_emit_every_shows_only_its_end() {
    let job = job("lateness = '0s'\n[candles]\nintervals = ['1s', '4s']\nemit_every = '2s'\n");
    let one = |second: i64| {
        let id = format!("t{second}");
        Event::Trade(trade(&id, at(second * SECOND), ("v", "x"), Some(second), "5", "1", Aggressor::Buy))
    };
    let ran = run(&job, &[(Topic::Trades, vec![one(0), one(1), one(5)])], &[1; 3]);
    let shown: BTreeMap<i32, Vec<(i64, bool)>> =
        ran.outputs.iter().fold(BTreeMap::new(), |mut shown, output| {
            let Output::Candle(candle) = output else { panic!("only candles") };
            let as_of = candle.freshness.as_of.micros() / SECOND;
            shown.entry(candle.interval_s).or_default().push((as_of, candle.is_final));
            shown
        });
    assert_eq!(shown[&1], [(1, true), (2, true), (6, true)]);
    assert_eq!(shown[&4], [(2, false), (4, true), (6, false), (8, true)]);
    assert_eq!(next_multiple(5, 4), 8);
}
