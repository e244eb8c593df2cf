//! Hand-written values and how proptest makes any.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use schemas::*;

pub fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub fn amount(text: &str) -> Amount {
    text.parse().expect("a number")
}

/// 2026-01-05T00:00:00Z
pub const MONDAY: i64 = 1_767_571_200_000_000;

pub fn chat(number: i64, user: &str) -> ChatEvent<'static> {
    ChatEvent {
        event_id: format!("twitch:m-{number}").into(),
        event_time: at(MONDAY + number * 1_000),
        ingest_time: at(MONDAY + number * 1_000 + 7),
        source: "twitch".into(),
        channel_id: "twitch:10".into(),
        user_id: Some(format!("twitch:{user}").into()),
        stream_id: None,
        kind: ChatKind::Message,
        user_name: Some(user.to_owned().into()),
        text: Some(format!("line {number}\t'; DROP TABLE chat_events; -- \u{1f600}\0").into()),
        emotes: vec![Emote { id: "twitch:25".into(), name: "Kappa".into(), count: 2 }],
        roles: vec!["moderator".into(), "vip".into()],
        badges: vec!["subscriber/12".into()],
        reply_to: Some("twitch:m-0".into()),
        is_question: true,
        is_first_message: false,
        target_message_id: None,
        target_user_id: None,
        duration_ms: None,
    }
}

pub fn reaction(number: i64) -> ReactionEvent<'static> {
    ReactionEvent {
        event_id: format!("youtube:r-{number}").into(),
        event_time: at(MONDAY + number),
        ingest_time: at(MONDAY),
        source: "youtube".into(),
        channel_id: "youtube:c".into(),
        user_id: None,
        stream_id: Some("youtube:s".into()),
        kind: ReactionKind::SuperChat,
        count: 3,
        user_name: Some("Grace".into()),
        emoji: None,
        amount_micros: Some(4_990_000),
        currency: Some("EUR".into()),
        target_id: None,
        option: Some("b".into()),
    }
}

pub fn viewer(number: i64) -> ViewerEvent<'static> {
    ViewerEvent {
        event_id: format!("api:v-{number}").into(),
        event_time: at(MONDAY + number),
        ingest_time: at(MONDAY),
        source: "api".into(),
        channel_id: "api:c".into(),
        user_id: Some("api:u".into()),
        stream_id: None,
        kind: ViewerKind::Heartbeat,
        session_id: "api:session".into(),
        watch_ms: 9_500,
        startup_ms: Some(800),
        rebuffer_count: 1,
        rebuffer_ms: 500,
        bitrate_kbps: Some(6_000),
        live_latency_ms: Some(2_100),
        device: Some("tv".into()),
        country: None,
    }
}

pub fn trade(number: i64, price: &str, quantity: &str) -> TradeEvent<'static> {
    TradeEvent {
        event_id: format!("binance-spot:BTCUSDT:{number}").into(),
        event_time: at(1_723_161_255_342_000 + number),
        ingest_time: at(MONDAY),
        source: "binance-spot".into(),
        channel_id: "binance-spot:BTCUSDT".into(),
        user_id: None,
        stream_id: None,
        trade_id: Some(number),
        price: amount(price),
        quantity: amount(quantity),
        aggressor: if number % 3 == 0 { Aggressor::Buy } else { Aggressor::Sell },
        venue: "binance-spot".into(),
        symbol: "BTCUSDT".into(),
    }
}

pub fn freshness() -> Freshness {
    Freshness {
        as_of: at(MONDAY + 60_000_000),
        watermark: at(MONDAY + 60_500_000),
        computed_at: at(MONDAY + 61_000_000),
        job: "leaderboards".into(),
        shard: 3,
        input_offsets: BTreeMap::from([("events.chat".into(), 42), ("events.reactions".into(), 0)]),
    }
}

/// A board of the minute numbered `minute`, best first.
pub fn leaderboard(minute: i64, revision: i64, entries: &[(&str, &str)]) -> LeaderboardResult {
    let start = MONDAY + minute * 60_000_000;
    LeaderboardResult {
        board: "top_chatters".into(),
        group: "twitch:10".into(),
        window: "rolling".into(),
        window_start: Some(at(start)),
        window_end: Some(at(start + 60_000_000)),
        is_final: false,
        revision,
        entries: (1..)
            .zip(entries)
            .map(|(rank, (item, score))| LeaderboardEntry {
                rank,
                item: (*item).into(),
                label: item.to_uppercase().into(),
                score: amount(score),
                previous_rank: (rank > 1).then_some(rank - 1),
            })
            .collect(),
        item_count: entries.len() as i64,
        total_score: amount("25.5"),
        freshness: freshness(),
    }
}

pub fn engagement(minute: i64, revision: i64, messages: i64) -> EngagementResult {
    let start = MONDAY + minute * 60_000_000;
    EngagementResult {
        channel_id: "twitch:10".into(),
        window_start: Some(at(start)),
        window_end: Some(at(start + 60_000_000)),
        is_final: false,
        revision,
        messages,
        unique_chatters: 2,
        reactions: BTreeMap::from([("emoji".into(), 4), ("raid".into(), 1)]),
        money_micros: BTreeMap::from([("EUR".into(), 4_990_000)]),
        concurrent_viewers: 5,
        peak_concurrent_viewers: 6,
        unique_viewers: 7,
        joins: 8,
        leaves: 9,
        watch_ms: 10,
        rebuffer_count: 11,
        rebuffer_ms: 12,
        retracted_messages: 13,
        presence_us: 14,
        audience_us: 15,
        retention: vec![RetentionPoint { age_us: 16, cohort: 17, retained: 18 }],
        unique_chatters_is_estimated: true,
        unique_chatters_sketch: vec![SketchRegister { register: 19, rank: 20 }],
        unique_viewers_is_estimated: false,
        unique_viewers_sketch: vec![
            SketchRegister { register: 21, rank: 22 },
            SketchRegister { register: 4095, rank: 53 },
        ],
        startup_count: 23,
        startup_p50_ms: Some(24),
        startup_p90_ms: Some(25),
        startup_p95_ms: None,
        startup_p99_ms: Some(26),
        startup_histogram: vec![HistogramBucket { value_ms: 27, count: 28 }],
        live_latency_count: 29,
        live_latency_p50_ms: Some(30),
        live_latency_p90_ms: None,
        live_latency_p95_ms: Some(31),
        live_latency_p99_ms: Some(32),
        live_latency_histogram: vec![
            HistogramBucket { value_ms: 33, count: 34 },
            HistogramBucket { value_ms: 35, count: 36 },
        ],
        bitrate_bits: 37,
        bitrate_ms: 38,
        untracked_sessions: 39,
        untracked_messages: 40,
        freshness: freshness(),
    }
}

pub fn candle(second: i64, revision: i64, is_final: bool, base: &str, quote: &str) -> CandleResult {
    let start = MONDAY + second * 1_000_000;
    CandleResult {
        venue: "binance-spot".into(),
        symbol: "BTCUSDT".into(),
        interval_s: 1,
        window_start: at(start),
        window_end: at(start + 1_000_000),
        is_final,
        revision,
        open: amount("3"),
        high: amount("4.5"),
        low: amount("2"),
        close: amount("4"),
        trade_count: 10,
        base_volume: amount(base),
        quote_volume: quote.parse().expect("a number"),
        taker_buy_count: 6,
        taker_sell_count: 4,
        taker_buy_volume: amount("0.5"),
        taker_sell_volume: amount("0.25"),
        first_trade_id: Some(100),
        last_trade_id: None,
        missing_trade_ids: 1,
        missing_before: Some(2),
        duplicate_trade_count: 3,
        duplicate_volume: amount("0.5"),
        largest_quantity: amount("6"),
        largest_price: amount("1.5"),
        largest_trade_id: Some(7),
        taker_net_volume: amount("-4"),
        taker_volume: amount("10.25"),
        realised_variance: Some(0.0625),
        true_range: amount("2.5"),
        past_candle_count: 20,
        past_base_volume: amount("30"),
        past_true_range: amount("11"),
        is_volume_spike: true,
        is_price_spike: false,
        freshness: freshness(),
    }
}

pub fn flag(number: i64) -> ModerationFlag {
    ModerationFlag {
        flag_id: format!("twitch:m-{number}/links"),
        channel_id: "twitch:10".into(),
        message_id: format!("twitch:m-{number}"),
        event_time: at(MONDAY + number),
        user_id: Some("twitch:20".into()),
        user_name: None,
        text: "see example dot com".into(),
        rule: "links".into(),
        category: "spam".into(),
        severity: 2,
        score: 0.75,
        evidence: "example.com".into(),
        suggested_action: SuggestedAction::TimeOut,
        freshness: freshness(),
    }
}

pub fn dead_letter() -> DeadLetter {
    DeadLetter {
        topic: "events.chat".into(),
        partition: 1,
        offset: 2,
        key: Some(vec![0, 255, 128]),
        value: None,
        reason: "not_wire_format".into(),
        detail: "the value is empty".into(),
        job: "engagement".into(),
        failed_at: at(MONDAY),
    }
}

fn text() -> impl Strategy<Value = String> {
    ".{0,40}"
}

fn counts() -> impl Strategy<Value = BTreeMap<String, i64>> {
    btree_map(".{0,5}", any::<i64>(), 0..4)
}

fn decimal<const SCALE: u32>() -> impl Strategy<Value = Decimal<SCALE>> {
    any::<i128>().prop_map(|units| Decimal::from_units(units % 10i128.pow(38)).expect("fits"))
}

/// Near and far, sane and absurd.
fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        any::<i64>(),
        MONDAY - 4_000_000_000_000_000..MONDAY + 4_000_000_000_000_000,
        MONDAY - 3_000_000_000_000..MONDAY + 300_000_000_000,
    ]
    .prop_map(at)
}

prop_compose! {
    fn any_freshness()(
        times in [time(), time(), time()], job in text(), shard in any::<i32>(), input_offsets in counts(),
    ) -> Freshness {
        let [as_of, watermark, computed_at] = times;
        Freshness { as_of, watermark, computed_at, job, shard, input_offsets }
    }
}

prop_compose! {
    pub fn any_chat()(
        texts in vec(of(text()), 7), event_time in time(), ingest_time in time(), kind in 0..6usize,
        emotes in vec((text(), text(), any::<i32>()), 0..4), words in [vec(text(), 0..4), vec(text(), 0..4)],
        flags in any::<(bool, bool)>(), duration_ms in any::<Option<i64>>(),
    ) -> ChatEvent<'static> {
        use ChatKind::*;
        let words: [Vec<Text<'static>>; 2] = words.map(|words| words.into_iter().map(Text::from).collect());
        let mut texts = texts.into_iter().map(|text| text.map(Text::from));
        let mut next = || texts.next().flatten();
        ChatEvent {
            event_id: next().unwrap_or_default(),
            event_time,
            ingest_time,
            user_id: next(),
            stream_id: next(),
            kind: [Message, MessageDeleted, UserBanned, UserTimedOut, ChatCleared, Unknown][kind],
            text: next(),
            emotes: emotes
                .into_iter()
                .map(|(id, name, count)| Emote { id: id.into(), name: name.into(), count })
                .collect(),
            roles: words[0].clone(),
            badges: words[1].clone(),
            reply_to: next(),
            is_question: flags.0,
            is_first_message: flags.1,
            target_message_id: next(),
            target_user_id: next(),
            duration_ms,
            ..chat(1, "ada")
        }
    }
}

prop_compose! {
    pub fn any_reaction()(
        texts in vec(of(text()), 6), kind in 0..4usize, count in any::<i64>(), amount_micros in any::<Option<i64>>(),
        event_time in time(), ingest_time in time(),
    ) -> ReactionEvent<'static> {
        use ReactionKind::*;
        let mut texts = texts.into_iter().map(|text| text.map(Text::from));
        let mut next = || texts.next().flatten();
        ReactionEvent {
            event_time,
            ingest_time,
            kind: [Emoji, PollVote, Raid, Unknown][kind],
            count,
            amount_micros,
            user_name: next(),
            emoji: next(),
            currency: next(),
            target_id: next(),
            option: next(),
            ..reaction(1)
        }
    }
}

prop_compose! {
    pub fn any_viewer()(
        texts in [of(text()), of(text())], session in text(), kind in 0..5usize,
        longs in any::<(i64, Option<i64>, i64, Option<i64>)>(), ints in any::<(i32, Option<i32>)>(), event_time in time(),
    ) -> ViewerEvent<'static> {
        use ViewerKind::*;
        let [device, country] = texts.map(|text| text.map(Text::from));
        ViewerEvent {
            event_time,
            kind: [Join, Heartbeat, Leave, Quality, Unknown][kind],
            session_id: session.into(),
            watch_ms: longs.0,
            startup_ms: longs.1,
            rebuffer_ms: longs.2,
            live_latency_ms: longs.3,
            rebuffer_count: ints.0,
            bitrate_kbps: ints.1,
            device,
            country,
            ..viewer(1)
        }
    }
}

prop_compose! {
    pub fn any_trade()(
        trade_id in any::<Option<i64>>(), price in decimal(), quantity in decimal(), side in 0..3usize, symbol in text(),
        event_time in time(),
    ) -> TradeEvent<'static> {
        let aggressor = [Aggressor::Buy, Aggressor::Sell, Aggressor::Unknown][side];
        TradeEvent { event_time, trade_id, price, quantity, aggressor, symbol: symbol.into(), ..trade(1, "1", "1") }
    }
}

prop_compose! {
    pub fn any_leaderboard()(
        group in text(), window_start in of(time()), window_end in of(time()), is_final in any::<bool>(),
        revision in any::<i64>(), item_count in any::<i64>(), total_score in decimal(), freshness in any_freshness(),
        entries in vec((text(), text(), decimal(), any::<Option<i32>>()), 0..5),
    ) -> LeaderboardResult {
        let entry = |(rank, (item, label, score, previous_rank))| LeaderboardEntry { rank, item: String::into(item), label: String::into(label), score, previous_rank };
        LeaderboardResult {
            board: "any".to_owned(),
            group,
            window: "rolling".to_owned(),
            window_start,
            window_end,
            is_final,
            revision,
            entries: (1..).zip(entries).map(entry).collect(),
            item_count,
            total_score,
            freshness,
        }
    }
}

prop_compose! {
    pub fn any_engagement()(
        numbers in vec(any::<i64>(), 5), reactions in counts(), money_micros in counts(), window_start in of(time()),
        lists in (vec(any::<(i64, i64, i64)>(), 0..3), vec(any::<(i32, i32)>(), 0..4), vec(any::<(i64, i64)>(), 0..4)),
        flag in any::<bool>(), percentile in any::<Option<i64>>(), freshness in any_freshness(),
    ) -> EngagementResult {
        EngagementResult {
            window_start,
            revision: numbers[0],
            messages: numbers[1],
            peak_concurrent_viewers: numbers[2],
            watch_ms: numbers[3],
            rebuffer_ms: numbers[4],
            reactions,
            money_micros,
            retention: lists.0.into_iter().map(|(age_us, cohort, retained)| RetentionPoint { age_us, cohort, retained }).collect(),
            unique_viewers_is_estimated: flag,
            unique_viewers_sketch: lists.1.into_iter().map(|(register, rank)| SketchRegister { register, rank }).collect(),
            live_latency_p90_ms: percentile,
            live_latency_histogram: lists.2.into_iter().map(|(value_ms, count)| HistogramBucket { value_ms, count }).collect(),
            freshness,
            ..engagement(1, 1, 1)
        }
    }
}

prop_compose! {
    pub fn any_candle()(
        prices in [decimal(), decimal(), decimal(), decimal()], base_volume in decimal(), quote_volume in decimal(),
        window_start in time(), ids in any::<(Option<i64>, Option<i64>, i64, Option<i64>, i64)>(),
        interval_s in any::<i32>(), freshness in any_freshness(), variance in of(0.0..1e300f64), is_spike in any::<bool>(),
        amounts in [decimal(), decimal(), decimal(), decimal(), decimal(), decimal()], count in any::<i32>(),
    ) -> CandleResult {
        let [open, high, low, close] = prices;
        let [duplicate_volume, largest_quantity, taker_net_volume, true_range, past_base_volume, past_true_range] = amounts;
        CandleResult {
            interval_s, window_start, open, high, low, close, base_volume, quote_volume, duplicate_volume,
            largest_quantity, taker_net_volume, true_range, past_base_volume, past_true_range,
            first_trade_id: ids.0,
            last_trade_id: ids.1,
            missing_trade_ids: ids.2,
            missing_before: ids.3,
            largest_trade_id: ids.1,
            duplicate_trade_count: ids.4,
            realised_variance: variance,
            past_candle_count: count,
            is_volume_spike: is_spike,
            freshness,
            ..candle(1, 1, true, "1", "1")
        }
    }
}

prop_compose! {
    pub fn any_flag()(
        texts in [text(), text(), text()], user_id in of(text()), severity in any::<i32>(), score in -1e300..1e300f64,
        event_time in time(), action in 0..6usize, freshness in any_freshness(),
    ) -> ModerationFlag {
        use SuggestedAction::*;
        let [text, evidence, category] = texts;
        let suggested_action = [None, Review, Delete, TimeOut, Ban, Unknown][action];
        ModerationFlag {
            text, evidence, category, user_id, severity, score, event_time, suggested_action, freshness, ..flag(1)
        }
    }
}

prop_compose! {
    pub fn any_dead_letter()(
        key in of(vec(any::<u8>(), 0..9)), value in of(vec(any::<u8>(), 0..300)), offset in any::<i64>(),
        detail in text(), failed_at in time(),
    ) -> DeadLetter {
        DeadLetter { key, value, offset, detail, failed_at, ..dead_letter() }
    }
}
