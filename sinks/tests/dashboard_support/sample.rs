//! An hour of results of some channels and two markets, written by hand and by arithmetic: the same on every run but
//! for the hour it ends in. Among them strangers' text at its worst.

use std::collections::BTreeMap;

use schemas::{LeaderboardResult, ModerationFlag, SuggestedAction};

use super::{Results, board, candle, engagement, flag, freshness};

pub const CHANNEL: &str = "twitch:aurora_live";
pub const MARKET: &str = "binance-spot:BTCUSDT";
pub const MARKUP: &str =
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";

const CHANNELS: [&str; 14] = [
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
    for entry in &mut result.entries {
        let at = before[..10].iter().position(|(label, _)| *label == entry.label);
        entry.previous_rank = at.map(|index| index as i32 + 1);
    }
    result.item_count = 1_284 * scale;
    result
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
    for interval_s in [1, 60] {
        candles(results, "BTCUSDT", interval_s, 180, now_s, 6_183_763);
        candles(results, "ETHUSDT", interval_s, 180, now_s, 268_011);
    }
    for flag in flags(now_s) {
        results.put(CHANNEL, &flag);
    }
}
