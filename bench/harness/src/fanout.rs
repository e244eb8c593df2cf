//! Live frames to many clients: how many a second of the gateway's processor time, how late the last of them is, what a connection
//! costs in memory, what slow clients do to the others, and how soon all are back after they were all cut off.
//!
//! One hot channel: its engagement is published several times a second, and every client has subscribed to it. Always holds: times are
//! taken from when the record is handed to Kafka's client, on the clock of this machine; clients are in this process, and their
//! processor time is not counted as the gateway's; no speed is shown before one client's values were compared with what was published. Over
//! loopback the kernel receives within the sender's call, which counts as the sender's ([`crate::elsewhere`]). Does not know: how the
//! gateways work.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::task::JoinSet;

use crate::centrifugo;
use crate::crowd::{Client, Door, number_after};
use crate::elsewhere::Elsewhere;
use crate::ovation::{Bench, Process};
use crate::publisher::Publisher;
use crate::seen::Seen;
use crate::storm::storm;

/// The hot channel.
pub const CHANNEL: &str = "bench:hot";
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
    /// Centrifugo beside our gateway, in turns.
    #[arg(long)]
    peer: bool,
    /// Where Centrifugo is.
    #[arg(long, default_value = "bench/peers/centrifugo/target/centrifugo")]
    peer_binary: PathBuf,
    /// How often.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Receive on the last core and send on the others, so that receiving, which is a client's part, is not counted as the
    /// sender's. Changes a setting of the system meanwhile (`rps_cpus` of `lo`), as root.
    #[arg(long)]
    receive_elsewhere: bool,
}

/// Measures and prints what was found.
///
/// # Errors
/// If a server or the program fails, a client is cut off, or receives another value than was published.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    allow_open_files()?;
    let elsewhere = options.receive_elsewhere.then(Elsewhere::start).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for round in 1..=options.rounds {
        for is_peer in [false, true] {
            if is_peer && !options.peer {
                continue;
            }
            if options.peer || options.rounds > 1 {
                let name = if is_peer { "Centrifugo" } else { "Ovation" };
                writeln!(std::io::stdout(), "{name}, round {round}")?;
            }
            let bench = Bench::start(binary, "")?;
            let mut publisher = Publisher::new(&bench, is_peer)?;
            let (gateway, door) = if is_peer {
                let (gateway, door) = centrifugo::start(&bench, &options.peer_binary)?;
                publisher.publish(0, 0)?;
                centrifugo::wait_until_read(&bench)?;
                (gateway, door)
            } else {
                publisher.publish(0, 0)?;
                let (gateway, address) = bench.dashboard(&[
                    ("dashboard.connections_max", "20000"),
                    ("dashboard.connections_per_address_max", "20000"),
                    ("dashboard.anonymous", "true"),
                ])?;
                (gateway, Door::of_gateway(address, &subscribe(None)))
            };
            if let Some(elsewhere) = &elsewhere {
                elsewhere.keep_off(gateway.id())?;
            }
            let seen = Arc::new(Seen::new(usize::try_from(options.rate * options.seconds)?));
            runtime.block_on(run(options, &gateway, &door, &seen, publisher))?;
            if options.storm > 0 && !is_peer {
                runtime.block_on(storm(options.storm, door.address, &gateway))?;
            }
            gateway.stop()?;
            bench.stop()?;
        }
    }
    Ok(())
}

async fn run(
    options: &Options,
    gateway: &Process,
    door: &Door,
    seen: &Arc<Seen>,
    publisher: Publisher,
) -> Result<()> {
    let mut out = std::io::stdout();
    let before = gateway.usage()?;
    let fast = connect(door, options.connections, None).await?;
    let slow = connect(door, options.slow, Some(SLOW_RECEIVE_BYTES)).await?;
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
    let compared = seen.compare(&publisher.values[1..])?;
    let (published, delivered) = (seen.published.len() as u64, seen.delivered());
    let (wall_s, used) = (started.elapsed().as_secs_f64(), gateway.usage()?);
    let cpu_s = used.cpu_s - before.cpu_s;
    let last = seen.last_ages_ms();
    let at = |share: f64| last[((last.len() - 1) as f64 * share) as usize];
    writeln!(
        std::io::stdout(),
        "{delivered} frames delivered in {wall_s:.1} s ({} more were conflated), {compared} values compared, {:.0} for each second of the gateway's CPU ({:.0} % of a core); from Kafka's client \
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

/// What a client asks our gateway for.
pub fn subscribe(resume: Option<&str>) -> String {
    let resume = resume.map(|id| format!(",\"resume\":\"{id}\"")).unwrap_or_default();
    format!("{{\"subscribe\":[{{\"kind\":\"engagement\",\"channel\":\"{CHANNEL}\"}}]{resume}}}")
}

/// So many clients, each after the first thing that it was told.
async fn connect(door: &Door, count: usize, receive_bytes: Option<u32>) -> Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        let mut connecting = JoinSet::new();
        for _ in 0..CONNECTING_MAX.min(count - clients.len()) {
            let door = door.clone();
            connecting.spawn(async move {
                let mut client = Client::connect(&door, receive_bytes).await?;
                let mut is_in = false;
                while !is_in {
                    client.receive(64 << 10, &mut |text| is_in |= is_answer(text)).await?;
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

/// True of a snapshot, and of the peer's answer to a subscription.
fn is_answer(text: &[u8]) -> bool {
    let has = |name: &[u8]| text.windows(name.len()).any(|bytes| bytes == name);
    text.starts_with(b"{\"type\":\"snapshot\"") || has(b"\"subscribe\":{")
}

/// Reads all that comes to each. What the first receives is kept to be compared.
fn read_all(clients: Vec<Client>, seen: &Arc<Seen>) -> JoinSet<Result<()>> {
    let mut reading = JoinSet::new();
    for (index, mut client) in clients.into_iter().enumerate() {
        let seen = seen.clone();
        reading.spawn(async move {
            loop {
                let take = &mut |text: &[u8]| {
                    seen.take(text);
                    if index == 0 {
                        seen.keep(text);
                    }
                };
                client.receive(16 << 10, take).await?;
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
