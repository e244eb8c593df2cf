//! The query that computes a board's final records again from the raw events.
//!
//! It follows the definitions and not the processors: every event once, visible from the later of its event time and the largest
//! before it in its partition less the lateness; in every window that contains it, was open to it, and did not see it taken back
//! by the window's end; places by score, then by who reached it first, then by item. The bounds of sessions follow from the events too.
//!
//! Always holds: the query returns a row for each record that differs, with both versions of its places. Does not know: ClickHouse's
//! answer.

use processors::config::{
    BoardConfig, BoardField, BoardGroup, BoardItem, BoardScore, BoardSource, GrowthConfig, JobConfig,
    WindowConfig,
};

/// Why the records of a board are not compared.
pub(super) type NotCompared = &'static str;

/// The query, for a board whose records name the job `job`: the configured one, or its second stage.
pub(super) fn query(job: &str, config: &JobConfig, board: &BoardConfig) -> Result<String, NotCompared> {
    let (lateness_us, skew_us) = (config.lateness.micros(), config.future_skew.micros());
    let value = value(board);
    let placed = placed(board, &windows(board)?);
    let (table, topic_rank) = match board.source {
        BoardSource::Chat => ("chat_events", "offset"),
        BoardSource::Reactions => ("reaction_events", "999999999999"),
        BoardSource::Viewers => ("viewer_events", "0"),
        BoardSource::Trades => ("trade_events", "0"),
    };
    let retracted = if board.retracts() { retracted(board.source) } else { NOT_RETRACTED.to_owned() };
    let retractions = if board.retracts() { RETRACTIONS } else { "" };
    let (group, item, filter) = (group(board), item(board.item), filter(board));
    let seen = |table: &str| {
        format!(
            "SELECT *, max(time_us) OVER (PARTITION BY topic, partition ORDER BY offset
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - {lateness_us} AS watermark_us,
            greatest(time_us, watermark_us) AS visible_us
        FROM (SELECT *, least(toUnixTimestamp64Micro(event_time), toUnixTimestamp64Micro(ingest_time) + {skew_us}) AS time_us
            FROM {table} FINAL ORDER BY offset LIMIT 1 BY topic, partition, event_id)"
        )
    };
    let chat_seen =
        if board.retracts() { format!("chat_seen AS ({}),", seen("chat_events")) } else { String::new() };
    Ok(format!(
        "WITH
    published AS (
        SELECT `group` AS name, toUnixTimestamp64Micro(assumeNotNull(window_start)) AS start_us,
            toUnixTimestamp64Micro(assumeNotNull(window_end)) AS end_us,
            arrayMap(place -> (place.2, place.3), arraySort(groupArray((rank, item, toString(score))))) AS places
        FROM final_leaderboards WHERE board = {board} AND job = {job} GROUP BY `group`, window_start, window_end
    ),
    {chat_seen}
    {retractions}
    contributions AS (
        SELECT channel_id, {group} AS name, assumeNotNull({item}) AS item, {value} AS value, time_us, visible_us,
            ifNull(user_id, '') AS user, event_id, offset, toDecimal128(visible_us, 0) * 1000000000000 + {topic_rank} AS position
        FROM ({seen}) WHERE {filter} AND name IS NOT NULL AND ({item}) IS NOT NULL AND value > 0
    ),
    kept AS ({retracted}),
    placed AS ({placed}),
    recomputed AS (
        SELECT name, start_us, end_us, arrayMap(place -> (place.3, toString(toDecimal128(-place.1, 10))),
            arraySort(groupArray((-score, reached, item)))) AS everybody, arraySlice(everybody, 1, {k}) AS places
        FROM placed GROUP BY name, start_us, end_us
    )
SELECT {board} AS board, name AS `group`, end_us, p.places AS published, r.places AS recomputed
FROM published AS p LEFT JOIN recomputed AS r USING (name, start_us, end_us)
WHERE {differs}",
        differs = if counts_users(board) { DIFFERS_BUT_FOR_TIES } else { "published != recomputed" },
        board = quoted(&board.name),
        job = quoted(job),
        seen = seen(table),
        k = board.k,
    ))
}

/// Who among equals comes first depends, where users are counted, on those who have left since: their order is not compared. Every
/// score is, and that nobody who is not shown has more.
const DIFFERS_BUT_FOR_TIES: &str = "arrayMap(place -> place.2, published) != arrayMap(place -> place.2, recomputed)
    OR NOT arrayAll(place -> has(r.everybody, place), published) OR length(arrayDistinct(published.1)) != length(published)";

/// Whether users are what counts.
fn counts_users(board: &BoardConfig) -> bool {
    matches!(board.score, BoardScore::DistinctUsers | BoardScore::Votes)
}

/// Every item with its score in every window, from contributions in their windows.
fn placed(board: &BoardConfig, windows: &str) -> String {
    let seen = format!(
        "(SELECT * FROM (SELECT *, retracted_us >= end_us AS is_kept FROM {windows}) WHERE visible_us < end_us)"
    );
    if board.score == BoardScore::Votes {
        return format!(
            "SELECT name, start_us, end_us, choice AS item, toDecimal256(count(), 20) AS score, max(voted_us) AS reached
            FROM (
                SELECT name, start_us, end_us, argMax(item, (time_us, visible_us, offset)) AS choice, max(time_us) AS voted_us
                FROM {seen} WHERE is_kept GROUP BY name, start_us, end_us, user)
            GROUP BY name, start_us, end_us, item"
        );
    }
    let (score, reached) = match board.score {
        BoardScore::Largest(_) => {
            ("maxIf(value, is_kept)".to_owned(), "argMinIf(time_us, (-value, time_us), is_kept)")
        }
        BoardScore::DistinctUsers => {
            ("toDecimal256(uniqExactIf(user, is_kept), 20)".to_owned(), "max(time_us)")
        }
        // What was taken back does not move the instant back.
        BoardScore::Growth(growth) => (growth_of(board, growth), "max(time_us)"),
        _ => ("sumIf(value, is_kept)".to_owned(), "max(time_us)"),
    };
    format!(
        "SELECT name, start_us, end_us, item, {score} AS score, {reached} AS reached
        FROM {seen} GROUP BY name, start_us, end_us, item HAVING score > 0"
    )
}

/// What takes messages and users back, in the order in which it becomes visible.
const RETRACTIONS: &str = "retractions AS (
        SELECT channel_id, kind, ifNull(target_message_id, '') AS message, ifNull(target_user_id, '') AS target, visible_us,
            toDecimal128(visible_us, 0) * 1000000000000 + offset AS position
        FROM chat_seen WHERE kind != 'message'
    ),";

/// Far ahead: never taken back.
const NOT_RETRACTED: &str = "SELECT *, 9000000000000000000 AS retracted_us FROM contributions";

/// What is needed of a contribution; the joined tables have columns of the same names.
const OF_CONTRIBUTION: &str = "c.name AS name, c.item AS item, c.value AS value, c.time_us AS time_us, c.visible_us AS visible_us, c.user AS user, c.offset AS offset";

/// Contributions with the instant at which they are taken back.
fn retracted(source: BoardSource) -> String {
    let next = |kinds: &str, extra: &str| {
        format!(
            "ASOF LEFT JOIN (SELECT channel_id, message, target, visible_us, position FROM retractions WHERE kind IN ({kinds})) AS {extra}"
        )
    };
    let user = next(
        "'user_banned', 'user_timed_out'",
        "u ON c.channel_id = u.channel_id AND c.user = u.target AND c.position < u.position",
    );
    let when = |name: &str| format!("if({name}.visible_us = 0, 9000000000000000000, {name}.visible_us)");
    if source != BoardSource::Chat {
        return format!(
            "SELECT {OF_CONTRIBUTION}, {} AS retracted_us FROM contributions AS c {user}",
            when("u")
        );
    }
    let message = next(
        "'message_deleted'",
        "m ON c.channel_id = m.channel_id AND c.event_id = m.message AND c.position < m.position",
    );
    let all = next("'chat_cleared'", "a ON c.channel_id = a.channel_id AND c.position < a.position");
    format!(
        "SELECT {OF_CONTRIBUTION}, least({}, {}, {}) AS retracted_us FROM contributions AS c {user} {message} {all}",
        when("u"),
        when("m"),
        when("a")
    )
}

/// What the window has, as a multiple of what the time before it had in as long; see `growth` in the configuration.
fn growth_of(board: &BoardConfig, growth: GrowthConfig) -> String {
    let (length, before) = (length(&board.window), growth.before.micros());
    let sum = |condition: &str| format!("toInt256(sumIf(value, is_kept AND time_us {condition} start_us))");
    let (window_sum, before_sum) = (sum(">="), sum("<"));
    let expected = format!("greatest({before_sum} * {length}, toInt256({}) * {before})", growth.minimum);
    let units = format!("intDiv({window_sum} * {before} * 10000000000, {expected})");
    format!(
        "toDecimal256(if({window_sum} > 0, greatest({units}, toInt256(1)), toInt256(0)), 10) / 10000000000"
    )
}

/// Of a rolling or tumbling window.
fn length(window: &WindowConfig) -> i64 {
    match window {
        WindowConfig::Rolling { length, .. } | WindowConfig::Tumbling { length } => length.micros(),
        _ => 0,
    }
}

/// Contributions in each of their windows and, of a growth, in each that they come before.
fn windows(board: &BoardConfig) -> Result<String, NotCompared> {
    let before = match board.score {
        BoardScore::Growth(growth) => growth.before.micros(),
        _ => 0,
    };
    let (length, slide) = match &board.window {
        WindowConfig::Rolling { length, slide } => (length.micros(), slide.micros()),
        WindowConfig::Tumbling { length } => (length.micros(), length.micros()),
        WindowConfig::Fixed { .. } | WindowConfig::Calendar { .. } => {
            return Ok("(SELECT * FROM kept
            INNER JOIN (SELECT name AS published_name, start_us, end_us FROM published) AS windows ON name = published_name
            WHERE time_us >= start_us AND time_us < end_us)"
                .to_owned());
        }
        WindowConfig::Session { gap } => return Ok(sessions(gap.micros(), board.score == BoardScore::Votes)),
        WindowConfig::AllTime => return Err("boards of all time are never final"),
    };
    Ok(format!(
        "(SELECT *, arrayJoin(range(1, {})) * {slide} + time_us - positiveModulo(time_us, {slide}) AS end_us, end_us - {length} AS start_us FROM kept)",
        (length + before) / slide + 1
    ))
}

/// Contributions in the sessions of their groups. In the order of visibility, what comes at the end of a session or after it begins the
/// next. A vote that a later one of its user had already overtaken moves no bounds; votes that the same ban takes back belong together.
fn sessions(gap_us: i64, are_votes: bool) -> String {
    let before = "ORDER BY visible_us, offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING";
    let overtaken = if are_votes {
        format!("max(time_us) OVER (PARTITION BY name, session, user, retracted_us {before}) > time_us")
    } else {
        "false".to_owned()
    };
    format!(
        "(SELECT *, min(if(is_overtaken, 9000000000000000000, time_us)) OVER (PARTITION BY name, session) AS start_us,
            max(time_us) OVER (PARTITION BY name, session) + {gap_us} AS end_us
        FROM (SELECT *, {overtaken} AS is_overtaken
        FROM (SELECT *, sum(is_first) OVER (PARTITION BY name ORDER BY visible_us, offset) AS session
        FROM (SELECT *, visible_us >= max(time_us) OVER (PARTITION BY name {before}) + {gap_us} AS is_first
        FROM kept WHERE time_us + {gap_us} > visible_us))))"
    )
}

fn group(board: &BoardConfig) -> String {
    let groups = board.groups();
    let column = |group: &BoardGroup| match group {
        BoardGroup::Global => "'global'",
        BoardGroup::Channel | BoardGroup::Symbol => "channel_id",
        BoardGroup::Currency => "currency",
        BoardGroup::Poll => "target_id",
        BoardGroup::Country => "country",
    };
    if let [only] = groups.as_slice() {
        return column(only).to_owned();
    }
    let parts = groups
        .iter()
        .map(|group| format!("replaceAll(replaceAll({}, '%', '%25'), '/', '%2F')", column(group)));
    parts.collect::<Vec<_>>().join(" || '/' || ")
}

fn item(item: BoardItem) -> &'static str {
    match item {
        BoardItem::User => "user_id",
        BoardItem::Channel | BoardItem::Symbol => "channel_id",
        BoardItem::Emote => "(arrayJoin(emotes) AS emote).name",
        BoardItem::Emoji => "if(kind = 'emoji', emoji, NULL)",
        BoardItem::Reaction => "kind",
        BoardItem::PollOption => "if(kind = 'poll_vote', option, NULL)",
        BoardItem::Question => "if(kind = 'question_upvote', target_id, NULL)",
        BoardItem::Target => "target_id",
        BoardItem::Country => "country",
        BoardItem::Device => "device",
        BoardItem::Trade => "event_id",
        BoardItem::Aggressor => "aggressor",
    }
}

/// A contribution's value, as a decimal.
fn value(board: &BoardConfig) -> &'static str {
    match (board.score, board.source) {
        (BoardScore::DistinctUsers | BoardScore::Votes, _) => "toDecimal256(1, 20)",
        (BoardScore::Count | BoardScore::Growth(_), BoardSource::Chat) if board.item == BoardItem::Emote => {
            "toDecimal256(emote.count, 20)"
        }
        (BoardScore::Count | BoardScore::Growth(_), BoardSource::Reactions)
        | (BoardScore::Sum(BoardField::Count) | BoardScore::Largest(BoardField::Count), _) => {
            "toDecimal256(if(kind = 'raid', 1, count), 20)"
        }
        (BoardScore::Count | BoardScore::Growth(_), _) => "toDecimal256(1, 20)",
        (BoardScore::Sum(field) | BoardScore::Largest(field), _) => match field {
            BoardField::Money => "toDecimal256(ifNull(amount_micros, 0), 20) / 1000000",
            BoardField::Quantity => "toDecimal256(quantity, 20)",
            BoardField::Price => "toDecimal256(price, 20)",
            BoardField::Notional => "toDecimal256(price, 10) * toDecimal256(quantity, 10)",
            BoardField::Count | BoardField::WatchMs => "toDecimal256(watch_ms, 20)",
        },
    }
}

/// Which events count.
fn filter(board: &BoardConfig) -> String {
    let filter = &board.filter;
    let columns = [
        ("kind", &filter.kind),
        ("channel_id", &filter.channel),
        ("source", &filter.source),
        ("emoji", &filter.emoji),
        ("currency", &filter.currency),
        ("target_id", &filter.target),
        ("country", &filter.country),
        ("device", &filter.device),
        ("venue", &filter.venue),
        ("symbol", &filter.symbol),
        ("aggressor", &filter.aggressor),
    ];
    let list = |values: &[String]| values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ");
    let mut conditions: Vec<String> = columns
        .iter()
        .filter_map(|(column, values)| Some(format!("{column} IN ({})", list(values.as_deref()?))))
        .collect();
    if board.source == BoardSource::Chat {
        conditions.push("kind = 'message'".to_owned());
    }
    if let Some(roles) = &filter.role {
        conditions.push(format!("hasAny(roles, [{}])", list(roles)));
    }
    if let Some(badges) = &filter.badge {
        let badges = list(badges);
        conditions.push(format!("(hasAny(badges, [{badges}]) OR hasAny(arrayMap(badge -> splitByChar('/', badge)[1], badges), [{badges}]))"));
    }
    if let Some(is_question) = filter.is_question {
        conditions.push(format!("is_question = {is_question}"));
    }
    if counts_users(board) {
        conditions.push("user_id IS NOT NULL".to_owned());
    }
    if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") }
}

/// A text as SQL writes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
