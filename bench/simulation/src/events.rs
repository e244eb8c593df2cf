//! One event of every kind, drawn: who, what, how much.
//!
//! Always holds: every value makes sense to its schema; what a message's text is to moderation is known ([`TEXTS`]).
//! Does not know: when it is sent, and whether it arrives whole.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use schemas::{
    Aggressor, Amount, ChatEvent, ChatKind, Emote, Event, ReactionEvent, ReactionKind, Text, Timestamp,
    Topic, TradeEvent, ViewerEvent, ViewerKind,
};

/// Messages, and how the rule `terms` sees them: its score and evidence.
pub(crate) const TEXTS: [(&str, Option<(f64, &str)>); 4] = [
    ("hello", None),
    ("good morning everyone", None),
    ("nothing but spam in here", Some((1.0, "term \"spam\""))),
    ("what a heap of s p a m this is", Some((0.8, "term \"spam\", in disguise"))),
];

/// What all events have in common.
struct Header {
    event_id: Text<'static>,
    event_time: Timestamp,
    ingest_time: Timestamp,
    channel_id: Text<'static>,
    user_id: Option<Text<'static>>,
}

pub(crate) fn text(text: &str) -> Text<'static> {
    Text::from(text).into_owned()
}

/// Draws the event numbered `number`. `times` are its event time and its ingest time, in microseconds.
pub(crate) fn event(
    random: &mut ChaCha8Rng,
    number: usize,
    topic: Topic,
    channel: &str,
    times: [i64; 2],
) -> Event<'static> {
    let header = Header {
        event_id: text(&format!("e:{number}")),
        event_time: Timestamp::from_micros(times[0]),
        ingest_time: Timestamp::from_micros(times[1]),
        channel_id: text(channel),
        user_id: (random.random_range(0..8) > 0).then(|| text(&format!("u:{}", random.random_range(0..5)))),
    };
    match topic {
        Topic::Chat => chat(random, header, number),
        Topic::Reactions => reaction(random, header),
        Topic::Viewers => viewer(random, header),
        _ => trade(random, header, channel, number),
    }
}

fn user_name(random: &mut ChaCha8Rng) -> Option<Text<'static>> {
    [None, Some("Ann"), Some("ANN"), Some("Bob")][random.random_range(0..4)].map(text)
}

fn chat(random: &mut ChaCha8Rng, header: Header, number: usize) -> Event<'static> {
    let emotes = (0..random.random_range(0..3)).map(|_| Emote {
        id: text("1"),
        name: text(["Kappa", "LUL", "Pog"][random.random_range(0..3)]),
        count: random.random_range(1..4),
    });
    let emotes = emotes.collect();
    let actions =
        [ChatKind::ChatCleared, ChatKind::MessageDeleted, ChatKind::UserBanned, ChatKind::UserTimedOut];
    let kind =
        if random.random_range(0..8) == 0 { actions[random.random_range(0..4)] } else { ChatKind::Message };
    let target = number.saturating_sub(random.random_range(1..25));
    let is_exempt = random.random_range(0..10) == 0;
    Event::Chat(ChatEvent {
        event_id: header.event_id,
        event_time: header.event_time,
        ingest_time: header.ingest_time,
        source: text("t"),
        channel_id: header.channel_id,
        user_id: header.user_id,
        stream_id: None,
        kind,
        user_name: user_name(random),
        text: Some(text(TEXTS[random.random_range(0..TEXTS.len())].0)),
        emotes,
        roles: if is_exempt { vec![text("moderator")] } else { Vec::new() },
        badges: Vec::new(),
        reply_to: None,
        is_question: false,
        is_first_message: false,
        target_message_id: Some(text(&format!("e:{target}"))),
        target_user_id: Some(text(&format!("u:{}", random.random_range(0..5)))),
        duration_ms: None,
    })
}

fn reaction(random: &mut ChaCha8Rng, header: Header) -> Event<'static> {
    let kinds = [ReactionKind::Emoji, ReactionKind::Like, ReactionKind::SuperChat, ReactionKind::Raid];
    let kind = kinds[random.random_range(0..4)];
    let is_paid = kind == ReactionKind::SuperChat;
    let emoji = ["🔥", "👏"][random.random_range(0..2)];
    Event::Reaction(ReactionEvent {
        event_id: header.event_id,
        event_time: header.event_time,
        ingest_time: header.ingest_time,
        source: text("t"),
        channel_id: header.channel_id,
        user_id: header.user_id,
        stream_id: None,
        kind,
        count: random.random_range(1..6),
        user_name: user_name(random),
        emoji: (kind == ReactionKind::Emoji).then(|| text(emoji)),
        amount_micros: is_paid.then(|| random.random_range(0..50_000_000)),
        currency: is_paid.then(|| text(["EUR", "USD"][random.random_range(0..2)])),
        target_id: None,
        option: None,
    })
}

fn optional(random: &mut ChaCha8Rng, most: i64) -> Option<i64> {
    random.random::<bool>().then(|| random.random_range(0..most))
}

fn viewer(random: &mut ChaCha8Rng, header: Header) -> Event<'static> {
    let kinds = [
        ViewerKind::Join,
        ViewerKind::Heartbeat,
        ViewerKind::Heartbeat,
        ViewerKind::Leave,
        ViewerKind::Quality,
    ];
    Event::Viewer(ViewerEvent {
        event_id: header.event_id,
        event_time: header.event_time,
        ingest_time: header.ingest_time,
        source: text("t"),
        channel_id: header.channel_id,
        user_id: header.user_id,
        stream_id: None,
        kind: kinds[random.random_range(0..5)],
        session_id: text(&format!("s:{}", random.random_range(0..6))),
        watch_ms: random.random_range(0..10_000),
        startup_ms: optional(random, 10_000),
        rebuffer_count: random.random_range(0..3),
        rebuffer_ms: random.random_range(0..2_000),
        bitrate_kbps: optional(random, 8_000).map(|kbps| kbps as i32),
        live_latency_ms: optional(random, 5_000).map(|latency| latency - 200),
        device: None,
        country: None,
    })
}

fn trade(random: &mut ChaCha8Rng, header: Header, market: &str, number: usize) -> Event<'static> {
    let mut amount = |most: i128| {
        let units = 1 + i128::from(random.random::<u32>()) * 1_000_003 % most;
        Amount::from_units(units).unwrap_or(Amount::ZERO)
    };
    let (price, quantity) = (amount(10i128.pow(14)), amount(10i128.pow(12)));
    let sides = [Aggressor::Buy, Aggressor::Sell, Aggressor::Unknown];
    let numbered = random.random_range(0..5) > 0;
    Event::Trade(TradeEvent {
        event_id: header.event_id,
        event_time: header.event_time,
        ingest_time: header.ingest_time,
        source: text("t"),
        channel_id: header.channel_id,
        user_id: header.user_id,
        stream_id: None,
        // Some come twice.
        trade_id: numbered.then_some(number as i64 / 2),
        price,
        quantity,
        aggressor: sides[random.random_range(0..3)],
        venue: text("t"),
        symbol: text(market.trim_start_matches("t:")),
    })
}
