//! One hand-written value of each kind, and how proptest makes any.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemas::*;

pub fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub fn amount(text: &str) -> Amount {
    text.parse().expect("a number")
}

pub fn chat() -> ChatEvent<'static> {
    ChatEvent {
        event_id: "twitch:m-1".into(),
        event_time: at(1_700_000_000_000_001),
        ingest_time: at(1_700_000_000_100_000),
        source: "twitch".into(),
        channel_id: "twitch:10".into(),
        user_id: Some("twitch:20".into()),
        stream_id: None,
        kind: ChatKind::Message,
        user_name: Some("Ada".into()),
        text: Some("hello Kappa Kappa \u{1f600}".into()),
        emotes: vec![Emote { id: "twitch:25".into(), name: "Kappa".into(), count: 2 }],
        roles: vec!["moderator".into()],
        badges: vec!["subscriber/12".into()],
        reply_to: Some("twitch:m-0".into()),
        is_question: true,
        is_first_message: false,
        target_message_id: None,
        target_user_id: None,
        duration_ms: None,
    }
}

pub fn reaction() -> ReactionEvent<'static> {
    ReactionEvent {
        event_id: "youtube:r-1".into(),
        event_time: at(-1),
        ingest_time: at(1),
        source: "youtube".into(),
        channel_id: "youtube:c".into(),
        user_id: None,
        stream_id: Some("youtube:s".into()),
        kind: ReactionKind::SuperChat,
        count: 1,
        user_name: Some("Grace".into()),
        emoji: None,
        amount_micros: Some(4_990_000),
        currency: Some("EUR".into()),
        target_id: None,
        option: None,
    }
}

pub fn viewer() -> ViewerEvent<'static> {
    ViewerEvent {
        event_id: "api:v-1".into(),
        event_time: at(10),
        ingest_time: at(20),
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
        country: Some("DE".into()),
    }
}

pub fn trade() -> TradeEvent<'static> {
    TradeEvent {
        event_id: "binance-spot:BTCUSDT:1".into(),
        event_time: at(1_723_161_255_342_000),
        ingest_time: at(1_723_161_254_087_896),
        source: "binance-spot".into(),
        channel_id: "binance-spot:BTCUSDT".into(),
        user_id: None,
        stream_id: None,
        trade_id: Some(3_735_683_259),
        price: amount("61837.63"),
        quantity: amount("0.02"),
        aggressor: Aggressor::Sell,
        venue: "binance-spot".into(),
        symbol: "BTCUSDT".into(),
    }
}

pub fn freshness() -> Freshness {
    Freshness {
        as_of: at(60_000_000),
        watermark: at(60_500_000),
        computed_at: at(61_000_000),
        job: "leaderboards".into(),
        shard: 3,
        input_offsets: BTreeMap::from([("events.chat".into(), 42), ("events.reactions".into(), 0)]),
    }
}

pub fn leaderboard() -> LeaderboardResult {
    let entry = LeaderboardEntry {
        rank: 1,
        item: "twitch:20".into(),
        label: "Ada".into(),
        score: amount("12.5"),
        previous_rank: Some(2),
    };
    LeaderboardResult {
        board: "top_chatters".into(),
        group: "twitch:10".into(),
        window: "rolling".into(),
        window_start: Some(at(0)),
        window_end: Some(at(60_000_000)),
        is_final: true,
        revision: 7,
        entries: vec![entry.clone(), LeaderboardEntry { rank: 2, previous_rank: None, ..entry }],
        item_count: 2,
        total_score: amount("25"),
        freshness: freshness(),
    }
}

pub fn engagement() -> EngagementResult {
    EngagementResult {
        channel_id: "twitch:10".into(),
        window_start: Some(at(0)),
        window_end: Some(at(60_000_000)),
        is_final: false,
        revision: 1,
        messages: 3,
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
        retracted_messages: 1,
        presence_us: 70_000_000,
        audience_us: 60_000_000,
        retention: vec![
            RetentionPoint { age_us: 60_000_000, cohort: 4, retained: 3 },
            RetentionPoint { age_us: 300_000_000, cohort: 0, retained: 0 },
        ],
        unique_chatters_is_estimated: true,
        unique_chatters_sketch: vec![SketchRegister { register: 7, rank: 53 }],
        unique_viewers_is_estimated: false,
        unique_viewers_sketch: vec![
            SketchRegister { register: 0, rank: 1 },
            SketchRegister { register: 4095, rank: 2 },
        ],
        startup_count: 3,
        startup_p50_ms: Some(100),
        startup_p90_ms: Some(201),
        startup_p95_ms: Some(201),
        startup_p99_ms: Some(201),
        startup_histogram: vec![
            HistogramBucket { value_ms: 100, count: 2 },
            HistogramBucket { value_ms: 201, count: 1 },
        ],
        live_latency_count: 1,
        live_latency_p50_ms: Some(2_064),
        live_latency_p90_ms: None,
        live_latency_p95_ms: Some(2_064),
        live_latency_p99_ms: Some(2_064),
        live_latency_histogram: vec![HistogramBucket { value_ms: 2_064, count: 1 }],
        bitrate_bits: 48_000_000,
        bitrate_ms: 10_000,
        untracked_sessions: 5,
        untracked_messages: 6,
        freshness: freshness(),
    }
}

pub fn candle() -> CandleResult {
    CandleResult {
        venue: "binance-spot".into(),
        symbol: "BTCUSDT".into(),
        interval_s: 60,
        window_start: at(0),
        window_end: at(60_000_000),
        is_final: true,
        revision: 2,
        open: amount("1"),
        high: amount("3"),
        low: amount("0.5"),
        close: amount("2"),
        trade_count: 4,
        base_volume: amount("10"),
        quote_volume: "20.00000000000000000001".parse().expect("a number"),
        taker_buy_count: 3,
        taker_sell_count: 1,
        taker_buy_volume: amount("7"),
        taker_sell_volume: amount("3"),
        first_trade_id: Some(1),
        last_trade_id: Some(4),
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

pub fn flag() -> ModerationFlag {
    ModerationFlag {
        flag_id: "twitch:m-1/links".into(),
        channel_id: "twitch:10".into(),
        message_id: "twitch:m-1".into(),
        event_time: at(5),
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
        failed_at: at(9),
    }
}

pub fn partial() -> BoardPartial {
    let score = PartialScore {
        item: "twitch:20".into(),
        label: Some("Ada".into()),
        user_id: None,
        pane: Some(at(0)),
        gained: "12.5".parse().expect("a number"),
        reached: Some(at(7)),
        visible_from: Some(at(8)),
        lost: Quote::ZERO,
    };
    let taken_back = PartialScore {
        label: None,
        user_id: Some("twitch:21".into()),
        gained: Quote::ZERO,
        reached: None,
        visible_from: None,
        lost: "0.00000000000000000001".parse().expect("a number"),
        ..score.clone()
    };
    BoardPartial {
        event_id: "leaderboards/3/top_channels/global/10/0".into(),
        kind: PartialKind::Scores,
        shard_count: 4,
        board: Some("top_channels".into()),
        group: Some("global".into()),
        scores: vec![score, taken_back],
        freshness: freshness(),
    }
}

prop_compose! {
    pub fn any_chat()(
        id in ".{0,12}", user in proptest::option::of(".{0,8}"), text in proptest::option::of(".{0,80}"),
        event_time in any::<i64>(), kind in 0..6u8, roles in proptest::collection::vec("[a-z]{0,9}", 0..4),
        emotes in proptest::collection::vec((".{0,5}", any::<i32>()), 0..4), flags in any::<(bool, bool)>(),
        duration_ms in any::<Option<i64>>(),
    ) -> ChatEvent<'static> {
        use ChatKind::*;
        ChatEvent {
            event_id: id.into(),
            event_time: at(event_time),
            user_id: user.map(Text::from),
            kind: [Message, MessageDeleted, UserBanned, UserTimedOut, ChatCleared, Unknown][kind as usize],
            text: text.map(Text::from),
            emotes: emotes.into_iter().map(|(name, count)| Emote { id: "e".into(), name: name.into(), count }).collect(),
            roles: roles.into_iter().map(Text::from).collect(),
            is_question: flags.0,
            is_first_message: flags.1,
            duration_ms,
            ..chat()
        }
    }
}

prop_compose! {
    pub fn any_trade()(price in any::<i128>(), quantity in any::<i128>(), trade_id in any::<Option<i64>>(), side in 0..3u8)
    -> TradeEvent<'static> {
        let fit = |units: i128| Amount::from_units(units % 10i128.pow(38)).expect("fits");
        TradeEvent {
            trade_id,
            price: fit(price),
            quantity: fit(quantity),
            aggressor: [Aggressor::Buy, Aggressor::Sell, Aggressor::Unknown][side as usize],
            ..trade()
        }
    }
}
