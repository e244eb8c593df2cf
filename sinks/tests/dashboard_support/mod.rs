//! What the gateway's tests share: a log that holds what a test appends and can be cut off, results written by hand,
//! a gateway on a free port, and a client.
//!
//! Always holds: waiting is for a condition with a deadline, never for a time. Does not know: what is tested.
#![allow(dead_code)] // each test binary uses a part

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use kafka::{
    Assignment, Committed, Consumer, ConsumerOptions, ErrorClass, Log, LogError, OffsetCommit, Outgoing,
    Polled, Position, Producer, Record, TopicPartition, Transactions,
};
use schemas::*;
use serde_json::Value as Json;
use sinks::dashboard::{Access, Dashboard, DashboardOptions, Lags};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub const PARTITIONS: i32 = 2;
pub const DEADLINE: Duration = Duration::from_secs(20);

type Kept = (Option<Vec<u8>>, Option<Vec<u8>>);

#[derive(Default)]
struct Partitions {
    records: HashMap<TopicPartition, Vec<Kept>>,
    is_cut_off: bool,
}

/// A log that can be read and be cut off, and nothing else.
#[derive(Clone, Default)]
pub struct TestLog(Arc<(Mutex<Partitions>, Condvar)>);

impl TestLog {
    pub fn append(&self, topic: &str, partition: i32, key: &[u8], value: Option<Vec<u8>>) {
        let at = TopicPartition::new(topic, partition);
        self.0.0.lock().expect("no panic").records.entry(at).or_default().push((Some(key.to_vec()), value));
        self.0.1.notify_all();
    }

    pub fn cut_off(&self, is_cut_off: bool) {
        self.0.0.lock().expect("no panic").is_cut_off = is_cut_off;
        self.0.1.notify_all();
    }
}

fn error(message: &str) -> LogError {
    LogError { class: ErrorClass::Fatal, message: message.to_owned() }
}

pub struct TestReader {
    log: TestLog,
    positions: BTreeMap<TopicPartition, i64>,
}

pub struct Unused;

impl Log for TestLog {
    type Consumer = TestReader;
    type Transactions = Unused;
    type Producer = Unused;
    type Group = ();

    fn join(&self, _: &ConsumerOptions) -> Result<TestReader, LogError> {
        Err(error("a gateway must not join a group"))
    }

    fn reader(&self, from: &[Assignment]) -> Result<TestReader, LogError> {
        let positions = from.iter().map(|at| (at.partition.clone(), at.offset)).collect();
        Ok(TestReader { log: self.clone(), positions })
    }

    fn transactions(&self, _: &str) -> Result<Unused, LogError> {
        Err(error("a gateway must not write"))
    }

    fn producer(&self) -> Result<Unused, LogError> {
        Err(error("a gateway must not write"))
    }

    fn partition_count(&self, _: &str) -> Result<Option<i32>, LogError> {
        let cut_off = self.0.0.lock().expect("no panic").is_cut_off;
        if cut_off { Err(error("broker is away")) } else { Ok(Some(PARTITIONS)) }
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        Ok((0, self.0.0.lock().expect("no panic").records.get(partition).map_or(0, Vec::len) as i64))
    }
}

impl Consumer for TestReader {
    type Group = ();

    fn poll(
        &mut self,
        records_max: usize,
        timeout: Duration,
        on_record: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Polled, LogError> {
        let (lock, changed) = &*self.log.0;
        let has_news = |partitions: &Partitions| {
            self.positions.iter().any(|(at, next)| {
                partitions.records.get(at).is_some_and(|records| records.len() as i64 > *next)
            })
        };
        let partitions = lock.lock().expect("no panic");
        let is_idle = |partitions: &mut Partitions| !partitions.is_cut_off && !has_news(partitions);
        let (partitions, _) = changed.wait_timeout_while(partitions, timeout, is_idle).expect("no panic");
        if partitions.is_cut_off {
            return Err(error("broker is away"));
        }
        let mut count = 0;
        for (at, next) in &mut self.positions {
            let records = partitions.records.get(at).map_or(&[][..], |records| &records[*next as usize..]);
            for (key, value) in records.iter().take(records_max - count) {
                on_record(&Record {
                    topic: &at.topic,
                    partition: at.partition,
                    offset: *next,
                    timestamp_ms: -1,
                    key: key.as_deref(),
                    value: value.as_deref(),
                });
                *next += 1;
                count += 1;
            }
        }
        Ok(Polled::Records(count))
    }

    fn start(&mut self, _: &[Assignment]) -> Result<(), LogError> {
        Err(error("not in a group"))
    }
    fn release(&mut self, _: &[TopicPartition]) -> Result<(), LogError> {
        Err(error("not in a group"))
    }
    fn seek(&mut self, _: &Assignment) -> Result<(), LogError> {
        Err(error("not needed"))
    }
    fn pause(&mut self, _: &[TopicPartition]) -> Result<(), LogError> {
        Err(error("not needed"))
    }
    fn resume(&mut self, _: &[TopicPartition]) -> Result<(), LogError> {
        Err(error("not needed"))
    }
    fn committed(&mut self, _: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        Err(error("not in a group"))
    }
    fn group(&self) -> Result<(), LogError> {
        Err(error("not in a group"))
    }
    fn close(self) -> Result<(), LogError> {
        Ok(())
    }
}

impl OffsetCommit for TestReader {
    fn commit(&mut self, _: &[Position]) -> Result<(), LogError> {
        Err(error("not in a group"))
    }
}

impl Transactions for Unused {
    type Group = ();
    fn begin(&mut self) -> Result<(), LogError> {
        Err(error("unused"))
    }
    fn send(&mut self, _: &Outgoing<'_>) -> Result<(), LogError> {
        Err(error("unused"))
    }
    fn commit(&mut self, _: &[Position], (): &()) -> Result<(), LogError> {
        Err(error("unused"))
    }
    fn abort(&mut self) -> Result<(), LogError> {
        Err(error("unused"))
    }
}

impl Producer for Unused {
    fn send(&mut self, _: &Outgoing<'_>) -> Result<(), LogError> {
        Err(error("unused"))
    }
    fn flush(&mut self, _: Duration) -> Result<(), LogError> {
        Err(error("unused"))
    }
}

/// Writes results as a job would.
pub struct Results {
    pub log: TestLog,
    encoder: Encoder,
    prefix: String,
}

impl Results {
    pub fn new(prefix: &str) -> Self {
        let encoder = Encoder::new(SchemaIds::local());
        Results { log: TestLog::default(), encoder, prefix: prefix.to_owned() }
    }

    pub fn put<M: Message>(&mut self, key: &str, message: &M) {
        let mut value = Vec::new();
        self.encoder.encode(message, &mut value).expect("a value that fits");
        let partition = key.bytes().map(i32::from).sum::<i32>() % PARTITIONS;
        self.put_bytes(M::TOPIC, partition, Some(value));
    }

    pub fn put_bytes(&self, topic: Topic, partition: i32, value: Option<Vec<u8>>) {
        self.log.append(&format!("{}{}", self.prefix, topic.name()), partition, b"key", value);
    }
}

/// The schemas of [`SchemaIds::local`].
pub fn local_schema(id: u32) -> Option<String> {
    let topic = Topic::ALL.get(usize::try_from(id).ok()?.checked_sub(1)?)?;
    Some(topic.spec().schema.to_owned())
}

pub fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub fn amount(text: &str) -> Amount {
    text.parse().expect("a number")
}

pub fn freshness(as_of_s: i64) -> Freshness {
    Freshness {
        as_of: at(as_of_s * 1_000_000),
        watermark: at(as_of_s * 1_000_000),
        computed_at: at(as_of_s * 1_000_000 + 250_000),
        job: "test".to_owned(),
        shard: 0,
        input_offsets: BTreeMap::from([("events.chat".to_owned(), as_of_s)]),
    }
}

/// A board whose window ends at `end_s` (all time if none), with these labels and scores.
pub fn board(board: &str, group: &str, end_s: Option<i64>, entries: &[(&str, i64)]) -> LeaderboardResult {
    let entry = |(index, (label, score)): (usize, &(&str, i64))| LeaderboardEntry {
        rank: index as i32 + 1,
        item: format!("twitch:{label}").into(),
        label: (*label).into(),
        score: amount(&score.to_string()),
        previous_rank: None,
    };
    LeaderboardResult {
        board: board.to_owned(),
        group: group.to_owned(),
        window: if end_s.is_some() { "rolling" } else { "all_time" }.to_owned(),
        window_start: end_s.map(|end| at((end - 300) * 1_000_000)),
        window_end: end_s.map(|end| at(end * 1_000_000)),
        is_final: false,
        revision: 1,
        entries: entries.iter().enumerate().map(entry).collect(),
        item_count: entries.len() as i64,
        total_score: amount(&entries.iter().map(|(_, score)| score).sum::<i64>().to_string()),
        freshness: freshness(end_s.unwrap_or(1_000)),
    }
}

pub fn engagement(channel: &str, start_s: i64, messages: i64, viewers: i64) -> EngagementResult {
    EngagementResult {
        channel_id: channel.to_owned(),
        window_start: Some(at(start_s * 1_000_000)),
        window_end: Some(at((start_s + 60) * 1_000_000)),
        is_final: false,
        revision: 1,
        messages,
        unique_chatters: messages / 3,
        reactions: BTreeMap::from([("emoji".to_owned(), messages / 2), ("gift".to_owned(), messages / 50)]),
        money_micros: BTreeMap::from([("EUR".to_owned(), messages * 10_000)]),
        concurrent_viewers: viewers,
        peak_concurrent_viewers: viewers + viewers / 10,
        unique_viewers: viewers + viewers / 4,
        joins: viewers / 8,
        leaves: viewers / 9,
        watch_ms: viewers * 60_000,
        rebuffer_count: viewers / 40,
        rebuffer_ms: viewers * 120,
        presence_us: viewers * 60_000_000,
        audience_us: 60_000_000,
        freshness: freshness(start_s + 60),
        ..EngagementResult::default()
    }
}

pub fn flag(channel: &str, id: &str, time_s: i64, text: &str) -> ModerationFlag {
    ModerationFlag {
        flag_id: format!("{id}/terms"),
        channel_id: channel.to_owned(),
        message_id: id.to_owned(),
        event_time: at(time_s * 1_000_000),
        user_id: Some("twitch:9".to_owned()),
        user_name: Some("Mallory".to_owned()),
        text: text.to_owned(),
        rule: "terms".to_owned(),
        category: "profanity".to_owned(),
        severity: 2,
        score: 0.9,
        evidence: "matched term".to_owned(),
        suggested_action: SuggestedAction::Review,
        freshness: freshness(time_s),
    }
}

/// A chat message of this id.
pub fn message(channel: &str, id: &str, time_s: i64, text: &str) -> ChatEvent<'static> {
    ChatEvent {
        event_id: id.to_owned().into(),
        event_time: at(time_s * 1_000_000),
        ingest_time: at(time_s * 1_000_000 + 5_000),
        source: "twitch".into(),
        channel_id: channel.to_owned().into(),
        user_id: Some("twitch:9".into()),
        stream_id: None,
        kind: ChatKind::Message,
        user_name: Some("Mallory".into()),
        text: Some(text.to_owned().into()),
        emotes: Vec::new(),
        roles: Vec::new(),
        badges: Vec::new(),
        reply_to: None,
        is_question: false,
        is_first_message: false,
        target_message_id: None,
        target_user_id: None,
        duration_ms: None,
    }
}

/// The code blocks of `docs/live-api.md` in this language.
pub fn examples(language: &str) -> Vec<String> {
    let text = include_str!("../../../docs/live-api.md");
    let begin = format!("```{language}\n");
    let blocks = text.split(begin.as_str()).skip(1);
    blocks.filter_map(|rest| rest.split_once("\n```")).map(|(block, _)| block.to_owned()).collect()
}

/// A candle that opens at `start_s`. Prices in cents.
pub fn candle(symbol: &str, interval_s: i32, start_s: i64, open: i64, close: i64) -> CandleResult {
    let cents = |cents: i64| amount(&format!("{}.{:02}", cents / 100, cents % 100));
    let volume = 20 + (start_s / i64::from(interval_s) * 7_919) % 97;
    let middle = cents((open + close) / 2);
    CandleResult {
        venue: "binance-spot".to_owned(),
        symbol: symbol.to_owned(),
        interval_s,
        window_start: at(start_s * 1_000_000),
        window_end: at((start_s + i64::from(interval_s)) * 1_000_000),
        is_final: false,
        revision: 1,
        open: cents(open),
        high: cents(open.max(close) + 350),
        low: cents(open.min(close) - 420),
        close: cents(close),
        trade_count: volume * 3,
        base_volume: amount(&volume.to_string()),
        quote_volume: middle.checked_mul(amount(&volume.to_string())).expect("fits"),
        taker_buy_count: volume,
        taker_sell_count: volume * 2,
        taker_buy_volume: amount(&(volume / 3).to_string()),
        taker_sell_volume: amount(&(volume - volume / 3).to_string()),
        first_trade_id: Some(start_s * 10),
        last_trade_id: Some(start_s * 10 + volume * 3),
        missing_trade_ids: 0,
        missing_before: None,
        duplicate_trade_count: 0,
        duplicate_volume: Amount::ZERO,
        largest_quantity: amount("1"),
        largest_price: middle,
        largest_trade_id: Some(start_s * 10),
        taker_net_volume: amount(&(volume / 3 * 2 - volume).to_string()),
        taker_volume: amount(&volume.to_string()),
        realised_variance: Some(0.0001),
        true_range: cents((open - close).abs() + 770),
        past_candle_count: 0,
        past_base_volume: Amount::ZERO,
        past_true_range: Amount::ZERO,
        is_volume_spike: false,
        is_price_spike: false,
        freshness: freshness(start_s + i64::from(interval_s)),
    }
}

pub fn options() -> DashboardOptions {
    let mut options = DashboardOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)), Access::open());
    options.clients.heartbeat_interval = Duration::from_millis(200);
    options
}

/// A running gateway.
pub struct Gateway {
    pub address: SocketAddr,
    pub lags: Lags,
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Gateway {
    pub async fn start(log: &impl Log, options: DashboardOptions) -> Self {
        let dashboard = Dashboard::bind(options).await.expect("a free port");
        let (address, lags) = (dashboard.address(), dashboard.lags());
        let (shutdown, signal) = oneshot::channel::<()>();
        let wait = async move { drop(signal.await) };
        let task = tokio::spawn(dashboard.serve(log.clone(), local_schema, wait));
        Gateway { address, lags, shutdown: Some(shutdown), task }
    }

    pub async fn stop(mut self) {
        drop(self.shutdown.take());
        self.task.await.expect("no panic").expect("a clean end");
    }

    /// The body and status of a GET.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, HashMap<String, String>, String) {
        let mut request =
            ureq::get(format!("http://{}{path}", self.address)).config().http_status_as_error(false).build();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let call = move || {
            let mut response = request.call().expect("an answer");
            let headers = response.headers().iter();
            let headers =
                headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
            let headers = headers.collect();
            (response.status().as_u16(), headers, response.body_mut().read_to_string().expect("text"))
        };
        tokio::task::spawn_blocking(call).await.expect("no panic")
    }

    /// As [`Gateway::get`] with a token and a known tag.
    pub async fn get_with(
        &self,
        path: &str,
        bearer: &str,
        tag: String,
    ) -> (u16, HashMap<String, String>, String) {
        self.get(path, &[("authorization", bearer), ("if-none-match", &tag)]).await
    }

    pub async fn get_json(&self, path: &str) -> Json {
        let (_, _, body) = self.get(path, &[]).await;
        serde_json::from_str(&body).expect("JSON")
    }

    /// Waits until `is_so` of /api/health.
    pub async fn wait_for_health(&self, is_so: impl Fn(&Json) -> bool) -> Json {
        let until = tokio::time::Instant::now() + DEADLINE;
        loop {
            let health = self.get_json("/api/health").await;
            if is_so(&health) {
                return health;
            }
            assert!(tokio::time::Instant::now() < until, "the health never became as expected: {health}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A client of server-sent events.
pub struct Stream(BufReader<TcpStream>);

impl Stream {
    pub async fn open(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = TcpStream::connect(gateway.address).await.expect("a connection");
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", gateway.address);
        stream.write_all(head.as_bytes()).await.expect("sent");
        Stream(BufReader::new(stream))
    }

    /// The next frame; none at the end of the stream.
    pub async fn next_any(&mut self) -> Option<Json> {
        loop {
            let mut line = String::new();
            let read =
                tokio::time::timeout(DEADLINE, self.0.read_line(&mut line)).await.expect("a line in time");
            // the chunk without bytes
            if read.expect("readable") == 0 || line == "0\r\n" {
                return None;
            }
            // between are the lengths of chunks and the event's other lines; the frame's text is a chunk of its own
            if line.starts_with('{') {
                return Some(serde_json::from_str(&line).expect("JSON"));
            }
        }
    }

    /// The next frame that is no heartbeat.
    pub async fn next(&mut self) -> Json {
        let until = tokio::time::Instant::now() + DEADLINE;
        loop {
            let frame = self.next_any().await.expect("an open stream");
            if frame["type"] != "heartbeat" {
                return frame;
            }
            assert!(tokio::time::Instant::now() < until, "nothing but heartbeats");
        }
    }
}

/// A WebSocket client.
pub struct Client(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub async fn connect(gateway: &Gateway) -> Self {
        let url = format!("ws://{}/ws", gateway.address);
        Client(tokio_tungstenite::connect_async(url).await.expect("a connection").0)
    }

    pub async fn subscribed(gateway: &Gateway, message: &str) -> Self {
        let mut client = Client::connect(gateway).await;
        client.send(message).await;
        client
    }

    pub async fn send(&mut self, text: &str) {
        self.0.send(WsMessage::text(text)).await.expect("sent");
    }

    pub async fn next_message(&mut self) -> WsMessage {
        let next = tokio::time::timeout(DEADLINE, self.0.next()).await.expect("a message in time");
        next.expect("an open connection").expect("a message")
    }

    /// The next frame that is no heartbeat.
    pub async fn next(&mut self) -> Json {
        let until = tokio::time::Instant::now() + DEADLINE;
        loop {
            let frame = self.next_any().await;
            if frame["type"] != "heartbeat" {
                return frame;
            }
            assert!(tokio::time::Instant::now() < until, "nothing but heartbeats");
        }
    }

    pub async fn next_any(&mut self) -> Json {
        match self.next_message().await {
            WsMessage::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("not a text frame: {other:?}"),
        }
    }

    /// The items of a whole snapshot.
    pub async fn snapshot(&mut self) -> Vec<Json> {
        let mut items = Vec::new();
        for part in 0.. {
            let mut frame = self.next().await;
            assert_eq!(frame["type"], "snapshot", "{frame}");
            assert_eq!(frame["part"], part);
            items.append(frame["items"].as_array_mut().expect("items"));
            if frame["is_last"] == true {
                break;
            }
        }
        items
    }
}

pub fn offset(frame: &Json) -> u64 {
    frame["id"].as_str().and_then(|id| id.split_once(':')).expect("an id").1.parse().expect("an offset")
}
