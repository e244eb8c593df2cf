//! Scenarios as text: a job, events in, expected records out. `OVATION_BLESS=1 cargo test -p processors` rewrites the
//! records; read the difference before you commit it.
//!
//! An event is a line `SECOND KIND CHANNEL ...`; see any file in `scenarios/`. Events are read in the order of the file, all
//! from one shard; inputs of the job without an event are idle. Events are called e1, e2, ... in their order.

mod common;

use std::fmt::Write as _;
use std::path::Path;

use common::{at, chat, emote, job, reaction, trade, viewer};
use processors::{Driver, Output};
use schemas::{
    Aggressor, CandleResult, ChatKind, EngagementResult, Event, ReactionKind, SuggestedAction, Timestamp,
    Topic, ViewerKind,
};

const SECTIONS: [&str; 3] = ["--- job\n", "--- events\n", "--- records\n"];

fn seconds(text: &str) -> Timestamp {
    let amount: schemas::Amount =
        text.parse().unwrap_or_else(|_| panic!("`{text}` is not a number of seconds"));
    at(i64::try_from(amount.units() / 10_000).expect("a small number"))
}

fn shown_seconds(time: Timestamp) -> String {
    let units = i128::from(time.micros()) * 10_000;
    schemas::Amount::from_units(units).expect("fits").to_string()
}

/// The rest of an event line: `key=value` words, then perhaps `: text`.
struct Words<'l> {
    words: Vec<&'l str>,
    text: &'l str,
}

impl<'l> Words<'l> {
    fn get(&self, key: &str) -> Option<&'l str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    fn number(&self, key: &str) -> i64 {
        self.get(key).map_or(0, |text| text.parse().expect("a whole number"))
    }
}

fn event(line: &str, id: &str) -> Event<'static> {
    let (head, text) = line.split_once(" : ").unwrap_or((line, ""));
    let words: Vec<&str> = head.split_whitespace().collect();
    let [time, kind, channel, ..] = words[..] else { panic!("`{line}` is not an event") };
    let (time, rest) = (seconds(time), Words { words: words[3..].to_vec(), text });
    match kind {
        "chat" => chat_event(id, time, channel, &rest),
        "delete" | "ban" | "time_out" | "clear" => moderator_event(id, time, channel, kind, &rest),
        "trade" => trade_event(id, time, channel, &rest),
        "join" | "heartbeat" | "leave" | "quality" => viewer_event(id, time, channel, kind, &rest),
        _ => reaction_event(id, time, channel, kind, &rest),
    }
}

fn chat_event(id: &str, time: Timestamp, channel: &str, words: &Words<'_>) -> Event<'static> {
    let text: String = words.text.replace("\\u200b", "\u{200b}");
    let mut event = chat(id, time, channel, words.get("user"), &text);
    event.user_name = words.get("name").map(|name| name.to_owned().into());
    let list = |key| words.get(key).into_iter().flat_map(|list| list.split(',')).map(str::to_owned);
    event.roles = list("roles").map(Into::into).collect();
    event.emotes = list("emotes")
        .map(|one| match one.split_once('*') {
            Some((name, count)) => emote(name, count.parse().expect("a count")),
            None => emote(&one, 1),
        })
        .collect();
    Event::Chat(event)
}

fn moderator_event(
    id: &str,
    time: Timestamp,
    channel: &str,
    kind: &str,
    words: &Words<'_>,
) -> Event<'static> {
    let mut event = chat(id, time, channel, None, "");
    event.kind = match kind {
        "delete" => ChatKind::MessageDeleted,
        "ban" => ChatKind::UserBanned,
        "time_out" => ChatKind::UserTimedOut,
        _ => ChatKind::ChatCleared,
    };
    event.text = None;
    event.target_message_id = words.get("message").map(|id| id.to_owned().into());
    event.target_user_id = words.get("user").map(|user| user.to_owned().into());
    Event::Chat(event)
}

fn reaction_event(id: &str, time: Timestamp, channel: &str, kind: &str, words: &Words<'_>) -> Event<'static> {
    use ReactionKind::{Cheer, Emoji, Gift, Like, PollVote, QuestionUpvote, Raid, Subscription, SuperChat};
    let kinds = [Emoji, Like, Cheer, Gift, SuperChat, Subscription, Raid, PollVote, QuestionUpvote];
    let kind = kinds.into_iter().find(|known| known.name() == kind);
    let kind = kind.unwrap_or_else(|| panic!("{id} is of no known kind"));
    let mut event = reaction(id, time, channel, words.get("user"), kind, words.number("count").max(1));
    let text = |key| words.get(key).map(|text| text.to_owned().into());
    (event.emoji, event.target_id, event.option) = (text("emoji"), text("target"), text("option"));
    event.user_name = text("name");
    if let Some(money) = words.get("money") {
        let (amount, currency) = money.split_at(money.len() - 3);
        event.amount_micros = Some(seconds(amount).micros());
        event.currency = Some(currency.to_owned().into());
    }
    Event::Reaction(event)
}

fn viewer_event(id: &str, time: Timestamp, channel: &str, kind: &str, words: &Words<'_>) -> Event<'static> {
    let kind = match kind {
        "join" => ViewerKind::Join,
        "heartbeat" => ViewerKind::Heartbeat,
        "leave" => ViewerKind::Leave,
        _ => ViewerKind::Quality,
    };
    let mut event = viewer(id, time, channel, kind, words.get("session").expect("a session"));
    event.user_id = words.get("user").map(|user| user.to_owned().into());
    event.watch_ms = words.number("watch_ms");
    event.rebuffer_count = i32::try_from(words.number("rebuffer_count")).expect("small");
    event.rebuffer_ms = words.number("rebuffer_ms");
    let optional = |key| words.get(key).map(|text| text.parse::<i64>().expect("a whole number"));
    (event.startup_ms, event.live_latency_ms) = (optional("startup_ms"), optional("live_latency_ms"));
    event.bitrate_kbps = optional("bitrate_kbps").map(|kbps| i32::try_from(kbps).expect("small"));
    Event::Viewer(event)
}

fn trade_event(id: &str, time: Timestamp, market: &str, words: &Words<'_>) -> Event<'static> {
    let market = market.split_once(':').expect("a venue and a symbol");
    let aggressor = match words.get("aggressor") {
        Some("buy") => Aggressor::Buy,
        Some("sell") => Aggressor::Sell,
        _ => Aggressor::Unknown,
    };
    let trade_id = words.get("id").map(|number| number.parse().expect("a number"));
    let (price, quantity) =
        (words.get("price").expect("a price"), words.get("quantity").expect("a quantity"));
    let mut event = trade(id, time, market, trade_id, price, quantity, aggressor);
    event.user_id = words.get("user").map(|user| user.to_owned().into());
    Event::Trade(event)
}

fn window(start: Option<Timestamp>, end: Option<Timestamp>, is_final: bool, revision: i64) -> String {
    let span = match start.zip(end) {
        Some((start, end)) => format!("[{}, {})", shown_seconds(start), shown_seconds(end)),
        None => "all time".to_owned(),
    };
    format!("{span} #{revision}{}", if is_final { " final" } else { "" })
}

/// What a candle has beside prices and volumes.
fn shown_beside(candle: &CandleResult) -> String {
    let number = |number: Option<i64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let variance =
        candle.realised_variance.map_or_else(|| "?".to_owned(), |variance| format!("{variance:e}"));
    let spike = |is_spike| if is_spike { " (spike)" } else { "" };
    format!(
        ",\n        {} missing and {} before, {} duplicates of {}, largest {} at {} (id {}), taker flow {} of {},\n        \
         variance {variance}, {} before it with volume {}{} and range {}, own range {}{}",
        candle.missing_trade_ids,
        number(candle.missing_before),
        candle.duplicate_trade_count,
        candle.duplicate_volume,
        candle.largest_quantity,
        candle.largest_price,
        number(candle.largest_trade_id),
        candle.taker_net_volume,
        candle.taker_volume,
        candle.past_candle_count,
        candle.past_base_volume,
        spike(candle.is_volume_spike),
        candle.past_true_range,
        candle.true_range,
        spike(candle.is_price_spike),
    )
}

fn shown_engagement(record: &EngagementResult) -> String {
    let window = window(record.window_start, record.window_end, record.is_final, record.revision);
    let seconds_of = |micros: i64| shown_seconds(at(micros));
    let about = |is_estimated: bool| if is_estimated { "about " } else { "" };
    let mut text = format!(
        "{} {window}: {} messages by {}{}, reactions {:?}, money {:?},\n        watching {} (peak {}, {} s in all, {} s with anybody), viewers {}{}, joins {}, leaves {}, watched {} ms, stalled {} times for {} ms",
        record.channel_id,
        record.messages,
        about(record.unique_chatters_is_estimated),
        record.unique_chatters,
        record.reactions,
        record.money_micros,
        record.concurrent_viewers,
        record.peak_concurrent_viewers,
        seconds_of(record.presence_us),
        seconds_of(record.audience_us),
        about(record.unique_viewers_is_estimated),
        record.unique_viewers,
        record.joins,
        record.leaves,
        record.watch_ms,
        record.rebuffer_count,
        record.rebuffer_ms
    );
    let mut more = |what: String| text.push_str(&format!("\n        {what}"));
    if record.retracted_messages > 0 {
        more(format!("{} messages taken back", record.retracted_messages));
    }
    if record.untracked_messages + record.untracked_sessions > 0 {
        let (messages, sessions) = (record.untracked_messages, record.untracked_sessions);
        more(format!("over the limits: {messages} messages, {sessions} reports of sessions"));
    }
    if !record.retention.is_empty() {
        let point = |point: &schemas::RetentionPoint| {
            format!("{} of {} after {} s", point.retained, point.cohort, seconds_of(point.age_us))
        };
        more(format!("retained {}", record.retention.iter().map(point).collect::<Vec<_>>().join(", ")));
    }
    let percentiles = |values: [Option<i64>; 4]| {
        let values = values.map(|value| value.map_or_else(|| "none".to_owned(), |value| value.to_string()));
        format!("p50 {} p90 {} p95 {} p99 {} ms", values[0], values[1], values[2], values[3])
    };
    if record.startup_count > 0 {
        let r = record;
        let values = percentiles([r.startup_p50_ms, r.startup_p90_ms, r.startup_p95_ms, r.startup_p99_ms]);
        more(format!("startup of {}: {values}", r.startup_count));
    }
    if record.live_latency_count > 0 {
        let r = record;
        let values =
            [r.live_latency_p50_ms, r.live_latency_p90_ms, r.live_latency_p95_ms, r.live_latency_p99_ms];
        more(format!("live latency, {} reports: {}", r.live_latency_count, percentiles(values)));
    }
    if record.bitrate_ms > 0 {
        more(format!("bit rate: {} bits in {} ms", record.bitrate_bits, record.bitrate_ms));
    }
    text
}

fn shown(output: &Output) -> String {
    let mut text = String::new();
    match output {
        Output::Leaderboard(board) => {
            let window = window(board.window_start, board.window_end, board.is_final, board.revision);
            let (items, total) = (board.item_count, board.total_score);
            write!(
                text,
                "{}/{} {} {window}: {items} items, {total} in all",
                board.board, board.group, board.window
            )
            .expect("a string");
            for entry in &board.entries {
                let label =
                    if entry.label == entry.item { String::new() } else { format!(" ({})", entry.label) };
                let was =
                    entry.previous_rank.map_or_else(|| ", new".to_owned(), |rank| format!(", was {rank}"));
                write!(text, "\n        {}. {}{label} {}{was}", entry.rank, entry.item, entry.score)
                    .expect("a string");
            }
        }
        Output::Engagement(record) => text.push_str(&shown_engagement(record)),
        Output::Partial(_) => unreachable!("a dry run shows the second stage's records"),
        Output::Candle(candle) => {
            let ids = candle.first_trade_id.zip(candle.last_trade_id);
            let ids = ids.map_or_else(|| "none".to_owned(), |(first, last)| format!("{first} to {last}"));
            let window =
                window(Some(candle.window_start), Some(candle.window_end), candle.is_final, candle.revision);
            write!(
                text,
                "{}:{} {} s {window}: open {} high {} low {} close {},\n        {} trades, base {}, quote {}, {} buys of {}, {} sells of {}, ids {}",
                candle.venue, candle.symbol, candle.interval_s, candle.open, candle.high, candle.low, candle.close,
                candle.trade_count, candle.base_volume, candle.quote_volume, candle.taker_buy_count,
                candle.taker_buy_volume, candle.taker_sell_count, candle.taker_sell_volume, ids
            )
            .expect("a string");
            write!(text, "{}", shown_beside(candle)).expect("a string");
        }
        Output::Flag(flag) => {
            let action = match flag.suggested_action {
                SuggestedAction::None => "none",
                SuggestedAction::Review => "review",
                SuggestedAction::Delete => "delete",
                SuggestedAction::TimeOut => "time out",
                SuggestedAction::Ban => "ban",
                SuggestedAction::Unknown => "unknown",
            };
            let user = flag.user_name.as_ref().or(flag.user_id.as_ref()).map_or("anonymous", String::as_str);
            write!(
                text,
                "{} in {} by {user} at {}: {} {} of severity {}, sure {}, {action}:\n        {}",
                flag.flag_id,
                flag.channel_id,
                shown_seconds(flag.event_time),
                flag.rule,
                flag.category,
                flag.severity,
                flag.score,
                flag.evidence
            )
            .expect("a string");
        }
    }
    text
}

/// The records that a scenario yields, as text.
fn play(toml: &str, events: &str) -> String {
    let job = job(toml);
    let lines = events.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let events: Vec<Event<'_>> =
        lines.zip(1..).map(|(line, number)| event(line, &format!("e{number}"))).collect();
    assert!(!events.is_empty(), "a scenario without events shows nothing");
    let mut driver = Driver::new(&job);
    let topics: Vec<Topic> = events.iter().map(Event::topic).collect();
    job.inputs.iter().filter(|topic| !topics.contains(topic)).for_each(|topic| driver.mark_idle(*topic));
    let mut records = String::new();
    let mut show = |outputs: Vec<Output>| {
        for mut output in outputs {
            let as_of = shown_seconds(output.freshness_mut().as_of);
            let stamp =
                if matches!(output, Output::Flag(_)) { String::new() } else { format!("{as_of:>7} ") };
            writeln!(records, "{stamp}{}", shown(&output)).expect("a string");
        }
    };
    let mut late = Vec::new();
    for event in &events {
        if driver.push(event.topic(), event.header().ingest_time, event).is_late {
            late.push(event.header().event_id);
        }
        show(driver.take());
    }
    show(driver.finish());
    if !late.is_empty() {
        writeln!(records, "late: {}", late.join(", ")).expect("a string");
    }
    records
}

fn check(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).expect("a scenario can be read");
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    for section in SECTIONS {
        let (before, after) = rest.split_once(section).unwrap_or_else(|| panic!("{path:?} lacks {section}"));
        parts.push(before);
        rest = after;
    }
    let records = play(parts[1], parts[2]);
    if std::env::var_os("OVATION_BLESS").is_some() {
        let kept = text.len() - rest.len();
        std::fs::write(path, format!("{}{records}", &text[..kept])).expect("a scenario can be written");
    } else if records != rest {
        return Err(format!("{path:?} expects\n{rest}\nbut there is\n{records}"));
    }
    Ok(())
}

#[test]
fn every_scenario_yields_its_records() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = std::fs::read_dir(&folder).expect("the folder of scenarios");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(paths.len() >= 8, "scenarios are missing: {paths:?}");
    let failures: Vec<String> = paths.iter().filter_map(|path| check(path).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
