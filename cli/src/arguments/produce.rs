//! The command line of `ovation produce`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum ProduceCommand {
    /// Publish a made-up world: channels, viewers, chat, reactions, trades. The same seed gives the same events.
    Simulate(SimulateArguments),
    /// Publish recorded files, at their own pace or faster.
    ///
    /// Recordings of the same time belong in one call: one after the other the second would come late. A recording of the past
    /// is late too where newer events went through the same topics before: use --shift-to-now, or another topic_prefix.
    Replay(ReplayArguments),
}

#[derive(Debug, Args)]
pub struct SimulateArguments {
    /// Events a second, all kinds together.
    #[arg(long, default_value_t = 500, value_name = "N")]
    pub rate: u32,
    /// How long: 30s, 10m, 1h. Without it (and without --count) until stopped.
    #[arg(long, value_name = "SPAN")]
    pub duration: Option<String>,
    /// How many events.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// As fast as the log takes them, instead of at the rate. The events' times still follow the rate.
    #[arg(long)]
    pub unpaced: bool,
    /// What makes this world differ from another.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Channels; the most popular ones get most of the audience (Zipf).
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub channels: u32,
    /// Users.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub users: u32,
    /// Users who write in each channel, some far more often than others (Zipf).
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    pub regulars: u32,
    /// Traded symbols.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub symbols: u32,
    /// How the rate is divided, as in viewers=40,chat=25,reactions=15,trades=20 (the default); kinds not named get none.
    #[arg(long, value_name = "KIND=WEIGHT,...")]
    pub shares: Option<String>,
    /// The longest time that an event is on its way, in milliseconds; 0 keeps all in order.
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    pub disorder_ms: u32,
    /// Without moderators: spam stays.
    #[arg(long)]
    pub unmoderated: bool,
    /// Event time of the first event, in milliseconds since 1970; now by default.
    #[arg(long, value_name = "MILLISECONDS")]
    pub start: Option<i64>,
    /// Write the events as JSON lines to a file (- for standard output) instead of to Kafka.
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ReplayArguments {
    /// What to read, as FORMAT:FILE; several are merged by event time. Formats: twitch-irc, twitch-vod, binance-ws,
    /// binance-csv, jsonl; gzip is understood. Trades take a venue: binance-csv,venue=binance-usdm:FILE
    #[arg(long, required = true, value_name = "FORMAT:FILE", num_args = 1..)]
    pub input: Vec<String>,
    /// 1 for the pace of the recording, 10 for ten times that, ..., full for as fast as the log takes it.
    #[arg(long, default_value = "1", value_name = "FACTOR")]
    pub speed: String,
    /// Move event times so that the recording starts now.
    #[arg(long)]
    pub shift_to_now: bool,
    /// Replace user ids and names by keyed hashes with this key.
    #[arg(long, value_name = "KEY")]
    pub pseudonyms: Option<String>,
}
