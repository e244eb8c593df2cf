//! Candles against a naive model: for every tick it adds up all trades anew, in plain integers.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Partition, Ran, at, job, next_multiple, run, seen, ticks, trade};
use processors::Output;
use proptest::prelude::*;
use schemas::{Aggressor, Amount, CandleResult, Event, Freshness, Quote, Topic, TradeEvent};

const SECOND: i64 = 1_000_000;

/// How candles are compared with their past here.
const SPIKES: (usize, i128) = (2, 2);

/// A closed candle as the model remembers it.
struct Closed {
    close: i128,
    base_volume: i128,
    true_range: i128,
    highest_id: Option<i64>,
}

fn units(amount: Amount) -> i128 {
    amount.units()
}

fn amount(units: i128) -> Amount {
    Amount::from_units(units).expect("small")
}

/// The record of a candle, from its trades in order and the closed candles before it.
fn record(trades: &[&TradeEvent<'_>], start: i64, closed: &[Closed]) -> CandleResult {
    let of = |side: Option<Aggressor>| {
        let quantities: Vec<i128> = trades
            .iter()
            .filter(|trade| side.is_none_or(|side| trade.aggressor == side))
            .map(|trade| units(trade.quantity))
            .collect();
        (quantities.len() as i64, quantities.iter().sum::<i128>())
    };
    let prices: Vec<i128> = trades.iter().map(|trade| units(trade.price)).collect();
    let (high, low) = (*prices.iter().max().expect("one"), *prices.iter().min().expect("one"));
    let ids: BTreeSet<i64> = trades.iter().filter_map(|trade| trade.trade_id).collect();
    let (first_id, last_id) = (ids.first().copied(), ids.last().copied());
    let missing = first_id
        .zip(last_id)
        .map_or(0, |(first, last)| (first..=last).filter(|id| !ids.contains(id)).count());
    let highest_before = closed.iter().filter_map(|closed| closed.highest_id).max();
    let missing_before =
        first_id.zip(highest_before).map(|(first, before)| (before + 1..first).count() as i64);
    let largest = trades.iter().map(|trade| trade.quantity).max().expect("one");
    let largest = trades.iter().find(|trade| trade.quantity == largest).expect("one");
    // Those of one number but for one each, whose quantities are all the same in these tests.
    let mut duplicates = (0, 0);
    for id in ids {
        let same: Vec<_> = trades.iter().filter(|trade| trade.trade_id == Some(id)).collect();
        duplicates.0 += same.len() as i64 - 1;
        duplicates.1 += units(same[0].quantity) * (same.len() as i128 - 1);
    }
    let mut sampled: BTreeMap<i64, i128> = BTreeMap::new();
    for trade in trades {
        sampled.insert((trade.event_time.micros() - start) / (SECOND / 10), units(trade.price));
    }
    let path: Vec<i128> = std::iter::once(prices[0]).chain(sampled.into_values()).collect();
    let realised_variance = path.iter().all(|price| *price > 0).then(|| {
        let log_return = |pair: &[i128]| libm::log1p((pair[1] - pair[0]) as f64 / pair[0] as f64);
        path.windows(2).map(log_return).map(|log_return| log_return * log_return).sum::<f64>()
    });
    let past = &closed[closed.len().saturating_sub(SPIKES.0)..];
    let before = closed.last().map_or(prices[0], |closed| closed.close);
    let true_range = high.max(before) - low.min(before);
    let true_range = if closed.is_empty() { high - low } else { true_range };
    let count = past.len() as i128;
    let past_volume: i128 = past.iter().map(|closed| closed.base_volume).sum();
    let past_range: i128 = past.iter().map(|closed| closed.true_range).sum();
    let ((trade_count, base), buys, sells) = (of(None), of(Some(Aggressor::Buy)), of(Some(Aggressor::Sell)));
    let quote = trades.iter().map(|trade| units(trade.price) * units(trade.quantity)).sum();
    CandleResult {
        venue: trades[0].venue.to_string(),
        symbol: trades[0].symbol.to_string(),
        interval_s: 0,
        window_start: at(start),
        window_end: at(0),
        is_final: false,
        revision: 0,
        open: trades[0].price,
        high: amount(high),
        low: amount(low),
        close: trades[trades.len() - 1].price,
        trade_count,
        base_volume: amount(base),
        quote_volume: Quote::from_units(quote).expect("small"),
        taker_buy_count: buys.0,
        taker_sell_count: sells.0,
        taker_buy_volume: amount(buys.1),
        taker_sell_volume: amount(sells.1),
        first_trade_id: first_id,
        last_trade_id: last_id,
        missing_trade_ids: missing as i64,
        missing_before,
        duplicate_trade_count: duplicates.0,
        duplicate_volume: amount(duplicates.1),
        largest_quantity: largest.quantity,
        largest_price: largest.price,
        largest_trade_id: largest.trade_id,
        taker_net_volume: amount(buys.1 - sells.1),
        taker_volume: amount(buys.1 + sells.1),
        realised_variance,
        true_range: amount(true_range),
        past_candle_count: past.len() as i32,
        past_base_volume: amount(past_volume),
        past_true_range: amount(past_range),
        is_volume_spike: past.len() == SPIKES.0 && base * count > past_volume * SPIKES.1,
        is_price_spike: past.len() == SPIKES.0 && true_range * count > past_range * SPIKES.1,
        freshness: Freshness::default(),
    }
}

fn model(interval_s: i64, emit_every: i64, lateness: i64, partition: &Partition) -> Ran {
    // An event that is sent again is no event.
    let mut known = BTreeSet::new();
    let unique = partition.1.iter().filter(|event| known.insert(event.header().event_id.to_owned())).cloned();
    let partitions = [(partition.0, unique.collect())];
    let interval = interval_s * SECOND;
    let step = interval.min(emit_every);
    let all = seen(&partitions, lateness);
    let end_of = |time: i64| (time.div_euclid(interval) + 1) * interval;
    let late_count = all.iter().filter(|seen| end_of(seen.time) <= seen.watermark).count();
    let mut outputs = Vec::new();
    let mut revisions: BTreeMap<(String, i64), i64> = BTreeMap::new();
    let mut closed: BTreeMap<String, Vec<Closed>> = BTreeMap::new();
    for tick in ticks(&all, step, 2 * interval) {
        let end = (tick + interval - 1).div_euclid(interval) * interval;
        let mut trades: BTreeMap<String, Vec<&TradeEvent<'_>>> = BTreeMap::new();
        let mut changed = BTreeSet::new();
        for seen in all.iter().filter(|seen| end_of(seen.time) > seen.watermark && seen.visible_from < tick) {
            let Event::Trade(trade) = seen.event else { panic!("only trades") };
            let market = format!("{}:{}", trade.venue, trade.symbol);
            if end_of(seen.time) == end {
                if seen.visible_from >= tick - step {
                    changed.insert(market.clone());
                }
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
            let closed = closed.entry(market).or_default();
            let candle = CandleResult {
                interval_s: interval_s as i32,
                window_end: at(end),
                is_final: tick == end,
                revision: *revision,
                freshness: Freshness { as_of: at(tick), ..Freshness::default() },
                ..record(&trades, end - interval, closed)
            };
            if tick == end {
                closed.push(Closed {
                    close: units(candle.close),
                    base_volume: units(candle.base_volume),
                    true_range: units(candle.true_range),
                    highest_id: candle.last_trade_id,
                });
            }
            outputs.push(Output::Candle(candle));
        }
    }
    Ran { outputs, late_count }
}

/// Trades of three markets, mostly forward in time; ids leave gaps and come again, and some events are sent again.
fn partition() -> impl Strategy<Value = Partition> {
    let steps = prop_oneof![4 => 0..6i64, 2 => -30..0i64, 1 => 10..120i64];
    let one = (steps, 0..3usize, proptest::option::of(0..40i64), 1..400i64, 1..50i64, 0..3usize, 0..8usize);
    (proptest::collection::vec(one, 0..50), -30..30i64, any::<bool>()).prop_map(
        |(trades, start, is_positive)| {
            let mut time = start;
            let mut events: Vec<Event<'static>> = Vec::new();
            for (index, (step, market, id, price, quantity, side, again)) in trades.into_iter().enumerate() {
                time += step;
                if again == 0 && index > 4 {
                    events.push(events[index - 1 - quantity as usize % 4].clone());
                    continue;
                }
                let market = [("v", "x"), ("v", "y"), ("w", "x")][market];
                let side = [Aggressor::Buy, Aggressor::Sell, Aggressor::Unknown][side];
                // Half a tenth of a second each step; prices may be negative, as futures' were.
                let price = format!("{}.25", if is_positive { price } else { price - 100 });
                // One number has one quantity.
                let quantity = format!("0.{:03}", id.map_or(quantity, |id| 1 + id * 7 % 50));
                let at = at(time * SECOND / 20);
                events.push(Event::Trade(trade(
                    &format!("t{index}"),
                    at,
                    market,
                    id,
                    &price,
                    &quantity,
                    side,
                )));
            }
            (Topic::Trades, events)
        },
    )
}

fn toml(intervals: &str, emit_every: &str, lateness: i64) -> String {
    let (candles, factor) = SPIKES;
    format!(
        "lateness = '{lateness}us'\n[candles]\nintervals = {intervals}\nemit_every = '{emit_every}'\n\
         spike_candles = {candles}\nspike_factor = {factor}\n"
    )
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
        let toml = toml(&format!("['{interval_s}s']"), emit_every, lateness);
        let expected = model(interval_s, emit_micros, lateness, &partition);
        let partitions = [partition];
        for schedule in schedules {
            prop_assert_eq!(&run(&job(&toml), &partitions, &schedule), &expected);
        }
    }

    #[test]
    fn candles_of_several_intervals_are_those_of_each(
        lateness_tenths in 0..20i64,
        partition in partition(),
        schedule in proptest::collection::vec(0..2u8, 0..50),
    ) {
        let lateness = lateness_tenths * SECOND / 10;
        let each = [1, 2, 4].map(|interval_s| model(interval_s, SECOND, lateness, &partition));
        // What is late for the longest, of which the others are parts, is late for all.
        let late_count = each[2].late_count;
        let mut outputs: Vec<Output> = each.into_iter().flat_map(|ran| ran.outputs).collect();
        outputs.sort_by_key(|output| {
            let Output::Candle(candle) = output else { panic!("only candles") };
            (candle.freshness.as_of, candle.venue.clone(), candle.symbol.clone(), candle.interval_s)
        });
        let ran = run(&job(&toml("['4s', '1s', '2s']", "1s", lateness)), &[partition], &schedule);
        prop_assert_eq!(ran, Ran { outputs, late_count });
    }
}

#[test]
fn a_market_is_forgotten_after_seven_days_without_a_trade() {
    let job = job(&toml("['1s']", "1s", 0));
    let day = 86_400 * SECOND;
    let buy = |id: i64, time: i64, symbol| {
        Event::Trade(trade(&format!("t{id}"), at(time), ("v", symbol), Some(id), "5", "1", Aggressor::Buy))
    };
    // The candle of the first trade ends at 1 s, so that the last instant at which it is remembered is seven days later.
    let events = vec![
        buy(1, 0, "x"),
        buy(2, 0, "y"),
        buy(9, SECOND + 7 * day - 1, "x"),
        buy(12, SECOND + 7 * day, "y"),
    ];
    let ran = run(&job, &[(Topic::Trades, events)], &[1; 4]);
    let missing = |symbol: &str| -> Vec<Option<i64>> {
        let candles = ran.outputs.iter().filter_map(|output| match output {
            Output::Candle(candle) if candle.symbol == symbol => Some(candle.missing_before),
            _ => None,
        });
        candles.collect()
    };
    assert_eq!(missing("x"), [None, Some(7)]);
    assert_eq!(missing("y"), [None, None]);
    let mut shard = job.shard();
    let mut out = Vec::new();
    for (offset, (id, time)) in [(1, 0), (2, 6 * day), (3, 8 * day), (4, 16 * day)].into_iter().enumerate() {
        let event = buy(id, time, ["x", "y", "z", "w"][offset]);
        shard.process(Topic::Trades, offset as i64, at(time), &event, &mut out);
        shard.advance_to(at(time + SECOND), &mut out);
    }
    assert_eq!(shard.size().groups, 1, "the others are gone from memory: {:?}", shard.size());
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
