-- Rollups: the raw events by minute, hour and day, kept up by materialized views with every insert.
-- A record counts once: a chunk of rows that is sent again falls in all of these tables as it does in the raw ones, because each has
-- its own deduplication window and the sink asks for it (deduplicate_blocks_in_dependent_materialized_views). An event that a
-- platform sent twice, in two records, counts twice here, and once in the views over the raw events.
-- AggregatingMergeTree throughout, and SimpleAggregateFunction(sum) where a column is a sum: every table has a column that is none
-- (distinct users, percentiles, the first price), and SummingMergeTree would drop rows whose sums are all zero.
-- Minutes are made from the events, hours from the minutes, days from the hours: one pass over the rows of a chunk. Only the audience by
-- country and device is by day alone: by minute it would be nearly as large as the events.
-- `month` is the month of the raw rows' table partition, so that a chunk stays within one partition here too; what shares the
-- partition 1970-01-01 there (recordings, wrong clocks) shares it here.

CREATE TABLE IF NOT EXISTS chat_minutes (
    `channel_id`     LowCardinality(String) COMMENT 'The channel.',
    `minute`         DateTime64(0, 'UTC') COMMENT 'The minute, by its first instant, in UTC, by event_time.' CODEC(Delta, ZSTD),
    `month`          Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `messages`       SimpleAggregateFunction(sum, Int64) COMMENT 'Messages sent, also those that were taken back later.',
    `questions`      SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that are questions to the host.',
    `replies`        SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that answer another.',
    `first_messages` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages of users who had never written in the channel before.',
    `emotes`         SimpleAggregateFunction(sum, Int64) COMMENT 'Uses of emotes.',
    `deletions`      SimpleAggregateFunction(sum, Int64) COMMENT 'Messages deleted by moderators.',
    `bans`           SimpleAggregateFunction(sum, Int64) COMMENT 'Users banned.',
    `time_outs`      SimpleAggregateFunction(sum, Int64) COMMENT 'Users timed out.',
    `clears`         SimpleAggregateFunction(sum, Int64) COMMENT 'Times the whole chat was cleared.',
    `chatters`       AggregateFunction(uniq, String) COMMENT 'Distinct users who sent a message; anonymous messages have none. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `ingested_from`  SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`channel_id`, `minute`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Chat by minute, in parts that queries add up: read the view chat_by_minute.';

CREATE TABLE IF NOT EXISTS chat_hours (
    `channel_id`     LowCardinality(String) COMMENT 'The channel.',
    `hour`           DateTime64(0, 'UTC') COMMENT 'The hour, by its first instant, in UTC, by event_time.' CODEC(Delta, ZSTD),
    `month`          Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `messages`       SimpleAggregateFunction(sum, Int64) COMMENT 'Messages sent, also those that were taken back later.',
    `questions`      SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that are questions to the host.',
    `replies`        SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that answer another.',
    `first_messages` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages of users who had never written in the channel before.',
    `emotes`         SimpleAggregateFunction(sum, Int64) COMMENT 'Uses of emotes.',
    `deletions`      SimpleAggregateFunction(sum, Int64) COMMENT 'Messages deleted by moderators.',
    `bans`           SimpleAggregateFunction(sum, Int64) COMMENT 'Users banned.',
    `time_outs`      SimpleAggregateFunction(sum, Int64) COMMENT 'Users timed out.',
    `clears`         SimpleAggregateFunction(sum, Int64) COMMENT 'Times the whole chat was cleared.',
    `chatters`       AggregateFunction(uniq, String) COMMENT 'Distinct users who sent a message; anonymous messages have none. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `ingested_from`  SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`channel_id`, `hour`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Chat by hour, in parts that queries add up: read the view chat_by_hour.';

CREATE TABLE IF NOT EXISTS chat_days (
    `channel_id`     LowCardinality(String) COMMENT 'The channel.',
    `day`            Date32 COMMENT 'The day, in UTC, by event_time.',
    `month`          Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `messages`       SimpleAggregateFunction(sum, Int64) COMMENT 'Messages sent, also those that were taken back later.',
    `questions`      SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that are questions to the host.',
    `replies`        SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that answer another.',
    `first_messages` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages of users who had never written in the channel before.',
    `emotes`         SimpleAggregateFunction(sum, Int64) COMMENT 'Uses of emotes.',
    `deletions`      SimpleAggregateFunction(sum, Int64) COMMENT 'Messages deleted by moderators.',
    `bans`           SimpleAggregateFunction(sum, Int64) COMMENT 'Users banned.',
    `time_outs`      SimpleAggregateFunction(sum, Int64) COMMENT 'Users timed out.',
    `clears`         SimpleAggregateFunction(sum, Int64) COMMENT 'Times the whole chat was cleared.',
    `chatters`       AggregateFunction(uniq, String) COMMENT 'Distinct users who sent a message; anonymous messages have none. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `ingested_from`  SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`channel_id`, `day`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Chat by day, in parts that queries add up: read the view chat_by_day.';

CREATE MATERIALIZED VIEW IF NOT EXISTS chat_minutes_feed TO chat_minutes (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `minute` DateTime64(0, 'UTC') COMMENT 'The minute.',
    `month` Date COMMENT 'The table partition.',
    `messages` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages sent, also those that were taken back later.',
    `questions` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that are questions to the host.',
    `replies` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that answer another.',
    `first_messages` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages of users who had never written in the channel before.',
    `emotes` SimpleAggregateFunction(sum, Int64) COMMENT 'Uses of emotes.',
    `deletions` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages deleted by moderators.',
    `bans` SimpleAggregateFunction(sum, Int64) COMMENT 'Users banned.',
    `time_outs` SimpleAggregateFunction(sum, Int64) COMMENT 'Users timed out.',
    `clears` SimpleAggregateFunction(sum, Int64) COMMENT 'Times the whole chat was cleared.',
    `chatters` AggregateFunction(uniq, String) COMMENT 'Distinct users who sent a message; anonymous messages have none.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    toDateTime64(date_trunc('minute', r.event_time), 0, 'UTC') AS minute,
    if(r.event_time >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND r.event_time < toDateTime64('2100-01-01 00:00:00', 6, 'UTC')
        AND r.event_time >= r.ingest_time - INTERVAL 31 DAY AND r.event_time <= r.ingest_time + INTERVAL 1 DAY,
        toStartOfMonth(toDate(r.event_time)), toDate(0)) AS month,
    sum(toInt64(r.kind = 'message')) AS messages,
    sum(toInt64(r.kind = 'message' AND r.is_question)) AS questions,
    sum(toInt64(r.kind = 'message' AND r.reply_to IS NOT NULL)) AS replies,
    sum(toInt64(r.kind = 'message' AND r.is_first_message)) AS first_messages,
    sum(arraySum(emote -> toInt64(emote.3), r.emotes)) AS emotes,
    sum(toInt64(r.kind = 'message_deleted')) AS deletions,
    sum(toInt64(r.kind = 'user_banned')) AS bans,
    sum(toInt64(r.kind = 'user_timed_out')) AS time_outs,
    sum(toInt64(r.kind = 'chat_cleared')) AS clears,
    uniqStateIf(assumeNotNull(r.user_id), r.kind = 'message' AND r.user_id IS NOT NULL) AS chatters,
    min(r.ingest_time) AS ingested_from,
    max(r.ingest_time) AS ingested_until
FROM chat_events AS r
GROUP BY channel_id, minute, month
COMMENT 'Fills chat_minutes from chat_events with every insert.';

CREATE MATERIALIZED VIEW IF NOT EXISTS chat_hours_feed TO chat_hours (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `hour` DateTime64(0, 'UTC') COMMENT 'The hour.',
    `month` Date COMMENT 'The table partition.',
    `messages` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages sent, also those that were taken back later.',
    `questions` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that are questions to the host.',
    `replies` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that answer another.',
    `first_messages` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages of users who had never written in the channel before.',
    `emotes` SimpleAggregateFunction(sum, Int64) COMMENT 'Uses of emotes.',
    `deletions` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages deleted by moderators.',
    `bans` SimpleAggregateFunction(sum, Int64) COMMENT 'Users banned.',
    `time_outs` SimpleAggregateFunction(sum, Int64) COMMENT 'Users timed out.',
    `clears` SimpleAggregateFunction(sum, Int64) COMMENT 'Times the whole chat was cleared.',
    `chatters` AggregateFunction(uniq, String) COMMENT 'Distinct users who sent a message; anonymous messages have none.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    toDateTime64(date_trunc('hour', r.minute), 0, 'UTC') AS hour,
    r.month AS month,
    sum(r.messages) AS messages,
    sum(r.questions) AS questions,
    sum(r.replies) AS replies,
    sum(r.first_messages) AS first_messages,
    sum(r.emotes) AS emotes,
    sum(r.deletions) AS deletions,
    sum(r.bans) AS bans,
    sum(r.time_outs) AS time_outs,
    sum(r.clears) AS clears,
    uniqMergeState(r.chatters) AS chatters,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM chat_minutes AS r
GROUP BY channel_id, hour, month
COMMENT 'Fills chat_hours from chat_minutes with every insert.';

CREATE MATERIALIZED VIEW IF NOT EXISTS chat_days_feed TO chat_days (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `day` Date32 COMMENT 'The day.',
    `month` Date COMMENT 'The table partition.',
    `messages` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages sent, also those that were taken back later.',
    `questions` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that are questions to the host.',
    `replies` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages that answer another.',
    `first_messages` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages of users who had never written in the channel before.',
    `emotes` SimpleAggregateFunction(sum, Int64) COMMENT 'Uses of emotes.',
    `deletions` SimpleAggregateFunction(sum, Int64) COMMENT 'Messages deleted by moderators.',
    `bans` SimpleAggregateFunction(sum, Int64) COMMENT 'Users banned.',
    `time_outs` SimpleAggregateFunction(sum, Int64) COMMENT 'Users timed out.',
    `clears` SimpleAggregateFunction(sum, Int64) COMMENT 'Times the whole chat was cleared.',
    `chatters` AggregateFunction(uniq, String) COMMENT 'Distinct users who sent a message; anonymous messages have none.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    toDate32(r.hour) AS day,
    r.month AS month,
    sum(r.messages) AS messages,
    sum(r.questions) AS questions,
    sum(r.replies) AS replies,
    sum(r.first_messages) AS first_messages,
    sum(r.emotes) AS emotes,
    sum(r.deletions) AS deletions,
    sum(r.bans) AS bans,
    sum(r.time_outs) AS time_outs,
    sum(r.clears) AS clears,
    uniqMergeState(r.chatters) AS chatters,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM chat_hours AS r
GROUP BY channel_id, day, month
COMMENT 'Fills chat_days from chat_hours with every insert.';

CREATE OR REPLACE VIEW chat_by_minute (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `minute` DateTime64(0, 'UTC') COMMENT 'The minute, by its first instant, in UTC, by event_time.',
    `messages` Int64 COMMENT 'Messages sent, also those that were taken back later.',
    `questions` Int64 COMMENT 'Messages that are questions to the host.',
    `replies` Int64 COMMENT 'Messages that answer another.',
    `first_messages` Int64 COMMENT 'Messages of users who had never written in the channel before.',
    `emotes` Int64 COMMENT 'Uses of emotes.',
    `deletions` Int64 COMMENT 'Messages deleted by moderators.',
    `bans` Int64 COMMENT 'Users banned.',
    `time_outs` Int64 COMMENT 'Users timed out.',
    `clears` Int64 COMMENT 'Times the whole chat was cleared.',
    `chatters` UInt64 COMMENT 'Distinct users who sent a message; anonymous messages have none. Exact up to about 65,000, then an estimate within 1 %.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.minute AS minute,
    sum(r.messages) AS messages,
    sum(r.questions) AS questions,
    sum(r.replies) AS replies,
    sum(r.first_messages) AS first_messages,
    sum(r.emotes) AS emotes,
    sum(r.deletions) AS deletions,
    sum(r.bans) AS bans,
    sum(r.time_outs) AS time_outs,
    sum(r.clears) AS clears,
    uniqMerge(r.chatters) AS chatters,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM chat_minutes AS r
GROUP BY channel_id, minute
COMMENT 'Chat by minute, from every record once. Distinct names cannot be added up: merge the states of chat_minutes.';

CREATE OR REPLACE VIEW chat_by_hour (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `hour` DateTime64(0, 'UTC') COMMENT 'The hour, by its first instant, in UTC, by event_time.',
    `messages` Int64 COMMENT 'Messages sent, also those that were taken back later.',
    `questions` Int64 COMMENT 'Messages that are questions to the host.',
    `replies` Int64 COMMENT 'Messages that answer another.',
    `first_messages` Int64 COMMENT 'Messages of users who had never written in the channel before.',
    `emotes` Int64 COMMENT 'Uses of emotes.',
    `deletions` Int64 COMMENT 'Messages deleted by moderators.',
    `bans` Int64 COMMENT 'Users banned.',
    `time_outs` Int64 COMMENT 'Users timed out.',
    `clears` Int64 COMMENT 'Times the whole chat was cleared.',
    `chatters` UInt64 COMMENT 'Distinct users who sent a message; anonymous messages have none. Exact up to about 65,000, then an estimate within 1 %.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.hour AS hour,
    sum(r.messages) AS messages,
    sum(r.questions) AS questions,
    sum(r.replies) AS replies,
    sum(r.first_messages) AS first_messages,
    sum(r.emotes) AS emotes,
    sum(r.deletions) AS deletions,
    sum(r.bans) AS bans,
    sum(r.time_outs) AS time_outs,
    sum(r.clears) AS clears,
    uniqMerge(r.chatters) AS chatters,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM chat_hours AS r
GROUP BY channel_id, hour
COMMENT 'Chat by hour, from every record once. Distinct names cannot be added up: merge the states of chat_hours.';

CREATE OR REPLACE VIEW chat_by_day (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `day` Date32 COMMENT 'The day, in UTC, by event_time.',
    `messages` Int64 COMMENT 'Messages sent, also those that were taken back later.',
    `questions` Int64 COMMENT 'Messages that are questions to the host.',
    `replies` Int64 COMMENT 'Messages that answer another.',
    `first_messages` Int64 COMMENT 'Messages of users who had never written in the channel before.',
    `emotes` Int64 COMMENT 'Uses of emotes.',
    `deletions` Int64 COMMENT 'Messages deleted by moderators.',
    `bans` Int64 COMMENT 'Users banned.',
    `time_outs` Int64 COMMENT 'Users timed out.',
    `clears` Int64 COMMENT 'Times the whole chat was cleared.',
    `chatters` UInt64 COMMENT 'Distinct users who sent a message; anonymous messages have none. Exact up to about 65,000, then an estimate within 1 %.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.day AS day,
    sum(r.messages) AS messages,
    sum(r.questions) AS questions,
    sum(r.replies) AS replies,
    sum(r.first_messages) AS first_messages,
    sum(r.emotes) AS emotes,
    sum(r.deletions) AS deletions,
    sum(r.bans) AS bans,
    sum(r.time_outs) AS time_outs,
    sum(r.clears) AS clears,
    uniqMerge(r.chatters) AS chatters,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM chat_days AS r
GROUP BY channel_id, day
COMMENT 'Chat by day, from every record once. Distinct names cannot be added up: merge the states of chat_days.';

CREATE TABLE IF NOT EXISTS reactions_minutes (
    `channel_id`     LowCardinality(String) COMMENT 'The channel.',
    `kind`           LowCardinality(String) COMMENT 'The kind of reaction: emoji, like, cheer, gift, super_chat, subscription, raid, poll_vote, question_upvote.',
    `currency`       LowCardinality(String) COMMENT 'ISO 4217 code of the money; empty where there is none.',
    `minute`         DateTime64(0, 'UTC') COMMENT 'The minute, by its first instant, in UTC, by event_time.' CODEC(Delta, ZSTD),
    `month`          Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `events`         SimpleAggregateFunction(sum, Int64) COMMENT 'Events: a batch of a client is one.',
    `reactions`      SimpleAggregateFunction(sum, Int64) COMMENT 'Reactions: the sum of count (raid: the number of raids).',
    `amount`         SimpleAggregateFunction(sum, Decimal(76, 6)) COMMENT 'Money, in units of the currency, exact.',
    `users`          AggregateFunction(uniq, String) COMMENT 'Distinct users; anonymous reactions have none. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `ingested_from`  SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`channel_id`, `minute`, `kind`, `currency`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Reactions by minute, in parts that queries add up: read the view reactions_by_minute.';

CREATE TABLE IF NOT EXISTS reactions_hours (
    `channel_id`     LowCardinality(String) COMMENT 'The channel.',
    `kind`           LowCardinality(String) COMMENT 'The kind of reaction: emoji, like, cheer, gift, super_chat, subscription, raid, poll_vote, question_upvote.',
    `currency`       LowCardinality(String) COMMENT 'ISO 4217 code of the money; empty where there is none.',
    `hour`           DateTime64(0, 'UTC') COMMENT 'The hour, by its first instant, in UTC, by event_time.' CODEC(Delta, ZSTD),
    `month`          Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `events`         SimpleAggregateFunction(sum, Int64) COMMENT 'Events: a batch of a client is one.',
    `reactions`      SimpleAggregateFunction(sum, Int64) COMMENT 'Reactions: the sum of count (raid: the number of raids).',
    `amount`         SimpleAggregateFunction(sum, Decimal(76, 6)) COMMENT 'Money, in units of the currency, exact.',
    `users`          AggregateFunction(uniq, String) COMMENT 'Distinct users; anonymous reactions have none. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `ingested_from`  SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`channel_id`, `hour`, `kind`, `currency`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Reactions by hour, in parts that queries add up: read the view reactions_by_hour.';

CREATE TABLE IF NOT EXISTS reactions_days (
    `channel_id`     LowCardinality(String) COMMENT 'The channel.',
    `kind`           LowCardinality(String) COMMENT 'The kind of reaction: emoji, like, cheer, gift, super_chat, subscription, raid, poll_vote, question_upvote.',
    `currency`       LowCardinality(String) COMMENT 'ISO 4217 code of the money; empty where there is none.',
    `day`            Date32 COMMENT 'The day, in UTC, by event_time.',
    `month`          Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `events`         SimpleAggregateFunction(sum, Int64) COMMENT 'Events: a batch of a client is one.',
    `reactions`      SimpleAggregateFunction(sum, Int64) COMMENT 'Reactions: the sum of count (raid: the number of raids).',
    `amount`         SimpleAggregateFunction(sum, Decimal(76, 6)) COMMENT 'Money, in units of the currency, exact.',
    `users`          AggregateFunction(uniq, String) COMMENT 'Distinct users; anonymous reactions have none. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `ingested_from`  SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`channel_id`, `day`, `kind`, `currency`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Reactions by day, in parts that queries add up: read the view reactions_by_day.';

CREATE MATERIALIZED VIEW IF NOT EXISTS reactions_minutes_feed TO reactions_minutes (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `kind` LowCardinality(String) COMMENT 'The kind of reaction: emoji, like, cheer, gift, super_chat, subscription, raid, poll_vote, question_upvote.',
    `currency` LowCardinality(String) COMMENT 'ISO 4217 code of the money; empty where there is none.',
    `minute` DateTime64(0, 'UTC') COMMENT 'The minute.',
    `month` Date COMMENT 'The table partition.',
    `events` SimpleAggregateFunction(sum, Int64) COMMENT 'Events: a batch of a client is one.',
    `reactions` SimpleAggregateFunction(sum, Int64) COMMENT 'Reactions: the sum of count (raid: the number of raids).',
    `amount` SimpleAggregateFunction(sum, Decimal(76, 6)) COMMENT 'Money, in units of the currency, exact.',
    `users` AggregateFunction(uniq, String) COMMENT 'Distinct users; anonymous reactions have none.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.kind AS kind,
    ifNull(r.currency, '') AS currency,
    toDateTime64(date_trunc('minute', r.event_time), 0, 'UTC') AS minute,
    if(r.event_time >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND r.event_time < toDateTime64('2100-01-01 00:00:00', 6, 'UTC')
        AND r.event_time >= r.ingest_time - INTERVAL 31 DAY AND r.event_time <= r.ingest_time + INTERVAL 1 DAY,
        toStartOfMonth(toDate(r.event_time)), toDate(0)) AS month,
    sum(toInt64(1)) AS events,
    sum(if(r.kind = 'raid', 1, r.count)) AS reactions,
    sum(toDecimal256(ifNull(r.amount_micros, 0), 6) / 1000000) AS amount,
    uniqStateIf(assumeNotNull(r.user_id), r.user_id IS NOT NULL) AS users,
    min(r.ingest_time) AS ingested_from,
    max(r.ingest_time) AS ingested_until
FROM reaction_events AS r
GROUP BY channel_id, kind, currency, minute, month
COMMENT 'Fills reactions_minutes from reaction_events with every insert.';

CREATE MATERIALIZED VIEW IF NOT EXISTS reactions_hours_feed TO reactions_hours (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `kind` LowCardinality(String) COMMENT 'The kind of reaction: emoji, like, cheer, gift, super_chat, subscription, raid, poll_vote, question_upvote.',
    `currency` LowCardinality(String) COMMENT 'ISO 4217 code of the money; empty where there is none.',
    `hour` DateTime64(0, 'UTC') COMMENT 'The hour.',
    `month` Date COMMENT 'The table partition.',
    `events` SimpleAggregateFunction(sum, Int64) COMMENT 'Events: a batch of a client is one.',
    `reactions` SimpleAggregateFunction(sum, Int64) COMMENT 'Reactions: the sum of count (raid: the number of raids).',
    `amount` SimpleAggregateFunction(sum, Decimal(76, 6)) COMMENT 'Money, in units of the currency, exact.',
    `users` AggregateFunction(uniq, String) COMMENT 'Distinct users; anonymous reactions have none.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.kind AS kind,
    r.currency AS currency,
    toDateTime64(date_trunc('hour', r.minute), 0, 'UTC') AS hour,
    r.month AS month,
    sum(r.events) AS events,
    sum(r.reactions) AS reactions,
    sum(r.amount) AS amount,
    uniqMergeState(r.users) AS users,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM reactions_minutes AS r
GROUP BY channel_id, kind, currency, hour, month
COMMENT 'Fills reactions_hours from reactions_minutes with every insert.';

CREATE MATERIALIZED VIEW IF NOT EXISTS reactions_days_feed TO reactions_days (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `kind` LowCardinality(String) COMMENT 'The kind of reaction: emoji, like, cheer, gift, super_chat, subscription, raid, poll_vote, question_upvote.',
    `currency` LowCardinality(String) COMMENT 'ISO 4217 code of the money; empty where there is none.',
    `day` Date32 COMMENT 'The day.',
    `month` Date COMMENT 'The table partition.',
    `events` SimpleAggregateFunction(sum, Int64) COMMENT 'Events: a batch of a client is one.',
    `reactions` SimpleAggregateFunction(sum, Int64) COMMENT 'Reactions: the sum of count (raid: the number of raids).',
    `amount` SimpleAggregateFunction(sum, Decimal(76, 6)) COMMENT 'Money, in units of the currency, exact.',
    `users` AggregateFunction(uniq, String) COMMENT 'Distinct users; anonymous reactions have none.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.kind AS kind,
    r.currency AS currency,
    toDate32(r.hour) AS day,
    r.month AS month,
    sum(r.events) AS events,
    sum(r.reactions) AS reactions,
    sum(r.amount) AS amount,
    uniqMergeState(r.users) AS users,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM reactions_hours AS r
GROUP BY channel_id, kind, currency, day, month
COMMENT 'Fills reactions_days from reactions_hours with every insert.';

CREATE OR REPLACE VIEW reactions_by_minute (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `kind` LowCardinality(String) COMMENT 'The kind of reaction: emoji, like, cheer, gift, super_chat, subscription, raid, poll_vote, question_upvote.',
    `currency` LowCardinality(String) COMMENT 'ISO 4217 code of the money; empty where there is none.',
    `minute` DateTime64(0, 'UTC') COMMENT 'The minute, by its first instant, in UTC, by event_time.',
    `events` Int64 COMMENT 'Events: a batch of a client is one.',
    `reactions` Int64 COMMENT 'Reactions: the sum of count (raid: the number of raids).',
    `amount` Decimal(76, 6) COMMENT 'Money, in units of the currency, exact.',
    `users` UInt64 COMMENT 'Distinct users; anonymous reactions have none. Exact up to about 65,000, then an estimate within 1 %.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.kind AS kind,
    r.currency AS currency,
    r.minute AS minute,
    sum(r.events) AS events,
    sum(r.reactions) AS reactions,
    sum(r.amount) AS amount,
    uniqMerge(r.users) AS users,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM reactions_minutes AS r
GROUP BY channel_id, kind, currency, minute
COMMENT 'Reactions by minute, from every record once. Distinct names cannot be added up: merge the states of reactions_minutes.';

CREATE OR REPLACE VIEW reactions_by_hour (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `kind` LowCardinality(String) COMMENT 'The kind of reaction: emoji, like, cheer, gift, super_chat, subscription, raid, poll_vote, question_upvote.',
    `currency` LowCardinality(String) COMMENT 'ISO 4217 code of the money; empty where there is none.',
    `hour` DateTime64(0, 'UTC') COMMENT 'The hour, by its first instant, in UTC, by event_time.',
    `events` Int64 COMMENT 'Events: a batch of a client is one.',
    `reactions` Int64 COMMENT 'Reactions: the sum of count (raid: the number of raids).',
    `amount` Decimal(76, 6) COMMENT 'Money, in units of the currency, exact.',
    `users` UInt64 COMMENT 'Distinct users; anonymous reactions have none. Exact up to about 65,000, then an estimate within 1 %.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.kind AS kind,
    r.currency AS currency,
    r.hour AS hour,
    sum(r.events) AS events,
    sum(r.reactions) AS reactions,
    sum(r.amount) AS amount,
    uniqMerge(r.users) AS users,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM reactions_hours AS r
GROUP BY channel_id, kind, currency, hour
COMMENT 'Reactions by hour, from every record once. Distinct names cannot be added up: merge the states of reactions_hours.';

CREATE OR REPLACE VIEW reactions_by_day (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `kind` LowCardinality(String) COMMENT 'The kind of reaction: emoji, like, cheer, gift, super_chat, subscription, raid, poll_vote, question_upvote.',
    `currency` LowCardinality(String) COMMENT 'ISO 4217 code of the money; empty where there is none.',
    `day` Date32 COMMENT 'The day, in UTC, by event_time.',
    `events` Int64 COMMENT 'Events: a batch of a client is one.',
    `reactions` Int64 COMMENT 'Reactions: the sum of count (raid: the number of raids).',
    `amount` Decimal(76, 6) COMMENT 'Money, in units of the currency, exact.',
    `users` UInt64 COMMENT 'Distinct users; anonymous reactions have none. Exact up to about 65,000, then an estimate within 1 %.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.kind AS kind,
    r.currency AS currency,
    r.day AS day,
    sum(r.events) AS events,
    sum(r.reactions) AS reactions,
    sum(r.amount) AS amount,
    uniqMerge(r.users) AS users,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM reactions_days AS r
GROUP BY channel_id, kind, currency, day
COMMENT 'Reactions by day, from every record once. Distinct names cannot be added up: merge the states of reactions_days.';

CREATE TABLE IF NOT EXISTS viewers_minutes (
    `channel_id`         LowCardinality(String) COMMENT 'The channel.',
    `minute`             DateTime64(0, 'UTC') COMMENT 'The minute, by its first instant, in UTC, by event_time.' CODEC(Delta, ZSTD),
    `month`              Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `joins`              SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that began.',
    `leaves`             SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that ended by leaving.',
    `heartbeats`         SimpleAggregateFunction(sum, Int64) COMMENT 'Signs of life of sessions.',
    `watch_ms`           SimpleAggregateFunction(sum, Int64) COMMENT 'Time played, in milliseconds.',
    `startup_count`      SimpleAggregateFunction(sum, Int64) COMMENT 'Startup times reported.',
    `startup_ms`         AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Startup times, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. From asking to the first frame.' CODEC(ZSTD),
    `rebuffer_count`     SimpleAggregateFunction(sum, Int64) COMMENT 'Stalls.',
    `rebuffer_ms`        SimpleAggregateFunction(sum, Int64) COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `bitrate_bits`       SimpleAggregateFunction(sum, Int64) COMMENT 'Bits played by reports with a bit rate. Average bit rate in kbit/s = bitrate_bits / bitrate_ms.',
    `bitrate_ms`         SimpleAggregateFunction(sum, Int64) COMMENT 'Time played by reports with a bit rate, in milliseconds.',
    `live_latency_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Reports of live latency.',
    `live_latency_ms`    AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Live latency, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. How far players are behind the live edge.' CODEC(ZSTD),
    `viewers`            AggregateFunction(uniq, String) COMMENT 'Distinct viewers: by user, or by session for anonymous ones. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `sessions`           AggregateFunction(uniq, String) COMMENT 'Distinct sessions. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `ingested_from`      SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until`     SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`channel_id`, `minute`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Viewers by minute, in parts that queries add up: read the view viewers_by_minute.';

CREATE TABLE IF NOT EXISTS viewers_hours (
    `channel_id`         LowCardinality(String) COMMENT 'The channel.',
    `hour`               DateTime64(0, 'UTC') COMMENT 'The hour, by its first instant, in UTC, by event_time.' CODEC(Delta, ZSTD),
    `month`              Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `joins`              SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that began.',
    `leaves`             SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that ended by leaving.',
    `heartbeats`         SimpleAggregateFunction(sum, Int64) COMMENT 'Signs of life of sessions.',
    `watch_ms`           SimpleAggregateFunction(sum, Int64) COMMENT 'Time played, in milliseconds.',
    `startup_count`      SimpleAggregateFunction(sum, Int64) COMMENT 'Startup times reported.',
    `startup_ms`         AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Startup times, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. From asking to the first frame.' CODEC(ZSTD),
    `rebuffer_count`     SimpleAggregateFunction(sum, Int64) COMMENT 'Stalls.',
    `rebuffer_ms`        SimpleAggregateFunction(sum, Int64) COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `bitrate_bits`       SimpleAggregateFunction(sum, Int64) COMMENT 'Bits played by reports with a bit rate. Average bit rate in kbit/s = bitrate_bits / bitrate_ms.',
    `bitrate_ms`         SimpleAggregateFunction(sum, Int64) COMMENT 'Time played by reports with a bit rate, in milliseconds.',
    `live_latency_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Reports of live latency.',
    `live_latency_ms`    AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Live latency, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. How far players are behind the live edge.' CODEC(ZSTD),
    `viewers`            AggregateFunction(uniq, String) COMMENT 'Distinct viewers: by user, or by session for anonymous ones. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `sessions`           AggregateFunction(uniq, String) COMMENT 'Distinct sessions. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `ingested_from`      SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until`     SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`channel_id`, `hour`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Viewers by hour, in parts that queries add up: read the view viewers_by_hour.';

CREATE TABLE IF NOT EXISTS viewers_days (
    `channel_id`         LowCardinality(String) COMMENT 'The channel.',
    `day`                Date32 COMMENT 'The day, in UTC, by event_time.',
    `month`              Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `joins`              SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that began.',
    `leaves`             SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that ended by leaving.',
    `heartbeats`         SimpleAggregateFunction(sum, Int64) COMMENT 'Signs of life of sessions.',
    `watch_ms`           SimpleAggregateFunction(sum, Int64) COMMENT 'Time played, in milliseconds.',
    `startup_count`      SimpleAggregateFunction(sum, Int64) COMMENT 'Startup times reported.',
    `startup_ms`         AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Startup times, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. From asking to the first frame.' CODEC(ZSTD),
    `rebuffer_count`     SimpleAggregateFunction(sum, Int64) COMMENT 'Stalls.',
    `rebuffer_ms`        SimpleAggregateFunction(sum, Int64) COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `bitrate_bits`       SimpleAggregateFunction(sum, Int64) COMMENT 'Bits played by reports with a bit rate. Average bit rate in kbit/s = bitrate_bits / bitrate_ms.',
    `bitrate_ms`         SimpleAggregateFunction(sum, Int64) COMMENT 'Time played by reports with a bit rate, in milliseconds.',
    `live_latency_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Reports of live latency.',
    `live_latency_ms`    AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Live latency, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. How far players are behind the live edge.' CODEC(ZSTD),
    `viewers`            AggregateFunction(uniq, String) COMMENT 'Distinct viewers: by user, or by session for anonymous ones. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `sessions`           AggregateFunction(uniq, String) COMMENT 'Distinct sessions. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `ingested_from`      SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until`     SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`channel_id`, `day`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Viewers by day, in parts that queries add up: read the view viewers_by_day.';

CREATE MATERIALIZED VIEW IF NOT EXISTS viewers_minutes_feed TO viewers_minutes (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `minute` DateTime64(0, 'UTC') COMMENT 'The minute.',
    `month` Date COMMENT 'The table partition.',
    `joins` SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that began.',
    `leaves` SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that ended by leaving.',
    `heartbeats` SimpleAggregateFunction(sum, Int64) COMMENT 'Signs of life of sessions.',
    `watch_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time played, in milliseconds.',
    `startup_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Startup times reported.',
    `startup_ms` AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Startup times, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. From asking to the first frame.',
    `rebuffer_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Stalls.',
    `rebuffer_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `bitrate_bits` SimpleAggregateFunction(sum, Int64) COMMENT 'Bits played by reports with a bit rate. Average bit rate in kbit/s = bitrate_bits / bitrate_ms.',
    `bitrate_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time played by reports with a bit rate, in milliseconds.',
    `live_latency_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Reports of live latency.',
    `live_latency_ms` AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Live latency, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. How far players are behind the live edge.',
    `viewers` AggregateFunction(uniq, String) COMMENT 'Distinct viewers: by user, or by session for anonymous ones.',
    `sessions` AggregateFunction(uniq, String) COMMENT 'Distinct sessions.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    toDateTime64(date_trunc('minute', r.event_time), 0, 'UTC') AS minute,
    if(r.event_time >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND r.event_time < toDateTime64('2100-01-01 00:00:00', 6, 'UTC')
        AND r.event_time >= r.ingest_time - INTERVAL 31 DAY AND r.event_time <= r.ingest_time + INTERVAL 1 DAY,
        toStartOfMonth(toDate(r.event_time)), toDate(0)) AS month,
    sum(toInt64(r.kind = 'join')) AS joins,
    sum(toInt64(r.kind = 'leave')) AS leaves,
    sum(toInt64(r.kind = 'heartbeat')) AS heartbeats,
    sum(r.watch_ms) AS watch_ms,
    sum(toInt64(r.startup_ms IS NOT NULL)) AS startup_count,
    quantilesDDStateIf(0.01, 0.5, 0.9, 0.95, 0.99)(greatest(assumeNotNull(r.startup_ms), 0), r.startup_ms IS NOT NULL) AS startup_ms,
    sum(toInt64(r.rebuffer_count)) AS rebuffer_count,
    sum(r.rebuffer_ms) AS rebuffer_ms,
    sum(if(r.bitrate_kbps IS NULL, 0, toInt64(assumeNotNull(r.bitrate_kbps)) * r.watch_ms)) AS bitrate_bits,
    sum(if(r.bitrate_kbps IS NULL, 0, r.watch_ms)) AS bitrate_ms,
    sum(toInt64(r.live_latency_ms IS NOT NULL)) AS live_latency_count,
    quantilesDDStateIf(0.01, 0.5, 0.9, 0.95, 0.99)(greatest(assumeNotNull(r.live_latency_ms), 0), r.live_latency_ms IS NOT NULL) AS live_latency_ms,
    uniqState(coalesce(r.user_id, r.session_id)) AS viewers,
    uniqState(r.session_id) AS sessions,
    min(r.ingest_time) AS ingested_from,
    max(r.ingest_time) AS ingested_until
FROM viewer_events AS r
GROUP BY channel_id, minute, month
COMMENT 'Fills viewers_minutes from viewer_events with every insert.';

CREATE MATERIALIZED VIEW IF NOT EXISTS viewers_hours_feed TO viewers_hours (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `hour` DateTime64(0, 'UTC') COMMENT 'The hour.',
    `month` Date COMMENT 'The table partition.',
    `joins` SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that began.',
    `leaves` SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that ended by leaving.',
    `heartbeats` SimpleAggregateFunction(sum, Int64) COMMENT 'Signs of life of sessions.',
    `watch_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time played, in milliseconds.',
    `startup_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Startup times reported.',
    `startup_ms` AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Startup times, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. From asking to the first frame.',
    `rebuffer_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Stalls.',
    `rebuffer_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `bitrate_bits` SimpleAggregateFunction(sum, Int64) COMMENT 'Bits played by reports with a bit rate. Average bit rate in kbit/s = bitrate_bits / bitrate_ms.',
    `bitrate_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time played by reports with a bit rate, in milliseconds.',
    `live_latency_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Reports of live latency.',
    `live_latency_ms` AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Live latency, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. How far players are behind the live edge.',
    `viewers` AggregateFunction(uniq, String) COMMENT 'Distinct viewers: by user, or by session for anonymous ones.',
    `sessions` AggregateFunction(uniq, String) COMMENT 'Distinct sessions.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    toDateTime64(date_trunc('hour', r.minute), 0, 'UTC') AS hour,
    r.month AS month,
    sum(r.joins) AS joins,
    sum(r.leaves) AS leaves,
    sum(r.heartbeats) AS heartbeats,
    sum(r.watch_ms) AS watch_ms,
    sum(r.startup_count) AS startup_count,
    quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms) AS startup_ms,
    sum(r.rebuffer_count) AS rebuffer_count,
    sum(r.rebuffer_ms) AS rebuffer_ms,
    sum(r.bitrate_bits) AS bitrate_bits,
    sum(r.bitrate_ms) AS bitrate_ms,
    sum(r.live_latency_count) AS live_latency_count,
    quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms) AS live_latency_ms,
    uniqMergeState(r.viewers) AS viewers,
    uniqMergeState(r.sessions) AS sessions,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM viewers_minutes AS r
GROUP BY channel_id, hour, month
COMMENT 'Fills viewers_hours from viewers_minutes with every insert.';

CREATE MATERIALIZED VIEW IF NOT EXISTS viewers_days_feed TO viewers_days (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `day` Date32 COMMENT 'The day.',
    `month` Date COMMENT 'The table partition.',
    `joins` SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that began.',
    `leaves` SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that ended by leaving.',
    `heartbeats` SimpleAggregateFunction(sum, Int64) COMMENT 'Signs of life of sessions.',
    `watch_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time played, in milliseconds.',
    `startup_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Startup times reported.',
    `startup_ms` AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Startup times, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. From asking to the first frame.',
    `rebuffer_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Stalls.',
    `rebuffer_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `bitrate_bits` SimpleAggregateFunction(sum, Int64) COMMENT 'Bits played by reports with a bit rate. Average bit rate in kbit/s = bitrate_bits / bitrate_ms.',
    `bitrate_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time played by reports with a bit rate, in milliseconds.',
    `live_latency_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Reports of live latency.',
    `live_latency_ms` AggregateFunction(quantilesDD(0.01, 0.5, 0.9, 0.95, 0.99), Int64) COMMENT 'Live latency, in milliseconds: percentiles 50, 90, 95, 99, within 1 %. How far players are behind the live edge.',
    `viewers` AggregateFunction(uniq, String) COMMENT 'Distinct viewers: by user, or by session for anonymous ones.',
    `sessions` AggregateFunction(uniq, String) COMMENT 'Distinct sessions.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    toDate32(r.hour) AS day,
    r.month AS month,
    sum(r.joins) AS joins,
    sum(r.leaves) AS leaves,
    sum(r.heartbeats) AS heartbeats,
    sum(r.watch_ms) AS watch_ms,
    sum(r.startup_count) AS startup_count,
    quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms) AS startup_ms,
    sum(r.rebuffer_count) AS rebuffer_count,
    sum(r.rebuffer_ms) AS rebuffer_ms,
    sum(r.bitrate_bits) AS bitrate_bits,
    sum(r.bitrate_ms) AS bitrate_ms,
    sum(r.live_latency_count) AS live_latency_count,
    quantilesDDMergeState(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms) AS live_latency_ms,
    uniqMergeState(r.viewers) AS viewers,
    uniqMergeState(r.sessions) AS sessions,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM viewers_hours AS r
GROUP BY channel_id, day, month
COMMENT 'Fills viewers_days from viewers_hours with every insert.';

CREATE OR REPLACE VIEW viewers_by_minute (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `minute` DateTime64(0, 'UTC') COMMENT 'The minute, by its first instant, in UTC, by event_time.',
    `joins` Int64 COMMENT 'Sessions that began.',
    `leaves` Int64 COMMENT 'Sessions that ended by leaving.',
    `heartbeats` Int64 COMMENT 'Signs of life of sessions.',
    `watch_ms` Int64 COMMENT 'Time played, in milliseconds.',
    `startup_count` Int64 COMMENT 'Startup times reported.',
    `startup_p50_ms` Nullable(Float64) COMMENT 'Startup time that 50 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `startup_p90_ms` Nullable(Float64) COMMENT 'Startup time that 90 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `startup_p95_ms` Nullable(Float64) COMMENT 'Startup time that 95 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `startup_p99_ms` Nullable(Float64) COMMENT 'Startup time that 99 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `rebuffer_count` Int64 COMMENT 'Stalls.',
    `rebuffer_ms` Int64 COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `bitrate_bits` Int64 COMMENT 'Bits played by reports with a bit rate. Average bit rate in kbit/s = bitrate_bits / bitrate_ms.',
    `bitrate_ms` Int64 COMMENT 'Time played by reports with a bit rate, in milliseconds.',
    `live_latency_count` Int64 COMMENT 'Reports of live latency.',
    `live_latency_p50_ms` Nullable(Float64) COMMENT 'Live latency that 50 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `live_latency_p90_ms` Nullable(Float64) COMMENT 'Live latency that 90 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `live_latency_p95_ms` Nullable(Float64) COMMENT 'Live latency that 95 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `live_latency_p99_ms` Nullable(Float64) COMMENT 'Live latency that 99 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `viewers` UInt64 COMMENT 'Distinct viewers: by user, or by session for anonymous ones. Exact up to about 65,000, then an estimate within 1 %.',
    `sessions` UInt64 COMMENT 'Distinct sessions. Exact up to about 65,000, then an estimate within 1 %.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.minute AS minute,
    sum(r.joins) AS joins,
    sum(r.leaves) AS leaves,
    sum(r.heartbeats) AS heartbeats,
    sum(r.watch_ms) AS watch_ms,
    sum(r.startup_count) AS startup_count,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[1]) AS startup_p50_ms,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[2]) AS startup_p90_ms,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[3]) AS startup_p95_ms,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[4]) AS startup_p99_ms,
    sum(r.rebuffer_count) AS rebuffer_count,
    sum(r.rebuffer_ms) AS rebuffer_ms,
    sum(r.bitrate_bits) AS bitrate_bits,
    sum(r.bitrate_ms) AS bitrate_ms,
    sum(r.live_latency_count) AS live_latency_count,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[1]) AS live_latency_p50_ms,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[2]) AS live_latency_p90_ms,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[3]) AS live_latency_p95_ms,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[4]) AS live_latency_p99_ms,
    uniqMerge(r.viewers) AS viewers,
    uniqMerge(r.sessions) AS sessions,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM viewers_minutes AS r
GROUP BY channel_id, minute
COMMENT 'Viewers by minute, from every record once. Distinct names cannot be added up: merge the states of viewers_minutes.';

CREATE OR REPLACE VIEW viewers_by_hour (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `hour` DateTime64(0, 'UTC') COMMENT 'The hour, by its first instant, in UTC, by event_time.',
    `joins` Int64 COMMENT 'Sessions that began.',
    `leaves` Int64 COMMENT 'Sessions that ended by leaving.',
    `heartbeats` Int64 COMMENT 'Signs of life of sessions.',
    `watch_ms` Int64 COMMENT 'Time played, in milliseconds.',
    `startup_count` Int64 COMMENT 'Startup times reported.',
    `startup_p50_ms` Nullable(Float64) COMMENT 'Startup time that 50 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `startup_p90_ms` Nullable(Float64) COMMENT 'Startup time that 90 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `startup_p95_ms` Nullable(Float64) COMMENT 'Startup time that 95 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `startup_p99_ms` Nullable(Float64) COMMENT 'Startup time that 99 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `rebuffer_count` Int64 COMMENT 'Stalls.',
    `rebuffer_ms` Int64 COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `bitrate_bits` Int64 COMMENT 'Bits played by reports with a bit rate. Average bit rate in kbit/s = bitrate_bits / bitrate_ms.',
    `bitrate_ms` Int64 COMMENT 'Time played by reports with a bit rate, in milliseconds.',
    `live_latency_count` Int64 COMMENT 'Reports of live latency.',
    `live_latency_p50_ms` Nullable(Float64) COMMENT 'Live latency that 50 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `live_latency_p90_ms` Nullable(Float64) COMMENT 'Live latency that 90 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `live_latency_p95_ms` Nullable(Float64) COMMENT 'Live latency that 95 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `live_latency_p99_ms` Nullable(Float64) COMMENT 'Live latency that 99 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `viewers` UInt64 COMMENT 'Distinct viewers: by user, or by session for anonymous ones. Exact up to about 65,000, then an estimate within 1 %.',
    `sessions` UInt64 COMMENT 'Distinct sessions. Exact up to about 65,000, then an estimate within 1 %.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.hour AS hour,
    sum(r.joins) AS joins,
    sum(r.leaves) AS leaves,
    sum(r.heartbeats) AS heartbeats,
    sum(r.watch_ms) AS watch_ms,
    sum(r.startup_count) AS startup_count,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[1]) AS startup_p50_ms,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[2]) AS startup_p90_ms,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[3]) AS startup_p95_ms,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[4]) AS startup_p99_ms,
    sum(r.rebuffer_count) AS rebuffer_count,
    sum(r.rebuffer_ms) AS rebuffer_ms,
    sum(r.bitrate_bits) AS bitrate_bits,
    sum(r.bitrate_ms) AS bitrate_ms,
    sum(r.live_latency_count) AS live_latency_count,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[1]) AS live_latency_p50_ms,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[2]) AS live_latency_p90_ms,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[3]) AS live_latency_p95_ms,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[4]) AS live_latency_p99_ms,
    uniqMerge(r.viewers) AS viewers,
    uniqMerge(r.sessions) AS sessions,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM viewers_hours AS r
GROUP BY channel_id, hour
COMMENT 'Viewers by hour, from every record once. Distinct names cannot be added up: merge the states of viewers_hours.';

CREATE OR REPLACE VIEW viewers_by_day (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `day` Date32 COMMENT 'The day, in UTC, by event_time.',
    `joins` Int64 COMMENT 'Sessions that began.',
    `leaves` Int64 COMMENT 'Sessions that ended by leaving.',
    `heartbeats` Int64 COMMENT 'Signs of life of sessions.',
    `watch_ms` Int64 COMMENT 'Time played, in milliseconds.',
    `startup_count` Int64 COMMENT 'Startup times reported.',
    `startup_p50_ms` Nullable(Float64) COMMENT 'Startup time that 50 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `startup_p90_ms` Nullable(Float64) COMMENT 'Startup time that 90 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `startup_p95_ms` Nullable(Float64) COMMENT 'Startup time that 95 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `startup_p99_ms` Nullable(Float64) COMMENT 'Startup time that 99 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `rebuffer_count` Int64 COMMENT 'Stalls.',
    `rebuffer_ms` Int64 COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `bitrate_bits` Int64 COMMENT 'Bits played by reports with a bit rate. Average bit rate in kbit/s = bitrate_bits / bitrate_ms.',
    `bitrate_ms` Int64 COMMENT 'Time played by reports with a bit rate, in milliseconds.',
    `live_latency_count` Int64 COMMENT 'Reports of live latency.',
    `live_latency_p50_ms` Nullable(Float64) COMMENT 'Live latency that 50 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `live_latency_p90_ms` Nullable(Float64) COMMENT 'Live latency that 90 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `live_latency_p95_ms` Nullable(Float64) COMMENT 'Live latency that 95 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `live_latency_p99_ms` Nullable(Float64) COMMENT 'Live latency that 99 of 100 reports do not exceed, in milliseconds; within 1 %. Null without reports.',
    `viewers` UInt64 COMMENT 'Distinct viewers: by user, or by session for anonymous ones. Exact up to about 65,000, then an estimate within 1 %.',
    `sessions` UInt64 COMMENT 'Distinct sessions. Exact up to about 65,000, then an estimate within 1 %.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.day AS day,
    sum(r.joins) AS joins,
    sum(r.leaves) AS leaves,
    sum(r.heartbeats) AS heartbeats,
    sum(r.watch_ms) AS watch_ms,
    sum(r.startup_count) AS startup_count,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[1]) AS startup_p50_ms,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[2]) AS startup_p90_ms,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[3]) AS startup_p95_ms,
    if(startup_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.startup_ms))[4]) AS startup_p99_ms,
    sum(r.rebuffer_count) AS rebuffer_count,
    sum(r.rebuffer_ms) AS rebuffer_ms,
    sum(r.bitrate_bits) AS bitrate_bits,
    sum(r.bitrate_ms) AS bitrate_ms,
    sum(r.live_latency_count) AS live_latency_count,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[1]) AS live_latency_p50_ms,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[2]) AS live_latency_p90_ms,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[3]) AS live_latency_p95_ms,
    if(live_latency_count = 0, NULL, (quantilesDDMerge(0.01, 0.5, 0.9, 0.95, 0.99)(r.live_latency_ms))[4]) AS live_latency_p99_ms,
    uniqMerge(r.viewers) AS viewers,
    uniqMerge(r.sessions) AS sessions,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM viewers_days AS r
GROUP BY channel_id, day
COMMENT 'Viewers by day, from every record once. Distinct names cannot be added up: merge the states of viewers_days.';

CREATE TABLE IF NOT EXISTS audience_days (
    `channel_id`     LowCardinality(String) COMMENT 'The channel.',
    `country`        LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2 code; empty where it is not known.',
    `device`         LowCardinality(String) COMMENT 'mobile, desktop, tv, console, ...; empty where it is not known.',
    `day`            Date32 COMMENT 'The day, in UTC, by event_time.',
    `month`          Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `joins`          SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that began.',
    `watch_ms`       SimpleAggregateFunction(sum, Int64) COMMENT 'Time played, in milliseconds.',
    `rebuffer_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Stalls.',
    `rebuffer_ms`    SimpleAggregateFunction(sum, Int64) COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `viewers`        AggregateFunction(uniq, String) COMMENT 'Distinct viewers: by user, or by session for anonymous ones. Exact up to about 65,000, then an estimate within 1 %.' CODEC(ZSTD),
    `ingested_from`  SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`channel_id`, `day`, `country`, `device`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Viewers by country and device by day, in parts that queries add up: read the view audience_by_day.';

CREATE MATERIALIZED VIEW IF NOT EXISTS audience_days_feed TO audience_days (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `country` LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2 code; empty where it is not known.',
    `device` LowCardinality(String) COMMENT 'mobile, desktop, tv, console, ...; empty where it is not known.',
    `day` Date32 COMMENT 'The day.',
    `month` Date COMMENT 'The table partition.',
    `joins` SimpleAggregateFunction(sum, Int64) COMMENT 'Sessions that began.',
    `watch_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time played, in milliseconds.',
    `rebuffer_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Stalls.',
    `rebuffer_ms` SimpleAggregateFunction(sum, Int64) COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `viewers` AggregateFunction(uniq, String) COMMENT 'Distinct viewers: by user, or by session for anonymous ones.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    ifNull(r.country, '') AS country,
    ifNull(r.device, '') AS device,
    toDate32(r.event_time) AS day,
    if(r.event_time >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND r.event_time < toDateTime64('2100-01-01 00:00:00', 6, 'UTC')
        AND r.event_time >= r.ingest_time - INTERVAL 31 DAY AND r.event_time <= r.ingest_time + INTERVAL 1 DAY,
        toStartOfMonth(toDate(r.event_time)), toDate(0)) AS month,
    sum(toInt64(r.kind = 'join')) AS joins,
    sum(r.watch_ms) AS watch_ms,
    sum(toInt64(r.rebuffer_count)) AS rebuffer_count,
    sum(r.rebuffer_ms) AS rebuffer_ms,
    uniqState(coalesce(r.user_id, r.session_id)) AS viewers,
    min(r.ingest_time) AS ingested_from,
    max(r.ingest_time) AS ingested_until
FROM viewer_events AS r
GROUP BY channel_id, country, device, day, month
COMMENT 'Fills audience_days from viewer_events with every insert.';

CREATE OR REPLACE VIEW audience_by_day (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `country` LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2 code; empty where it is not known.',
    `device` LowCardinality(String) COMMENT 'mobile, desktop, tv, console, ...; empty where it is not known.',
    `day` Date32 COMMENT 'The day, in UTC, by event_time.',
    `joins` Int64 COMMENT 'Sessions that began.',
    `watch_ms` Int64 COMMENT 'Time played, in milliseconds.',
    `rebuffer_count` Int64 COMMENT 'Stalls.',
    `rebuffer_ms` Int64 COMMENT 'Time stalled, in milliseconds, without startup. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `viewers` UInt64 COMMENT 'Distinct viewers: by user, or by session for anonymous ones. Exact up to about 65,000, then an estimate within 1 %.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.channel_id AS channel_id,
    r.country AS country,
    r.device AS device,
    r.day AS day,
    sum(r.joins) AS joins,
    sum(r.watch_ms) AS watch_ms,
    sum(r.rebuffer_count) AS rebuffer_count,
    sum(r.rebuffer_ms) AS rebuffer_ms,
    uniqMerge(r.viewers) AS viewers,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM audience_days AS r
GROUP BY channel_id, country, device, day
COMMENT 'Viewers by country and device by day, from every record once. Distinct names cannot be added up: merge the states of audience_days.';

CREATE TABLE IF NOT EXISTS trades_minutes (
    `venue`             LowCardinality(String) COMMENT 'The market place.',
    `symbol`            LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `minute`            DateTime64(0, 'UTC') COMMENT 'The minute, by its first instant, in UTC, by event_time.' CODEC(Delta, ZSTD),
    `month`             Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `open`              AggregateFunction(argMin, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the first trade by (event_time, trade_id).' CODEC(ZSTD),
    `high`              SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Highest price.',
    `low`               SimpleAggregateFunction(min, Decimal(38, 10)) COMMENT 'Lowest price.',
    `close`             AggregateFunction(argMax, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the last trade by (event_time, trade_id).' CODEC(ZSTD),
    `trade_count`       SimpleAggregateFunction(sum, Int64) COMMENT 'Trades.',
    `base_volume`       SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity, exact.',
    `quote_volume`      SimpleAggregateFunction(sum, Decimal(76, 20)) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count`   SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count`  SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume`  SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `largest_quantity`  SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Quantity of the largest trade.',
    `first_trade_id`    SimpleAggregateFunction(min, Nullable(Int64)) COMMENT 'Lowest trade_id.',
    `last_trade_id`     SimpleAggregateFunction(max, Nullable(Int64)) COMMENT 'Highest trade_id.',
    `ingested_from`     SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until`    SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`venue`, `symbol`, `minute`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Trades by minute, in parts that queries add up: read the view trades_by_minute.';

CREATE TABLE IF NOT EXISTS trades_hours (
    `venue`             LowCardinality(String) COMMENT 'The market place.',
    `symbol`            LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `hour`              DateTime64(0, 'UTC') COMMENT 'The hour, by its first instant, in UTC, by event_time.' CODEC(Delta, ZSTD),
    `month`             Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `open`              AggregateFunction(argMin, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the first trade by (event_time, trade_id).' CODEC(ZSTD),
    `high`              SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Highest price.',
    `low`               SimpleAggregateFunction(min, Decimal(38, 10)) COMMENT 'Lowest price.',
    `close`             AggregateFunction(argMax, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the last trade by (event_time, trade_id).' CODEC(ZSTD),
    `trade_count`       SimpleAggregateFunction(sum, Int64) COMMENT 'Trades.',
    `base_volume`       SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity, exact.',
    `quote_volume`      SimpleAggregateFunction(sum, Decimal(76, 20)) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count`   SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count`  SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume`  SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `largest_quantity`  SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Quantity of the largest trade.',
    `first_trade_id`    SimpleAggregateFunction(min, Nullable(Int64)) COMMENT 'Lowest trade_id.',
    `last_trade_id`     SimpleAggregateFunction(max, Nullable(Int64)) COMMENT 'Highest trade_id.',
    `ingested_from`     SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until`    SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`venue`, `symbol`, `hour`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Trades by hour, in parts that queries add up: read the view trades_by_hour.';

CREATE TABLE IF NOT EXISTS trades_days (
    `venue`             LowCardinality(String) COMMENT 'The market place.',
    `symbol`            LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `day`               Date32 COMMENT 'The day, in UTC, by event_time.',
    `month`             Date COMMENT 'The table partition: the month of the events, or 1970-01-01 for recordings and wrong clocks.',
    `open`              AggregateFunction(argMin, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the first trade by (event_time, trade_id).' CODEC(ZSTD),
    `high`              SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Highest price.',
    `low`               SimpleAggregateFunction(min, Decimal(38, 10)) COMMENT 'Lowest price.',
    `close`             AggregateFunction(argMax, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the last trade by (event_time, trade_id).' CODEC(ZSTD),
    `trade_count`       SimpleAggregateFunction(sum, Int64) COMMENT 'Trades.',
    `base_volume`       SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity, exact.',
    `quote_volume`      SimpleAggregateFunction(sum, Decimal(76, 20)) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count`   SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count`  SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume`  SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `largest_quantity`  SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Quantity of the largest trade.',
    `first_trade_id`    SimpleAggregateFunction(min, Nullable(Int64)) COMMENT 'Lowest trade_id.',
    `last_trade_id`     SimpleAggregateFunction(max, Nullable(Int64)) COMMENT 'Highest trade_id.',
    `ingested_from`     SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until`    SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (`venue`, `symbol`, `day`, `month`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Trades by day, in parts that queries add up: read the view trades_by_day.';

CREATE MATERIALIZED VIEW IF NOT EXISTS trades_minutes_feed TO trades_minutes (
    `venue` LowCardinality(String) COMMENT 'The market place.',
    `symbol` LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `minute` DateTime64(0, 'UTC') COMMENT 'The minute.',
    `month` Date COMMENT 'The table partition.',
    `open` AggregateFunction(argMin, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the first trade by (event_time, trade_id).',
    `high` SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Highest price.',
    `low` SimpleAggregateFunction(min, Decimal(38, 10)) COMMENT 'Lowest price.',
    `close` AggregateFunction(argMax, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the last trade by (event_time, trade_id).',
    `trade_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Trades.',
    `base_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity, exact.',
    `quote_volume` SimpleAggregateFunction(sum, Decimal(76, 20)) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `largest_quantity` SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Quantity of the largest trade.',
    `first_trade_id` SimpleAggregateFunction(min, Nullable(Int64)) COMMENT 'Lowest trade_id.',
    `last_trade_id` SimpleAggregateFunction(max, Nullable(Int64)) COMMENT 'Highest trade_id.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.venue AS venue,
    r.symbol AS symbol,
    toDateTime64(date_trunc('minute', r.event_time), 0, 'UTC') AS minute,
    if(r.event_time >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND r.event_time < toDateTime64('2100-01-01 00:00:00', 6, 'UTC')
        AND r.event_time >= r.ingest_time - INTERVAL 31 DAY AND r.event_time <= r.ingest_time + INTERVAL 1 DAY,
        toStartOfMonth(toDate(r.event_time)), toDate(0)) AS month,
    argMinState(r.price, tuple(r.event_time, ifNull(r.trade_id, toInt64('-9223372036854775808')), r.event_id)) AS open,
    max(r.price) AS high,
    min(r.price) AS low,
    argMaxState(r.price, tuple(r.event_time, ifNull(r.trade_id, toInt64('-9223372036854775808')), r.event_id)) AS close,
    sum(toInt64(1)) AS trade_count,
    sum(toDecimal256(r.quantity, 10)) AS base_volume,
    sum(toDecimal256(r.price, 10) * r.quantity) AS quote_volume,
    sum(toInt64(r.aggressor = 'buy')) AS taker_buy_count,
    sum(toInt64(r.aggressor = 'sell')) AS taker_sell_count,
    sum(if(r.aggressor = 'buy', toDecimal256(r.quantity, 10), toDecimal256(0, 10))) AS taker_buy_volume,
    sum(if(r.aggressor = 'sell', toDecimal256(r.quantity, 10), toDecimal256(0, 10))) AS taker_sell_volume,
    max(r.quantity) AS largest_quantity,
    min(r.trade_id) AS first_trade_id,
    max(r.trade_id) AS last_trade_id,
    min(r.ingest_time) AS ingested_from,
    max(r.ingest_time) AS ingested_until
FROM trade_events AS r
GROUP BY venue, symbol, minute, month
COMMENT 'Fills trades_minutes from trade_events with every insert.';

CREATE MATERIALIZED VIEW IF NOT EXISTS trades_hours_feed TO trades_hours (
    `venue` LowCardinality(String) COMMENT 'The market place.',
    `symbol` LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `hour` DateTime64(0, 'UTC') COMMENT 'The hour.',
    `month` Date COMMENT 'The table partition.',
    `open` AggregateFunction(argMin, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the first trade by (event_time, trade_id).',
    `high` SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Highest price.',
    `low` SimpleAggregateFunction(min, Decimal(38, 10)) COMMENT 'Lowest price.',
    `close` AggregateFunction(argMax, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the last trade by (event_time, trade_id).',
    `trade_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Trades.',
    `base_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity, exact.',
    `quote_volume` SimpleAggregateFunction(sum, Decimal(76, 20)) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `largest_quantity` SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Quantity of the largest trade.',
    `first_trade_id` SimpleAggregateFunction(min, Nullable(Int64)) COMMENT 'Lowest trade_id.',
    `last_trade_id` SimpleAggregateFunction(max, Nullable(Int64)) COMMENT 'Highest trade_id.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.venue AS venue,
    r.symbol AS symbol,
    toDateTime64(date_trunc('hour', r.minute), 0, 'UTC') AS hour,
    r.month AS month,
    argMinMergeState(r.open) AS open,
    max(r.high) AS high,
    min(r.low) AS low,
    argMaxMergeState(r.close) AS close,
    sum(r.trade_count) AS trade_count,
    sum(r.base_volume) AS base_volume,
    sum(r.quote_volume) AS quote_volume,
    sum(r.taker_buy_count) AS taker_buy_count,
    sum(r.taker_sell_count) AS taker_sell_count,
    sum(r.taker_buy_volume) AS taker_buy_volume,
    sum(r.taker_sell_volume) AS taker_sell_volume,
    max(r.largest_quantity) AS largest_quantity,
    min(r.first_trade_id) AS first_trade_id,
    max(r.last_trade_id) AS last_trade_id,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM trades_minutes AS r
GROUP BY venue, symbol, hour, month
COMMENT 'Fills trades_hours from trades_minutes with every insert.';

CREATE MATERIALIZED VIEW IF NOT EXISTS trades_days_feed TO trades_days (
    `venue` LowCardinality(String) COMMENT 'The market place.',
    `symbol` LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `day` Date32 COMMENT 'The day.',
    `month` Date COMMENT 'The table partition.',
    `open` AggregateFunction(argMin, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the first trade by (event_time, trade_id).',
    `high` SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Highest price.',
    `low` SimpleAggregateFunction(min, Decimal(38, 10)) COMMENT 'Lowest price.',
    `close` AggregateFunction(argMax, Decimal(38, 10), Tuple(DateTime64(6, 'UTC'), Int64, String)) COMMENT 'Price of the last trade by (event_time, trade_id).',
    `trade_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Trades.',
    `base_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity, exact.',
    `quote_volume` SimpleAggregateFunction(sum, Decimal(76, 20)) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count` SimpleAggregateFunction(sum, Int64) COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` SimpleAggregateFunction(sum, Decimal(76, 10)) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `largest_quantity` SimpleAggregateFunction(max, Decimal(38, 10)) COMMENT 'Quantity of the largest trade.',
    `first_trade_id` SimpleAggregateFunction(min, Nullable(Int64)) COMMENT 'Lowest trade_id.',
    `last_trade_id` SimpleAggregateFunction(max, Nullable(Int64)) COMMENT 'Highest trade_id.',
    `ingested_from` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.venue AS venue,
    r.symbol AS symbol,
    toDate32(r.hour) AS day,
    r.month AS month,
    argMinMergeState(r.open) AS open,
    max(r.high) AS high,
    min(r.low) AS low,
    argMaxMergeState(r.close) AS close,
    sum(r.trade_count) AS trade_count,
    sum(r.base_volume) AS base_volume,
    sum(r.quote_volume) AS quote_volume,
    sum(r.taker_buy_count) AS taker_buy_count,
    sum(r.taker_sell_count) AS taker_sell_count,
    sum(r.taker_buy_volume) AS taker_buy_volume,
    sum(r.taker_sell_volume) AS taker_sell_volume,
    max(r.largest_quantity) AS largest_quantity,
    min(r.first_trade_id) AS first_trade_id,
    max(r.last_trade_id) AS last_trade_id,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM trades_hours AS r
GROUP BY venue, symbol, day, month
COMMENT 'Fills trades_days from trades_hours with every insert.';

CREATE OR REPLACE VIEW trades_by_minute (
    `venue` LowCardinality(String) COMMENT 'The market place.',
    `symbol` LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `minute` DateTime64(0, 'UTC') COMMENT 'The minute, by its first instant, in UTC, by event_time.',
    `open` Decimal(38, 10) COMMENT 'Price of the first trade by (event_time, trade_id).',
    `high` Decimal(38, 10) COMMENT 'Highest price.',
    `low` Decimal(38, 10) COMMENT 'Lowest price.',
    `close` Decimal(38, 10) COMMENT 'Price of the last trade by (event_time, trade_id).',
    `trade_count` Int64 COMMENT 'Trades.',
    `base_volume` Decimal(76, 10) COMMENT 'Sum of quantity, exact.',
    `quote_volume` Decimal(76, 20) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count` Int64 COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count` Int64 COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume` Decimal(76, 10) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` Decimal(76, 10) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `largest_quantity` Decimal(38, 10) COMMENT 'Quantity of the largest trade.',
    `first_trade_id` Nullable(Int64) COMMENT 'Lowest trade_id.',
    `last_trade_id` Nullable(Int64) COMMENT 'Highest trade_id.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.venue AS venue,
    r.symbol AS symbol,
    r.minute AS minute,
    argMinMerge(r.open) AS open,
    max(r.high) AS high,
    min(r.low) AS low,
    argMaxMerge(r.close) AS close,
    sum(r.trade_count) AS trade_count,
    sum(r.base_volume) AS base_volume,
    sum(r.quote_volume) AS quote_volume,
    sum(r.taker_buy_count) AS taker_buy_count,
    sum(r.taker_sell_count) AS taker_sell_count,
    sum(r.taker_buy_volume) AS taker_buy_volume,
    sum(r.taker_sell_volume) AS taker_sell_volume,
    max(r.largest_quantity) AS largest_quantity,
    min(r.first_trade_id) AS first_trade_id,
    max(r.last_trade_id) AS last_trade_id,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM trades_minutes AS r
GROUP BY venue, symbol, minute
COMMENT 'Trades by minute, from every record once. Distinct names cannot be added up: merge the states of trades_minutes.';

CREATE OR REPLACE VIEW trades_by_hour (
    `venue` LowCardinality(String) COMMENT 'The market place.',
    `symbol` LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `hour` DateTime64(0, 'UTC') COMMENT 'The hour, by its first instant, in UTC, by event_time.',
    `open` Decimal(38, 10) COMMENT 'Price of the first trade by (event_time, trade_id).',
    `high` Decimal(38, 10) COMMENT 'Highest price.',
    `low` Decimal(38, 10) COMMENT 'Lowest price.',
    `close` Decimal(38, 10) COMMENT 'Price of the last trade by (event_time, trade_id).',
    `trade_count` Int64 COMMENT 'Trades.',
    `base_volume` Decimal(76, 10) COMMENT 'Sum of quantity, exact.',
    `quote_volume` Decimal(76, 20) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count` Int64 COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count` Int64 COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume` Decimal(76, 10) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` Decimal(76, 10) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `largest_quantity` Decimal(38, 10) COMMENT 'Quantity of the largest trade.',
    `first_trade_id` Nullable(Int64) COMMENT 'Lowest trade_id.',
    `last_trade_id` Nullable(Int64) COMMENT 'Highest trade_id.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.venue AS venue,
    r.symbol AS symbol,
    r.hour AS hour,
    argMinMerge(r.open) AS open,
    max(r.high) AS high,
    min(r.low) AS low,
    argMaxMerge(r.close) AS close,
    sum(r.trade_count) AS trade_count,
    sum(r.base_volume) AS base_volume,
    sum(r.quote_volume) AS quote_volume,
    sum(r.taker_buy_count) AS taker_buy_count,
    sum(r.taker_sell_count) AS taker_sell_count,
    sum(r.taker_buy_volume) AS taker_buy_volume,
    sum(r.taker_sell_volume) AS taker_sell_volume,
    max(r.largest_quantity) AS largest_quantity,
    min(r.first_trade_id) AS first_trade_id,
    max(r.last_trade_id) AS last_trade_id,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM trades_hours AS r
GROUP BY venue, symbol, hour
COMMENT 'Trades by hour, from every record once. Distinct names cannot be added up: merge the states of trades_hours.';

CREATE OR REPLACE VIEW trades_by_day (
    `venue` LowCardinality(String) COMMENT 'The market place.',
    `symbol` LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `day` Date32 COMMENT 'The day, in UTC, by event_time.',
    `open` Decimal(38, 10) COMMENT 'Price of the first trade by (event_time, trade_id).',
    `high` Decimal(38, 10) COMMENT 'Highest price.',
    `low` Decimal(38, 10) COMMENT 'Lowest price.',
    `close` Decimal(38, 10) COMMENT 'Price of the last trade by (event_time, trade_id).',
    `trade_count` Int64 COMMENT 'Trades.',
    `base_volume` Decimal(76, 10) COMMENT 'Sum of quantity, exact.',
    `quote_volume` Decimal(76, 20) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count` Int64 COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count` Int64 COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume` Decimal(76, 10) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` Decimal(76, 10) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `largest_quantity` Decimal(38, 10) COMMENT 'Quantity of the largest trade.',
    `first_trade_id` Nullable(Int64) COMMENT 'Lowest trade_id.',
    `last_trade_id` Nullable(Int64) COMMENT 'Highest trade_id.',
    `ingested_from` DateTime64(6, 'UTC') COMMENT 'The earliest ingest_time of the events.',
    `ingested_until` DateTime64(6, 'UTC') COMMENT 'The latest ingest_time of the events: how fresh the row is. Retention counts from here.'
) AS
SELECT
    r.venue AS venue,
    r.symbol AS symbol,
    r.day AS day,
    argMinMerge(r.open) AS open,
    max(r.high) AS high,
    min(r.low) AS low,
    argMaxMerge(r.close) AS close,
    sum(r.trade_count) AS trade_count,
    sum(r.base_volume) AS base_volume,
    sum(r.quote_volume) AS quote_volume,
    sum(r.taker_buy_count) AS taker_buy_count,
    sum(r.taker_sell_count) AS taker_sell_count,
    sum(r.taker_buy_volume) AS taker_buy_volume,
    sum(r.taker_sell_volume) AS taker_sell_volume,
    max(r.largest_quantity) AS largest_quantity,
    min(r.first_trade_id) AS first_trade_id,
    max(r.last_trade_id) AS last_trade_id,
    min(r.ingested_from) AS ingested_from,
    max(r.ingested_until) AS ingested_until
FROM trades_days AS r
GROUP BY venue, symbol, day
COMMENT 'Trades by day, from every record once. Distinct names cannot be added up: merge the states of trades_days.';
