//! Candles of all five intervals through the driver: how many trades a second one core takes in.
//!
//! `cargo bench -p processors --bench markets`. The stream brings ten thousand trades a second of its own time to so many markets, a
//! tenth of them a little out of order; every record that a job would publish is made, and dropped.
//!
//! Does not know: Kafka, and what decoding and encoding cost.

use divan::Bencher;
use divan::counter::ItemsCount;
use processors::{Driver, Job, JobConfig};
use schemas::{Aggressor, Amount, Event, Timestamp, Topic, TradeEvent};

const TRADES: usize = 300_000;
const TRADES_PER_SECOND: i64 = 10_000;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

fn job(intervals: &str) -> Job {
    let toml = format!("lateness = '2s'\n[candles]\nintervals = {intervals}\nemit_every = '1s'\n");
    let config: JobConfig = toml::from_str(&toml).expect("well formed");
    config.validate("markets").expect("valid")
}

/// Trades of `markets` markets in a fixed disorder.
fn trades(markets: usize) -> Vec<Event<'static>> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let names: Vec<String> = (0..markets).map(|number| format!("SYMBOL{number}USDT")).collect();
    let mut ids = vec![0i64; markets];
    let start = 1_700_000_000_000_000;
    let trade = |index: usize| {
        let market = next(markets as u64) as usize;
        ids[market] += 1;
        let back = if next(10) == 0 { next(500_000) as i64 } else { 0 };
        let time = Timestamp::from_micros(start + index as i64 * 1_000_000 / TRADES_PER_SECOND - back);
        let units = |units: u64| Amount::from_units(i128::from(units)).expect("small");
        Event::Trade(TradeEvent {
            event_id: format!("venue:{}:{}", names[market], ids[market]).into(),
            event_time: time,
            ingest_time: Timestamp::from_micros(start + index as i64 * 1_000_000 / TRADES_PER_SECOND),
            source: "venue".into(),
            channel_id: format!("venue:{}", names[market]).into(),
            user_id: None,
            stream_id: None,
            trade_id: Some(ids[market]),
            price: units(600_000_000_000_000 + next(1_000) * 100_000_000),
            quantity: units(1 + next(1_000_000) * 1_000),
            aggressor: if next(2) == 0 { Aggressor::Buy } else { Aggressor::Sell },
            venue: "venue".into(),
            symbol: names[market].clone().into(),
        })
    };
    (0..TRADES).map(trade).collect()
}

fn run(bencher: Bencher<'_, '_>, job: &Job, markets: usize) {
    let trades = trades(markets);
    bencher.counter(ItemsCount::new(TRADES)).bench_local(|| {
        let mut driver = Driver::new(job);
        let mut records = 0;
        for (index, trade) in trades.iter().enumerate() {
            driver.push(Topic::Trades, trade.header().ingest_time, trade);
            if index % 1_000 == 0 {
                records += driver.take().len();
            }
        }
        records + driver.finish().len()
    });
}

#[divan::bench(args = [10, 1_000, 100_000, 1_000_000], sample_count = 3, sample_size = 1)]
fn five_intervals(bencher: Bencher<'_, '_>, markets: usize) {
    run(bencher, &job("['1s', '1m', '5m', '1h', '1d']"), markets);
}

#[divan::bench(args = [10, 1_000, 100_000, 1_000_000], sample_count = 3, sample_size = 1)]
fn one_interval(bencher: Bencher<'_, '_>, markets: usize) {
    run(bencher, &job("['1m']"), markets);
}
