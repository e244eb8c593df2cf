-- The second opinion on engagement: computes every metric of every final window again, from the raw events alone, and returns the
-- windows in which one differs: channel, window, and the list of (metric, published, recomputed).
--
-- Parameters: job, and what it is configured with: lateness_us, future_skew_us, window_us, emit_every_us, heartbeat_timeout_us.
-- It takes the windows and the ages of the retention curve from the results. It goes through all raw events: add a condition to
-- `published` and to the three tables for a part of them.
--
-- Not compared: figures of a window that met a limit (distinct_max, messages_max, sessions_max), where they depend on it. Assumed:
-- a shard's partitions were never idle for so long that the clock made events late, and ids came again within dedup_for only.
WITH
    published AS (
        SELECT *, toUnixTimestamp64Micro(assumeNotNull(window_start)) AS start_us,
            toUnixTimestamp64Micro(assumeNotNull(window_end)) AS end_us
        FROM engagement_by_window
        WHERE is_final AND job = {job:String}
    ),
    -- Every event once, with its event time as the job takes it, in the order of its partition.
    chat_once AS (
        SELECT channel_id, kind, event_id, user_id, target_message_id, target_user_id, topic, partition, offset,
            least(toUnixTimestamp64Micro(event_time), toUnixTimestamp64Micro(ingest_time) + {future_skew_us:Int64}) AS time_us
        FROM chat_events FINAL ORDER BY offset LIMIT 1 BY topic, partition, event_id
    ),
    reactions_once AS (
        SELECT channel_id, kind, count, currency, amount_micros, topic, partition, offset,
            least(toUnixTimestamp64Micro(event_time), toUnixTimestamp64Micro(ingest_time) + {future_skew_us:Int64}) AS time_us
        FROM reaction_events FINAL ORDER BY offset LIMIT 1 BY topic, partition, event_id
    ),
    viewers_once AS (
        SELECT channel_id, kind, session_id, coalesce(user_id, session_id) AS viewer, watch_ms, startup_ms, rebuffer_count,
            rebuffer_ms, bitrate_kbps, live_latency_ms, topic, partition, offset,
            least(toUnixTimestamp64Micro(event_time), toUnixTimestamp64Micro(ingest_time) + {future_skew_us:Int64}) AS time_us
        FROM viewer_events FINAL ORDER BY offset LIMIT 1 BY topic, partition, event_id
    ),
    -- The watermark of its own partition when it came, the instant from which it is visible, and the window of its event time.
    chat_seen AS (
        SELECT *, max(time_us) OVER (PARTITION BY topic, partition ORDER BY offset
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - {lateness_us:Int64} AS watermark_us,
            greatest(time_us, watermark_us) AS visible_us, time_us - positiveModulo(time_us, {window_us:Int64}) AS start_us,
            start_us + {window_us:Int64} > watermark_us AS is_in_window
        FROM chat_once
    ),
    reactions_seen AS (
        SELECT *, max(time_us) OVER (PARTITION BY topic, partition ORDER BY offset
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - {lateness_us:Int64} AS watermark_us,
            time_us - positiveModulo(time_us, {window_us:Int64}) AS start_us,
            start_us + {window_us:Int64} > watermark_us AS is_in_window
        FROM reactions_once
    ),
    viewers_seen AS (
        SELECT *, max(time_us) OVER (PARTITION BY topic, partition ORDER BY offset
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - {lateness_us:Int64} AS watermark_us,
            greatest(time_us, watermark_us) AS visible_us, time_us - positiveModulo(time_us, {window_us:Int64}) AS start_us,
            start_us + {window_us:Int64} > watermark_us AS is_in_window,
            time_us + {heartbeat_timeout_us:Int64} AS due_us,
            kind IN ('join', 'heartbeat', 'leave') AND due_us > watermark_us AS tells_presence
        FROM viewers_once WHERE kind != 'unknown'
    ),
    -- Messages, and what was taken back of them: by what became visible later and is not of an earlier event time.
    retractions AS (
        SELECT channel_id, start_us, groupArray((visible_us, offset, time_us, kind, ifNull(target_message_id, ''), ifNull(target_user_id, ''))) AS all
        FROM chat_seen WHERE is_in_window AND kind IN ('message_deleted', 'user_banned', 'user_timed_out', 'chat_cleared')
        GROUP BY channel_id, start_us
    ),
    messages_seen AS (
        SELECT m.channel_id AS channel_id, m.start_us AS start_us, m.user_id AS user_id,
            arrayExists(r -> (r.1, r.2) > (m.visible_us, m.offset) AND m.time_us <= r.3 AND multiIf(
                r.4 = 'message_deleted', r.5 = m.event_id, r.4 = 'chat_cleared', 1, r.6 = ifNull(m.user_id, '\0')), all) AS is_gone
        FROM chat_seen AS m LEFT JOIN retractions ON m.channel_id = retractions.channel_id AND m.start_us = retractions.start_us
        WHERE m.is_in_window AND m.kind = 'message'
    ),
    by_chat AS (
        SELECT channel_id, start_us, toInt64(countIf(NOT is_gone)) AS messages, toInt64(countIf(is_gone)) AS retracted_messages,
            toInt64(uniqExactIf(user_id, NOT is_gone)) AS unique_chatters,
            groupUniqArrayIf(xxHash64(assumeNotNull(user_id)), NOT is_gone AND user_id IS NOT NULL) AS chatters
        FROM messages_seen GROUP BY channel_id, start_us
    ),
    by_reaction AS (
        SELECT channel_id, start_us, sumMap([kind], [amount]) AS reactions,
            sumMap([ifNull(currency, '')], [ifNull(amount_micros, 0)]) AS money
        FROM (SELECT channel_id, start_us, currency, amount_micros, toString(r.kind) AS kind, if(r.kind = 'raid', 1, r.count) AS amount
            FROM reactions_seen AS r WHERE is_in_window)
        GROUP BY channel_id, start_us
    ),
    -- The middle of the bucket of samples that share their seven leading binary digits.
    by_viewer AS (
        SELECT channel_id, start_us, toInt64(uniqExact(viewer)) AS unique_viewers, groupUniqArray(xxHash64(viewer)) AS names,
            toInt64(countIf(kind = 'join')) AS joins, toInt64(countIf(kind = 'leave')) AS leaves, sum(v.watch_ms) AS watch_ms,
            sum(toInt64(v.rebuffer_count)) AS rebuffer_count, sum(v.rebuffer_ms) AS rebuffer_ms,
            sumIf(v.watch_ms * assumeNotNull(bitrate_kbps), bitrate_kbps IS NOT NULL) AS bitrate_bits,
            sumIf(v.watch_ms, bitrate_kbps IS NOT NULL) AS bitrate_ms,
            arraySort(groupArrayIf(startup_bucket, startup_ms IS NOT NULL)) AS startup,
            arraySort(groupArrayIf(latency_bucket, live_latency_ms IS NOT NULL)) AS live_latency
        FROM (
            SELECT *, greatest(ifNull(startup_ms, 0), 0) AS s, arrayFirst(bits -> bitShiftRight(s, bits) < 128, range(64)) AS s_bits,
                bitShiftLeft(bitShiftRight(s, s_bits), s_bits) + intDiv(bitShiftLeft(toInt64(1), s_bits), 2) AS startup_bucket,
                greatest(ifNull(live_latency_ms, 0), 0) AS l, arrayFirst(bits -> bitShiftRight(l, bits) < 128, range(64)) AS l_bits,
                bitShiftLeft(bitShiftRight(l, l_bits), l_bits) + intDiv(bitShiftLeft(toInt64(1), l_bits), 2) AS latency_bucket
            FROM viewers_seen WHERE is_in_window) AS v
        GROUP BY channel_id, start_us
    ),
    -- Who is watching: of the events of a session, in the order in which they become visible, those that are not of an earlier
    -- event time than one before decide; each holds until the next or until the session falls silent.
    deciding AS (
        SELECT channel_id, session_id, kind, visible_us, offset, due_us
        FROM (
            SELECT *, max(time_us) OVER (PARTITION BY channel_id, session_id ORDER BY visible_us, offset) AS latest_us
            FROM viewers_seen WHERE tells_presence)
        WHERE time_us = latest_us
    ),
    spans AS (
        SELECT *, kind != 'leave' AS is_watching,
            before_kind = 'leave' OR before_due_us <= visible_us AS is_apart,
            if(rows_left = 1, 9223372036854775807, next_us) AS until_us
        FROM (
            SELECT *, leadInFrame(visible_us) OVER (PARTITION BY channel_id, session_id ORDER BY visible_us, offset
                    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next_us,
                count() OVER (PARTITION BY channel_id, session_id ORDER BY visible_us, offset
                    ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS rows_left,
                lagInFrame(kind) OVER (PARTITION BY channel_id, session_id ORDER BY visible_us, offset
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before_kind,
                lagInFrame(due_us) OVER (PARTITION BY channel_id, session_id ORDER BY visible_us, offset
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before_due_us
            FROM deciding)
    ),
    -- How many are watching from each instant at which that changes to the next.
    steps AS (
        SELECT channel_id, at_us, sum(c.change) AS change
        FROM (
            SELECT channel_id, visible_us AS at_us, toInt64(1) AS change FROM spans WHERE is_watching
            UNION ALL
            SELECT channel_id, least(until_us, due_us) AS at_us, toInt64(-1) AS change FROM spans WHERE is_watching) AS c
        GROUP BY channel_id, at_us
    ),
    levels AS (
        SELECT channel_id, at_us, sum(change) OVER (PARTITION BY channel_id ORDER BY at_us) AS watching,
            leadInFrame(at_us) OVER (PARTITION BY channel_id ORDER BY at_us ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS to_us
        FROM steps
    ),
    by_presence AS (
        SELECT p.channel_id AS channel_id, p.start_us AS start_us, max(watching) AS peak_concurrent_viewers,
            sum(watching * (least(to_us, end_us) - greatest(at_us, p.start_us))) AS presence_us,
            sumIf(least(to_us, end_us) - greatest(at_us, p.start_us), watching > 0) AS audience_us
        FROM published AS p JOIN levels ON p.channel_id = levels.channel_id
        WHERE at_us < end_us AND to_us > p.start_us
        GROUP BY channel_id, start_us
    ),
    by_end AS (
        SELECT p.channel_id AS channel_id, p.start_us AS start_us, toInt64(count()) AS concurrent_viewers
        FROM published AS p JOIN spans ON p.channel_id = spans.channel_id
        WHERE is_watching AND visible_us < end_us AND until_us >= end_us AND due_us > end_us
        GROUP BY channel_id, start_us
    ),
    -- Stays: from a join until the session leaves or falls silent, in ticks.
    stays AS (
        SELECT channel_id, session_id, stay, argMin(kind, (visible_us, offset)) AS first_kind,
            min(visible_us) - positiveModulo(min(visible_us), {emit_every_us:Int64}) + {emit_every_us:Int64} AS joined_us,
            argMax((until_us, due_us), (visible_us, offset)) AS last,
            if(last.1 < last.2, last.1 - positiveModulo(last.1, {emit_every_us:Int64}) + {emit_every_us:Int64},
                last.2 + positiveModulo(-last.2, {emit_every_us:Int64})) AS gone_us
        FROM (
            SELECT *, sum(is_apart) OVER (PARTITION BY channel_id, session_id ORDER BY visible_us, offset) AS stay
            FROM spans WHERE is_watching)
        GROUP BY channel_id, session_id, stay
        HAVING first_kind = 'join'
    ),
    by_age AS (
        SELECT channel_id, start_us, groupArray((age_us, cohort, retained)) AS points
        FROM (
            SELECT p.channel_id AS channel_id, p.start_us AS start_us, point.1 AS age_us, toInt64(count()) AS cohort,
                toInt64(countIf(gone_us > joined_us + age_us)) AS retained
            FROM (SELECT channel_id, start_us, end_us, point FROM published ARRAY JOIN retention AS point) AS p
            JOIN stays ON p.channel_id = stays.channel_id
            WHERE joined_us + p.point.1 > p.start_us AND joined_us + p.point.1 <= p.end_us
            GROUP BY channel_id, start_us, age_us)
        GROUP BY channel_id, start_us
    )
SELECT p.channel_id AS channel_id, p.window_start AS window_start, arrayFilter(one -> one.2 != one.3, [
    ('messages', toString(p.messages), toString(by_chat.messages)),
    ('retracted_messages', if(untracked_messages > 0, '', toString(p.retracted_messages)),
        if(untracked_messages > 0, '', toString(by_chat.retracted_messages))),
    ('unique_chatters', if(unique_chatters_is_estimated, '', toString(p.unique_chatters)),
        if(unique_chatters_is_estimated, '', toString(by_chat.unique_chatters))),
    ('unique_chatters_sketch', if(unique_chatters_is_estimated AND p.retracted_messages > 0, '', toString(unique_chatters_sketch)),
        if(unique_chatters_is_estimated AND p.retracted_messages > 0, '', toString(arraySort(arrayMap(register -> (
            toInt32(register), toInt32(arrayMax(arrayMap(h -> least(53, bitCount(bitXor(bitShiftRight(h, 12), bitShiftRight(h, 12) - 1))),
                arrayFilter(h -> bitAnd(h, 4095) = register, chatters))))), arrayDistinct(arrayMap(h -> bitAnd(h, 4095), chatters))))))),
    ('unique_viewers', if(unique_viewers_is_estimated, '', toString(p.unique_viewers)),
        if(unique_viewers_is_estimated, '', toString(by_viewer.unique_viewers))),
    ('unique_viewers_sketch', toString(unique_viewers_sketch), toString(arraySort(arrayMap(register -> (
        toInt32(register), toInt32(arrayMax(arrayMap(h -> least(53, bitCount(bitXor(bitShiftRight(h, 12), bitShiftRight(h, 12) - 1))),
            arrayFilter(h -> bitAnd(h, 4095) = register, names))))), arrayDistinct(arrayMap(h -> bitAnd(h, 4095), names)))))),
    ('reactions', toString(arrayMap(kind -> (kind, p.reactions[kind]), arraySort(mapKeys(p.reactions)))),
        toString(arrayZip(by_reaction.reactions.1, by_reaction.reactions.2))),
    ('money_micros', toString(arrayMap(code -> (code, p.money_micros[code]),
            arrayFilter(code -> p.money_micros[code] > 0, arraySort(mapKeys(p.money_micros))))),
        toString(arrayZip(by_reaction.money.1, by_reaction.money.2))),
    ('joins', toString(p.joins), toString(by_viewer.joins)),
    ('leaves', toString(p.leaves), toString(by_viewer.leaves)),
    ('watch_ms', toString(p.watch_ms), toString(by_viewer.watch_ms)),
    ('rebuffer_count', toString(p.rebuffer_count), toString(by_viewer.rebuffer_count)),
    ('rebuffer_ms', toString(p.rebuffer_ms), toString(by_viewer.rebuffer_ms)),
    ('bitrate_bits', toString(p.bitrate_bits), toString(by_viewer.bitrate_bits)),
    ('bitrate_ms', toString(p.bitrate_ms), toString(by_viewer.bitrate_ms)),
    ('startup_histogram', toString(startup_histogram),
        toString(arrayMap(value -> (value, toInt64(countEqual(by_viewer.startup, value))), arrayDistinct(by_viewer.startup)))),
    ('startup percentiles', toString([startup_p50_ms, startup_p90_ms, startup_p95_ms, startup_p99_ms]),
        toString(arrayMap(percent -> if(empty(by_viewer.startup), NULL,
            by_viewer.startup[intDiv(length(by_viewer.startup) * percent + 99, 100)]), [50, 90, 95, 99]))),
    ('live_latency_histogram', toString(live_latency_histogram),
        toString(arrayMap(value -> (value, toInt64(countEqual(by_viewer.live_latency, value))), arrayDistinct(by_viewer.live_latency)))),
    ('live latency percentiles', toString([live_latency_p50_ms, live_latency_p90_ms, live_latency_p95_ms, live_latency_p99_ms]),
        toString(arrayMap(percent -> if(empty(by_viewer.live_latency), NULL,
            by_viewer.live_latency[intDiv(length(by_viewer.live_latency) * percent + 99, 100)]), [50, 90, 95, 99]))),
    ('concurrent_viewers', if(untracked_sessions > 0, '', toString(p.concurrent_viewers)),
        if(untracked_sessions > 0, '', toString(by_end.concurrent_viewers))),
    ('peak_concurrent_viewers', if(untracked_sessions > 0, '', toString(p.peak_concurrent_viewers)),
        if(untracked_sessions > 0, '', toString(by_presence.peak_concurrent_viewers))),
    ('presence_us', if(untracked_sessions > 0, '', toString(p.presence_us)),
        if(untracked_sessions > 0, '', toString(by_presence.presence_us))),
    ('audience_us', if(untracked_sessions > 0, '', toString(p.audience_us)),
        if(untracked_sessions > 0, '', toString(by_presence.audience_us))),
    ('retention', if(untracked_sessions > 0, '', toString(arrayFilter(point -> point.2 > 0, p.retention))),
        if(untracked_sessions > 0, '', toString(arraySort(by_age.points))))
]) AS differences
FROM published AS p
LEFT JOIN by_chat ON p.channel_id = by_chat.channel_id AND p.start_us = by_chat.start_us
LEFT JOIN by_reaction ON p.channel_id = by_reaction.channel_id AND p.start_us = by_reaction.start_us
LEFT JOIN by_viewer ON p.channel_id = by_viewer.channel_id AND p.start_us = by_viewer.start_us
LEFT JOIN by_presence ON p.channel_id = by_presence.channel_id AND p.start_us = by_presence.start_us
LEFT JOIN by_end ON p.channel_id = by_end.channel_id AND p.start_us = by_end.start_us
LEFT JOIN by_age ON p.channel_id = by_age.channel_id AND p.start_us = by_age.start_us
WHERE notEmpty(differences)
UNION ALL
-- Windows of which an event counts, and that were closed before a later one of their shard, but have no final record.
SELECT channel_id, fromUnixTimestamp64Micro(start_us, 'UTC') AS window_start, [('final record', 'none', 'one')] AS differences
FROM (
    SELECT DISTINCT channel_id, start_us, partition FROM (
        SELECT channel_id, start_us, partition FROM chat_seen WHERE is_in_window AND kind != 'unknown'
        UNION ALL SELECT channel_id, start_us, partition FROM reactions_seen WHERE is_in_window
        UNION ALL SELECT channel_id, start_us, partition FROM viewers_seen WHERE is_in_window)) AS raw
JOIN (SELECT shard, max(start_us) AS last_us FROM published GROUP BY shard) AS closed ON raw.partition = closed.shard
WHERE raw.start_us <= last_us AND (channel_id, start_us) NOT IN (SELECT channel_id, start_us FROM published)
