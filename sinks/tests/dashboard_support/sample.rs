//! An hour of results of some channels and two markets, written by hand and by arithmetic: the same on every run but
//! for the hour it ends in. Among them strangers' text at its worst.

use std::collections::BTreeMap;

use schemas::{ChatEvent, ChatKind, LeaderboardResult, ModerationFlag, RetentionPoint, SuggestedAction};

use super::{Results, amount, at, board, candle, engagement, flag, freshness, message};

pub const CHANNEL: &str = "twitch:aurora_live";
pub const MARKET: &str = "binance-spot:BTCUSDT";
pub const MARKUP: &str =
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";

/// A channel whose name is markup, with what separates the keys of a group in it.
pub const HOSTILE_CHANNEL: &str = "web:<img src=x onerror=alert(1)>/50%";

const CHANNELS: [&str; 15] = [
    "twitch:aurora_live",
    "youtube:deep-sea-lab",
    "twitch:speedrun_hub",
    "webinar:kafka-at-noon",
    "twitch:chess_arena",
    "youtube:late-kitchen",
    "twitch:retro_cabinet",
    "webinar:quarterly-results",
    "twitch:pixel_garden",
    "youtube:synth-workshop",
    "twitch:rally_cam",
    "webinar:rust-in-production",
    "youtube:night-sky",
    "twitch:tiny_desk",
    HOSTILE_CHANNEL,
];
const CHATTERS: [&str; 12] = [
    "Ada",
    "mira_k",
    "Grace",
    "solstice",
    "NordicFox",
    "päivi",
    "quiet_storm",
    "Linus",
    "jun_9",
    "Tomasz",
    "ember",
    "oki",
];
const EMOTES: [&str; 12] = [
    "Kappa",
    "PogChamp",
    "LUL",
    "catJAM",
    "HeyGuys",
    "BibleThump",
    "🎉",
    "🔥",
    "monkaS",
    "GG",
    "❤️",
    "5Head",
];

/// The board's k entries at step `step`: scores drift, so that ranks change.
pub fn standings(name: &str, end_s: Option<i64>, step: i64) -> LeaderboardResult {
    let labels = if name == "top_emotes" { &EMOTES } else { &CHATTERS };
    let scale = if end_s.is_some() { 1 } else { 37 };
    let score = |index: usize, step: i64| {
        let index = index as i64;
        (160 / (index + 2) + (index * 7 + step * (3 + index % 4)) % 23) * scale + index % 5
    };
    let ranked = |step: i64| {
        let mut scores: Vec<_> =
            labels.iter().enumerate().map(|(index, label)| (*label, score(index, step))).collect();
        scores.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        scores
    };
    let before = ranked(step - 1);
    let mut result = board(name, CHANNEL, end_s, &ranked(step)[..10]);
    rank_before(&mut result, &before[..10]);
    result.item_count = 1_284 * scale;
    result
}

fn rank_before(result: &mut LeaderboardResult, before: &[(&str, i64)]) {
    for entry in &mut result.entries {
        let at = before.iter().position(|(label, _)| **label == *entry.label);
        entry.previous_rank = at.map(|index| index as i32 + 1);
    }
}

/// A board whose items are known by their label, as channels and symbols are; every second pair has changed places.
fn board_of_names(
    name: &str,
    group: &str,
    end_s: i64,
    entries: &[(&str, i64)],
    score_scale: i64,
) -> LeaderboardResult {
    let mut result = board(name, group, Some(end_s), entries);
    for (index, entry) in result.entries.iter_mut().enumerate() {
        entry.item.clone_from(&entry.label);
        let rank = entry.rank;
        entry.previous_rank = Some(match index % 4 {
            0 => rank + i32::from(index + 1 < entries.len()),
            1 => rank - 1,
            _ => rank,
        });
        entry.score =
            amount(&format!("{}.{:02}", entries[index].1 / score_scale, entries[index].1 % score_scale));
    }
    result
}

/// Boards over all channels and markets, and those of the channel that have further keys.
fn more_boards(results: &mut Results, minute_s: i64, now_s: i64) {
    let channels: Vec<(&str, i64)> =
        CHANNELS.iter().enumerate().map(|(index, name)| (*name, 90_000 / (index as i64 + 2))).collect();
    let growth: Vec<(&str, i64)> =
        CHANNELS.iter().rev().enumerate().map(|(index, name)| (*name, 740 / (index as i64 + 2))).collect();
    let symbols = [(MARKET, 12_833_210_755), ("binance-spot:ETHUSDT", 4_410_288_320)];
    results.put("global", &board_of_names("most_active_channels", "global", minute_s, &channels, 1));
    results.put("global", &board_of_names("trending_channels", "global", minute_s, &growth, 100));
    results.put("global", &board_of_names("most_traded_symbols", "global", minute_s, &symbols, 100));
    for (currency, scale) in [("EUR", 3), ("JPY", 400), ("USD", 5)] {
        let givers: Vec<(&str, i64)> = CHATTERS
            .iter()
            .take(7)
            .enumerate()
            .map(|(i, name)| (*name, 90 * scale / (i as i64 + 1)))
            .collect();
        let group = format!("{CHANNEL}/{currency}");
        results.put(CHANNEL, &board("top_givers", &group, Some(minute_s), &givers));
    }
    let escaped = HOSTILE_CHANNEL.replace('%', "%25").replace('/', "%2F");
    for (channel, poll, began_s) in [
        (CHANNEL, "map-vote", now_s - 2_000),
        (CHANNEL, "next game/2", now_s - 200),
        (&*escaped, "p", now_s - 90),
    ] {
        let group = format!("{channel}/{}", poll.replace('/', "%2F"));
        let votes = [("Ancient ruins", 412), ("<s>Harbour</s>", 388), ("Glacier", 97)];
        let mut made = board("poll_results", &group, Some(now_s), &votes);
        made.window = "session".to_owned();
        made.window_start = Some(at(began_s * 1_000_000));
        results.put(channel, &made);
    }
    // jobs know a question by its id, and so do their boards
    let questions = [("q-1", 31), (MARKUP, 12), ("q-gone", 9)];
    results.put(CHANNEL, &board("top_questions", CHANNEL, Some(minute_s), &questions));
    let trades = [("#4410127 · 3.2 at 61,837.63", 197_880), ("#4410090", 88_020), ("#4409811", 41_250)];
    results.put("BTCUSDT", &board("biggest_trades", MARKET, Some(minute_s), &trades));
    chat(results, now_s);
}

/// What is said: questions, strangers' text at its worst, and something that is taken back.
fn chat(results: &mut Results, now_s: i64) {
    let question =
        |id, ago_s: i64, text| ChatEvent { is_question: true, ..message(CHANNEL, id, now_s - ago_s, text) };
    results.put(CHANNEL, &question("twitch:q-1", 3_000, "How do you light the studio?"));
    results.put(CHANNEL, &message(CHANNEL, "hostile", now_s - 50, MARKUP));
    results.put(CHANNEL, &message(CHANNEL, "control", now_s - 49, "\u{202e}\u{7}\u{0}\u{1b}[31m"));
    results.put(CHANNEL, &message(CHANNEL, "heap", now_s - 48, &format!("Z{}", "\u{301}".repeat(5_000))));
    results.put(CHANNEL, &message(CHANNEL, "deleted", now_s - 47, "taken back"));
    let action = ChatEvent {
        kind: ChatKind::MessageDeleted,
        target_message_id: Some("deleted".into()),
        text: None,
        ..message(CHANNEL, "action", now_s - 46, "")
    };
    results.put(CHANNEL, &action);
    for number in 0..60 {
        let text = format!("message number {number}");
        results.put(CHANNEL, &message(CHANNEL, &format!("talk-{number}"), now_s - 200 + number, &text));
    }
    results.put(CHANNELS[1], &message(CHANNELS[1], "elsewhere", now_s - 10, "in another channel"));
}

/// Engagement of channel number `index` in the minute that starts at `start_s`.
pub fn minute(index: usize, start_s: i64) -> schemas::EngagementResult {
    let wave = ((start_s / 60) as f64 / 7.0 + index as f64).sin();
    let viewers = (9_400.0 / (index as f64 + 1.0) * (1.0 + 0.12 * wave)) as i64 + (start_s / 60) % 13;
    let messages = viewers / 14 + (start_s / 60 * 37 + index as i64) % 90;
    let mut result = engagement(CHANNELS[index], start_s, messages, viewers);
    result.reactions = BTreeMap::from([
        ("emoji".to_owned(), messages * 2),
        ("like".to_owned(), messages),
        ("cheer".to_owned(), messages / 9),
        ("gift".to_owned(), messages / 40),
        ("subscription".to_owned(), messages / 55),
        ("raid".to_owned(), 1),
    ]);
    result.money_micros = BTreeMap::from([
        ("EUR".to_owned(), messages * 31_250),
        ("JPY".to_owned(), messages * 4_000_000),
        ("USD".to_owned(), messages * 52_000),
    ]);
    let retained = |minutes: i64, share: i64| RetentionPoint {
        age_us: minutes * 60_000_000,
        cohort: viewers / (minutes + 1),
        retained: viewers / (minutes + 1) * share / 100,
    };
    result.retention = [(1, 91), (2, 84), (5, 71), (10, 60), (15, 55), (30, 43), (60, 31)]
        .map(|(m, s)| retained(m, s))
        .into();
    let slower = (40.0 * wave) as i64;
    (result.startup_count, result.live_latency_count) = (viewers / 8, viewers * 6);
    (result.startup_p50_ms, result.startup_p95_ms) = (Some(620 + slower), Some(2_140 + 4 * slower));
    (result.live_latency_p50_ms, result.live_latency_p95_ms) =
        (Some(3_900 + 3 * slower), Some(8_600 + 9 * slower));
    (result.bitrate_ms, result.bitrate_bits) = (viewers * 60_000, viewers * 60_000 * (4_350 - 4 * slower));
    result.rebuffer_ms = viewers * (230 + 4 * slower);
    result.is_final = true;
    result
}

fn flags(now_s: i64) -> Vec<ModerationFlag> {
    let overlong = format!("tall{}", "\u{0301}\u{0489}".repeat(2_500));
    let long = format!("word{}", "!".repeat(400));
    let texts: [(&str, &str, &str, i32, &str, &str); 9] = [
        (
            "links",
            "scam",
            "free skins at example dot com, dm me",
            3,
            "deobfuscated domain example.com",
            "Mallory",
        ),
        ("repeated_text", "spam", "BUY NOW BUY NOW BUY NOW", 2, "said 9 times in 30 s", "promo_4411"),
        (
            "terms",
            "profanity",
            "what the h3ck is this frame rate",
            1,
            "`heck` after normalisation of `h3ck`",
            "grumpy_gus",
        ),
        ("terms", "profanity", MARKUP, 4, "<b>bold evidence</b>", "<b onclick=alert(1)>eve</b>"),
        ("terms", "spam", &overlong, 2, "combining marks", "zalgo"),
        (
            "terms",
            "hate",
            "left \u{202e}thgir\u{202c} and \u{7}bell \u{0}null \u{1b}[31m",
            3,
            "direction controls",
            "trickster",
        ),
        ("links", "scam", "שלום, היכנסו לכאן: example.org", 3, "link to example.org", "משתמש"),
        ("repeated_text", "spam", &long, 1, "one character 400 times", "keyboard_cat"),
        (
            "links",
            "self_promotion",
            "new video is up, see example.net/watch",
            0,
            "link to example.net",
            "tiny_creator",
        ),
    ];
    let actions = [SuggestedAction::Ban, SuggestedAction::Delete, SuggestedAction::Review];
    let made = texts.iter().enumerate().map(|(index, (rule, category, text, severity, evidence, user))| {
        let mut made = flag(CHANNEL, &format!("message-{index}"), now_s - 40 * (index as i64 + 1), text);
        made.flag_id = format!("message-{index}/{rule}");
        (made.rule, made.category) = ((*rule).to_owned(), (*category).to_owned());
        (made.severity, made.evidence) = (*severity, (*evidence).to_owned());
        made.user_name = Some((*user).to_owned());
        made.score = 0.6 + 0.04 * index as f64;
        made.suggested_action = actions[index % 3];
        made
    });
    made.collect()
}

/// A market's candles from a price that wanders by arithmetic.
fn candles(results: &mut Results, symbol: &str, interval_s: i32, count: i64, now_s: i64, price: i64) {
    let mut open = price;
    let first = now_s - now_s % i64::from(interval_s) - (count - 1) * i64::from(interval_s);
    for index in 0..count {
        let step = ((index * 7_919) % 211 - 105) * price / 400_000
            + ((index as f64 / 19.0).sin() * price as f64 / 9_000.0) as i64;
        let start = first + index * i64::from(interval_s);
        let mut made = candle(symbol, interval_s, start, open, open + step);
        made.freshness = freshness((start + i64::from(interval_s)).min(now_s));
        made.past_candle_count = 20;
        (made.past_base_volume, made.past_true_range) = (amount("800"), amount("40"));
        let from_end = count - index;
        (made.missing_trade_ids, made.missing_before) =
            if from_end == 12 { (7, Some(2)) } else { (0, Some(i64::from(from_end == 30))) };
        made.is_volume_spike = from_end == 8 || from_end == 9;
        made.is_price_spike = from_end == 9;
        if made.is_volume_spike {
            made.base_volume = amount("320");
            made.quote_volume = made.open.checked_mul(made.base_volume).expect("fits");
        }
        results.put(symbol, &made);
        open += step;
    }
}

/// Everything that is there before the page is opened. `now_s`: the second at which it ends.
pub fn hour(results: &mut Results, now_s: i64) {
    let minute_s = now_s - now_s % 60;
    for (index, channel) in CHANNELS.iter().enumerate() {
        for back in (1..=60).rev() {
            results.put(channel, &minute(index, minute_s - back * 60));
        }
    }
    for name in ["top_chatters", "top_emotes"] {
        results.put(CHANNEL, &standings(name, Some(minute_s), 4));
        results.put(CHANNEL, &standings(name, None, 4));
    }
    more_boards(results, minute_s, now_s);
    for (interval_s, count) in [(1, 180), (60, 180), (300, 120), (3_600, 60), (86_400, 14)] {
        candles(results, "BTCUSDT", interval_s, count, now_s, 6_183_763);
        candles(results, "ETHUSDT", interval_s, count, now_s, 268_011);
    }
    let mut elsewhere = flag("youtube:night-sky", "elsewhere", now_s - 20, "buy viewers dot example");
    (elsewhere.rule, elsewhere.severity) = ("links".to_owned(), 3);
    results.put("youtube:night-sky", &elsewhere);
    for flag in flags(now_s) {
        results.put(CHANNEL, &flag);
    }
}

/// What comes at step `step` while the page is open: a new minute in which the last channels have overtaken the others,
/// boards with other ranks, a candle, a flag.
pub fn news(results: &mut Results, minute_s: i64, now_s: i64, step: i64) {
    for (index, channel) in CHANNELS.iter().enumerate().rev() {
        let mut window = minute(index, minute_s);
        window.is_final = false;
        if index == 0 {
            (window.concurrent_viewers, window.messages) = (54_321, 987);
        } else if index as i64 == 3 + step % 2 {
            window.concurrent_viewers = 30_000 + step;
        }
        window.freshness = freshness(now_s + step);
        results.put(channel, &window);
    }
    for name in ["top_chatters", "top_emotes"] {
        results.put(CHANNEL, &standings(name, Some(minute_s + 10 * step), step));
    }
    let channels: Vec<(&str, i64)> =
        CHANNELS.iter().enumerate().map(|(index, name)| (*name, 90_000 / (index as i64 + 2))).collect();
    let mut active = board_of_names("most_active_channels", "global", minute_s + 10 * step, &channels, 1);
    let scores: Vec<_> = active.entries.iter().map(|entry| entry.score).collect();
    active.entries[..6].rotate_left(step as usize % 5 + 1);
    for (index, entry) in active.entries.iter_mut().enumerate() {
        (entry.rank, entry.score) = (index as i32 + 1, scores[index]);
    }
    results.put("global", &active);
    let mut made = candle("BTCUSDT", 1, now_s + step, 6_190_000, 6_190_000 + 100 * step);
    made.freshness = freshness(now_s + step);
    results.put("BTCUSDT", &made);
    results.put(CHANNEL, &flag(CHANNEL, &format!("live-{step}"), now_s + step, "flagged just now"));
    results.put(
        CHANNEL,
        &message(CHANNEL, &format!("live-{step}"), now_s + step, &format!("said in step {step}")),
    );
}
