//! Live frames to many clients: how many a second of the gateway's processor time, how late the last of them is, what a connection
//! costs in memory, what slow clients do to the others, and how soon all are back after they were all cut off.
//!
//! One hot channel: its engagement is published several times a second, and every client has subscribed to it. Always holds: times are
//! taken from when the record is handed to Kafka's client, on the clock of this machine; clients are in this process, and their
//! processor time is not counted as the gateway's. Does not know: how the gateway works.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::Args;
use kafka::{Log as _, Outgoing, Partitioned, Producer};
use schemas::{Encoder, EngagementResult, Freshness, Timestamp, Topic};
use tokio::task::JoinSet;

use crate::crowd::{Client, number_after};
use crate::ovation::{Bench, Process};
use crate::seen::Seen;

const CHANNEL: &str = "bench:hot";
/// So many connections are being made at a time.
const CONNECTING_MAX: usize = 200;
/// A slow client reads so many bytes at a time, and so often.
const SLOW_BYTES: usize = 128;
const SLOW_EVERY: Duration = Duration::from_millis(250);
const SLOW_RECEIVE_BYTES: u32 = 4_096;
/// How long anything may take that is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

/// How large.
#[derive(Args)]
pub struct Options {
    /// Clients that read at once.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Clients beside them that hardly read.
    #[arg(long, default_value_t = 0)]
    slow: usize,
    /// Results a second.
    #[arg(long, default_value_t = 4)]
    rate: u64,
    /// For how long, in seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// At the end so many are cut off at once and come back.
    #[arg(long, default_value_t = 0)]
    storm: usize,
}

/// Measures and prints what was found.
///
/// # Errors
/// If a server or the program fails, or a client is cut off.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    allow_open_files()?;
    let bench = Bench::start(binary, "")?;
    let (gateway, address) = bench.dashboard(&[
        ("dashboard.connections_max", "20000"),
        ("dashboard.connections_per_address_max", "20000"),
        ("dashboard.anonymous", "true"),
    ])?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let results = usize::try_from(options.rate * options.seconds)?;
    let seen = Arc::new(Seen::new(results));
    let mut publisher = Publisher::new(&bench)?;
    publisher.publish(0, 0)?;
    runtime.block_on(run(options, &gateway, address, &seen, publisher))?;
    gateway.stop()?;
    bench.stop()
}

async fn run(
    options: &Options,
    gateway: &Process,
    address: SocketAddr,
    seen: &Arc<Seen>,
    publisher: Publisher,
) -> Result<()> {
    let mut out = std::io::stdout();
    let before = gateway.usage()?;
    let fast = connect(address, options.connections, &subscribe(None), None).await?;
    let slow = connect(address, options.slow, &subscribe(None), Some(SLOW_RECEIVE_BYTES)).await?;
    let connected = gateway.usage()?;
    let clients = options.connections + options.slow;
    writeln!(
        out,
        "{clients} connections: {:.1} kB of the gateway's memory and {:.0} us of its CPU each",
        (connected.resident_bytes.saturating_sub(before.resident_bytes)) as f64 / 1e3 / clients as f64,
        (connected.cpu_s - before.cpu_s) * 1e6 / clients as f64
    )?;
    let mut crowd = read_all(fast, seen);
    let is_over = Arc::new(AtomicBool::new(false));
    let slow = tokio::spawn(read_slowly(slow, seen.published.len() - 1, is_over.clone()));
    publish_and_watch(options, gateway, seen, publisher, &mut crowd).await?;
    if options.slow > 0 {
        is_over.store(true, Ordering::Release);
        let reads = tokio::time::timeout(DEADLINE, slow);
        let reads = reads.await.context("slow clients did not see the newest")???;
        writeln!(
            out,
            "{} slow clients have seen the newest; {reads:.1} frames each of {}",
            options.slow,
            seen.published.len()
        )?;
    }
    crowd.shutdown().await;
    if options.storm > 0 {
        storm(options.storm, address, gateway).await?;
    }
    Ok(())
}

/// Publishes, waits until all clients have all of it, and prints what it took.
async fn publish_and_watch(
    options: &Options,
    gateway: &Process,
    seen: &Seen,
    mut publisher: Publisher,
    crowd: &mut JoinSet<Result<()>>,
) -> Result<()> {
    let before = gateway.usage()?;
    let started = Instant::now();
    let ticks = Duration::from_secs(1) / u32::try_from(options.rate)?;
    let mut tick = tokio::time::interval(ticks);
    for number in 0..seen.published.len() {
        tick.tick().await;
        let now = now_micros();
        seen.published[number].store(now, Ordering::Release);
        publisher.publish(number, now)?;
    }
    let clients = options.connections as u64;
    while seen.with_newest() < clients {
        ensure!(
            started.elapsed() < Duration::from_secs(options.seconds) + DEADLINE,
            "{} of {clients} have the newest",
            seen.with_newest()
        );
        if let Some(ended) = crowd.try_join_next() {
            ended?.context("a client was cut off")?;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (published, delivered) = (seen.published.len() as u64, seen.delivered());
    let (wall_s, used) = (started.elapsed().as_secs_f64(), gateway.usage()?);
    let cpu_s = used.cpu_s - before.cpu_s;
    let last = seen.last_ages_ms();
    let at = |share: f64| last[((last.len() - 1) as f64 * share) as usize];
    writeln!(
        std::io::stdout(),
        "{delivered} frames delivered in {wall_s:.1} s ({} more were conflated), {:.0} for each second of the gateway's CPU ({:.0} % of a core); from Kafka's client \
         to a client {} ms (p50), {} ms (p99); to the last client of each {:.0} ms (p50), {:.0} ms (p99), {:.0} ms at most; {:.0} MB",
        (published * clients).saturating_sub(delivered),
        delivered as f64 / cpu_s,
        cpu_s / wall_s * 100.0,
        seen.age_ms(0.5),
        seen.age_ms(0.99),
        at(0.5),
        at(0.99),
        at(1.0),
        used.peak_bytes as f64 / 1e6
    )?;
    Ok(())
}

/// A great many come back at once, each with the id that it had last.
async fn storm(count: usize, address: SocketAddr, gateway: &Process) -> Result<()> {
    let mut one = Client::connect(address, &subscribe(None), None).await?;
    let mut id = None;
    while id.is_none() {
        one.receive(64 << 10, &mut |text| id = id.take().or_else(|| text_after(text, "\"id\":\""))).await?;
    }
    let (before, started) = (gateway.usage()?, Instant::now());
    let subscribe = subscribe(id.as_deref());
    let mut returning = JoinSet::new();
    for _ in 0..count {
        let subscribe = subscribe.clone();
        returning.spawn(async move {
            let mut client = Client::connect(address, &subscribe, None).await?;
            let mut is_back = false;
            while !is_back {
                let back = |text: &[u8]| {
                    [b"{\"type\":\"resumed\"".as_slice(), b"{\"type\":\"snapshot\""]
                        .iter()
                        .any(|start| text.starts_with(start))
                };
                client.receive(64 << 10, &mut |text| is_back |= back(text)).await?;
            }
            Ok::<_, anyhow::Error>((started.elapsed(), client))
        });
    }
    let mut times = Vec::new();
    let mut back = Vec::new();
    while let Some(done) = returning.join_next().await {
        let (time, client) = done??;
        times.push(time.as_secs_f64());
        back.push(client);
    }
    times.sort_by(f64::total_cmp);
    let cpu_s = gateway.usage()?.cpu_s - before.cpu_s;
    writeln!(
        std::io::stdout(),
        "{count} clients came back at once: half of them had resumed after {:.2} s, all after {:.2} s; {:.0} us of the gateway's CPU each",
        times[times.len() / 2],
        times[times.len() - 1],
        cpu_s * 1e6 / count as f64
    )?;
    Ok(())
}

fn subscribe(resume: Option<&str>) -> String {
    let resume = resume.map(|id| format!(",\"resume\":\"{id}\"")).unwrap_or_default();
    format!("{{\"subscribe\":[{{\"kind\":\"engagement\",\"channel\":\"{CHANNEL}\"}}]{resume}}}")
}

fn text_after(text: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    Some(text.split_once(name)?.1.split('"').next()?.to_owned())
}

async fn connect(
    address: SocketAddr,
    count: usize,
    subscribe: &str,
    receive_bytes: Option<u32>,
) -> Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        let mut connecting = JoinSet::new();
        for _ in 0..CONNECTING_MAX.min(count - clients.len()) {
            let subscribe = subscribe.to_owned();
            connecting.spawn(async move {
                let mut client = Client::connect(address, &subscribe, receive_bytes).await?;
                let mut frames = 0;
                while frames == 0 {
                    client.receive(64 << 10, &mut |_| frames += 1).await?;
                }
                Ok::<_, anyhow::Error>(client)
            });
        }
        while let Some(connected) = connecting.join_next().await {
            clients.push(connected??);
        }
    }
    Ok(clients)
}

/// Reads all that comes to each.
fn read_all(clients: Vec<Client>, seen: &Arc<Seen>) -> JoinSet<Result<()>> {
    let mut reading = JoinSet::new();
    for mut client in clients {
        let seen = seen.clone();
        reading.spawn(async move {
            loop {
                client.receive(16 << 10, &mut |text| seen.take(text)).await?;
            }
        });
    }
    reading
}

/// Reads little and seldom until nothing more is published, then the rest; how many frames each has received, on average.
async fn read_slowly(clients: Vec<Client>, newest: usize, is_over: Arc<AtomicBool>) -> Result<f64> {
    let count = clients.len();
    let mut reading = JoinSet::new();
    for mut client in clients {
        let is_over = is_over.clone();
        reading.spawn(async move {
            let (mut frames, mut number) = (0_u64, -1);
            while number < newest as i64 {
                let is_over = is_over.load(Ordering::Acquire);
                if !is_over {
                    tokio::time::sleep(SLOW_EVERY).await;
                }
                let mut take = |text: &[u8]| {
                    frames += 1;
                    number = number.max(number_after(text, "\"revision\":").unwrap_or(-1));
                };
                client.receive(if is_over { 64 << 10 } else { SLOW_BYTES }, &mut take).await?;
            }
            Ok::<_, anyhow::Error>(frames)
        });
    }
    let mut sum = 0;
    while let Some(frames) = reading.join_next().await {
        sum += frames??;
    }
    Ok(sum as f64 / count.max(1) as f64)
}

/// Publishes the engagement of the hot channel.
struct Publisher {
    producer: Box<dyn Producer>,
    encoder: Encoder,
}

impl Publisher {
    fn new(bench: &Bench) -> Result<Self> {
        let registry = kafka::registry::Registry::new(bench.registry(), None);
        let encoder = Encoder::new(registry.resolve_ids("", false)?);
        Ok(Publisher { producer: Box::new(bench.log().producer()?), encoder })
    }

    fn publish(&mut self, number: usize, now: i64) -> Result<()> {
        let at = Timestamp::from_micros(now);
        let minute = Timestamp::from_micros(1_767_571_200_000_000);
        let result = EngagementResult {
            channel_id: CHANNEL.to_owned(),
            window_start: Some(minute),
            window_end: Some(minute.plus_micros(60_000_000)),
            revision: number as i64,
            messages: number as i64,
            reactions: ["emoji", "like", "cheer", "gift"].map(|kind| (kind.to_owned(), number as i64)).into(),
            freshness: Freshness { as_of: at, watermark: at, computed_at: at, ..Freshness::default() },
            ..EngagementResult::default()
        };
        let mut value = Vec::new();
        self.encoder.encode(&result, &mut value)?;
        self.producer.send(&Outgoing {
            topic: Topic::Engagement.name(),
            partition: Partitioned::ByKey,
            timestamp_ms: now / 1_000,
            key: Some(CHANNEL.as_bytes()),
            value: Some(&value),
        })?;
        Ok(self.producer.flush(DEADLINE)?)
    }
}

/// The clock on the wall, in microseconds since 1970.
pub fn now_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64
}

/// As many open files as the system allows, here and in the processes that are started.
fn allow_open_files() -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit })?)
}
