/**
 * Every frame of the live API, made from the Avro schemas by `sinks/tests/dashboard_types.rs`. Do not edit.
 *
 * Instants are microseconds since 1970, decimals are strings, enums may get new words.
 */

/** One place of a leaderboard. */
export interface LeaderboardEntry {
  /** 1 for the first. Ties are broken (who reached the score first, then the item), so no rank is shared. */
  rank: number;
  /** What is ranked: a user_id, an emote's name, an option, ... */
  item: string;
  /** The item's name for people, as last seen. */
  label: string;
  /** The score in the unit of the board: messages, uses, units of a currency, ... */
  score: string;
  /** The rank in the group's previous record of this board; null if the item was not on it. */
  previous_rank: number | null;
}

/** A leaderboard as it stands: the whole top k of one group in one window. */
export interface LeaderboardResult {
  /** The board's name in the configuration. */
  board: string;
  /** What the board is for: a channel_id, a symbol, ... or global. */
  group: string;
  /** The kind of window: tumbling, rolling, session, fixed, calendar, all_time. */
  window: string;
  /** First instant of the window. Null for all time. */
  window_start: number | null;
  /** First instant after the window. Null for all time. */
  window_end: number | null;
  /** True once, for the window's last record; false for those before it. */
  is_final: boolean;
  /** Rises by one with every record of the same window and group, from 1. */
  revision: number;
  /** The first k places, best first. */
  entries: LeaderboardEntry[];
  /** How many distinct items have a score in this window, on the board or below it. */
  item_count: number;
  /** The sum of the scores of all items, on the board or below it. */
  total_score: string;
  /** The result reflects every event that became visible before this event time. */
  as_of: number;
  /** The shard's watermark when the result was computed; never before as_of. */
  watermark: number;
  /** The clock's time when the result was computed. */
  computed_at: number;
  /** The job that computed it. */
  job: string;
  /** The shard that computed it: the partition number of its inputs. */
  shard: number;
  /** How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard. */
  input_offsets: Record<string, number>;
}

/** Of the sessions that reached an age in the window, how many were still watching. */
export interface RetentionPoint {
  /** Time since joining, in microseconds. */
  age_us: number;
  /** Sessions that had joined that long before, at an instant of the window. */
  cohort: number;
  /** Those of them that had been present without a break since. */
  retained: number;
}

/** One window of a channel's audience: numerators and denominators, never a bare ratio. Percentiles are by the nearest rank. What can be merged over windows (retention, sketches, histograms) is described at its field. */
export interface EngagementResult {
  /** The channel. */
  channel_id: string;
  /** First instant of the window. Null for all time. */
  window_start: number | null;
  /** First instant after the window. Null for all time. */
  window_end: number | null;
  /** True once, for the window's last record; false for those before it. */
  is_final: boolean;
  /** Rises by one with every record of the same window and group, from 1. */
  revision: number;
  /** Chat messages sent in the window, without those taken back (retracted_messages). */
  messages: number;
  /** Distinct users who sent a message in the window that was not taken back. Messages per chatter = messages / unique_chatters, where anonymous messages have no chatter. */
  unique_chatters: number;
  /** Reactions in the window by kind: the sum of count (raid: the number of raids). */
  reactions: Record<string, number>;
  /** Money given in the window by currency, in millionths of its unit. */
  money_micros: Record<string, number>;
  /** Sessions watching at as_of: joined or heard of within the heartbeat time-out (30 s by default), and not left. */
  concurrent_viewers: number;
  /** The largest concurrent_viewers within the window so far. */
  peak_concurrent_viewers: number;
  /** Distinct viewers with a session event in the window: by user_id, or by session_id for anonymous ones. */
  unique_viewers: number;
  /** Sessions that began in the window. */
  joins: number;
  /** Sessions that ended in the window by leaving (not by silence). */
  leaves: number;
  /** Time played in the window by all sessions as the players report it, in milliseconds. Average minute audience (Nielsen) = watch_ms / the length of the programme in milliseconds, which is audience_us / 1000 or the whole window. */
  watch_ms: number;
  /** Stalls in the window. */
  rebuffer_count: number;
  /** Time stalled in the window, in milliseconds, without startup. Rebuffering ratio (Mux, CTA-2066) = rebuffer_ms / (watch_ms + rebuffer_ms). */
  rebuffer_ms: number;
  /** Messages of the window taken back in it by a deletion, a ban, a time-out or a clear. */
  retracted_messages: number;
  /** The sum of the times that sessions were present in the window before as_of, in microseconds. Average concurrent viewers = presence_us / (as_of - window_start). */
  presence_us: number;
  /** How long at least one session was present in the window before as_of, in microseconds. */
  audience_us: number;
  /** The retention curve: a point for each age that the job is configured with. Share still watching = retained / cohort; add both up over windows. */
  retention: RetentionPoint[];
  /** True if there were more chatters than are counted exactly: unique_chatters is then an estimate with a standard error of 1.6 %. */
  unique_chatters_is_estimated: boolean;
  /** True if there were more viewers than are counted exactly: unique_viewers is then an estimate with a standard error of 1.6 %. */
  unique_viewers_is_estimated: boolean;
  /** Startup times reported in the window. Startup time (Mux: video startup time; Conviva: video start time): from asking to the first frame. */
  startup_count: number;
  /** The startup time that 50 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples. */
  startup_p50_ms: number | null;
  /** The startup time that 90 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples. */
  startup_p90_ms: number | null;
  /** The startup time that 95 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples. */
  startup_p95_ms: number | null;
  /** The startup time that 99 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples. */
  startup_p99_ms: number | null;
  /** Reports of live latency in the window: how far a player is behind the live edge. Each report is a sample. */
  live_latency_count: number;
  /** The live latency that 50 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples. */
  live_latency_p50_ms: number | null;
  /** The live latency that 90 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples. */
  live_latency_p90_ms: number | null;
  /** The live latency that 95 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples. */
  live_latency_p95_ms: number | null;
  /** The live latency that 99 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples. */
  live_latency_p99_ms: number | null;
  /** Bits played by reports that have a bit rate: the sum of bitrate_kbps x watch_ms. Average bit rate in kilobits a second (weighted by time, CTA-2066) = bitrate_bits / bitrate_ms. */
  bitrate_bits: number;
  /** Time played by reports that have a bit rate, in milliseconds. */
  bitrate_ms: number;
  /** Joins and heartbeats of sessions beyond the job's sessions_max: they count everywhere but in concurrent, peak and average viewers and in retention. */
  untracked_sessions: number;
  /** Messages beyond the job's messages_max: they count, and cannot be taken back. */
  untracked_messages: number;
  /** The result reflects every event that became visible before this event time. */
  as_of: number;
  /** The shard's watermark when the result was computed; never before as_of. */
  watermark: number;
  /** The clock's time when the result was computed. */
  computed_at: number;
  /** The job that computed it. */
  job: string;
  /** The shard that computed it: the partition number of its inputs. */
  shard: number;
  /** How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard. */
  input_offsets: Record<string, number>;
}

/** One candle of a market. */
export interface CandleResult {
  /** The market place. */
  venue: string;
  /** The instrument as the venue writes it. */
  symbol: string;
  /** The candle's length in seconds: 1, 60, ... */
  interval_s: number;
  /** First instant of the candle. */
  window_start: number;
  /** First instant after the candle. */
  window_end: number;
  /** True once, for the candle's last record; false for those before it. */
  is_final: boolean;
  /** Rises by one with every record of the same candle, from 1. */
  revision: number;
  /** Price of the first trade by (event_time, trade_id). */
  open: string;
  /** Highest price. */
  high: string;
  /** Lowest price. */
  low: string;
  /** Price of the last trade by (event_time, trade_id). */
  close: string;
  /** Trades. */
  trade_count: number;
  /** Sum of quantity. */
  base_volume: string;
  /** Sum of price x quantity, exact. VWAP = quote_volume / base_volume. */
  quote_volume: string;
  /** Trades whose aggressor bought. */
  taker_buy_count: number;
  /** Trades whose aggressor sold. */
  taker_sell_count: number;
  /** Sum of quantity over trades whose aggressor bought. */
  taker_buy_volume: string;
  /** Sum of quantity over trades whose aggressor sold. */
  taker_sell_volume: string;
  /** Lowest trade_id. */
  first_trade_id: number | null;
  /** Highest trade_id. */
  last_trade_id: number | null;
  /** Numbers between first_trade_id and last_trade_id that no trade of this candle has. Where a candle has more than 256 runs of numbers, the lowest are joined: what comes there later changes neither this nor duplicate_trade_count. */
  missing_trade_ids: number;
  /** Numbers between the highest trade_id of the market's earlier candles of this interval and first_trade_id: the gap between candles. Null where there is none to compare with. */
  missing_before: number | null;
  /** Trades whose trade_id came before in this candle under another event_id. They count in every other field: events are told apart by event_id. */
  duplicate_trade_count: number;
  /** Sum of quantity over those trades: base_volume - duplicate_volume counts each trade_id once. */
  duplicate_volume: string;
  /** Quantity of the largest trade; of equal ones the first by (event_time, trade_id). */
  largest_quantity: string;
  /** Its price. */
  largest_price: string;
  /** Its trade_id. */
  largest_trade_id: number | null;
  /** taker_buy_volume - taker_sell_volume: the numerator of the trade-flow imbalance. From trades only, not from the order book. */
  taker_net_volume: string;
  /** taker_buy_volume + taker_sell_volume: its denominator. */
  taker_volume: string;
  /** Sum of squared log returns (Andersen and Bollerslev, 1998), from the open over the last price of every sampling step with a trade. Realised volatility is its square root. The step is the shortest of 100 ms, 1 s, 5 s, 15 s, 1 m, 5 m, 15 m, 1 h, 4 h, 1 d that cuts the candle into at most 100. Null if a sampled price is not above zero. */
  realised_variance: number | null;
  /** The larger of high and the previous close, less the smaller of low and the previous close (Wilder, 1978). Without a previous candle: high - low. */
  true_range: string;
  /** How many earlier candles of this interval, counting those with trades, the sums below are of: spike_candles at most. */
  past_candle_count: number;
  /** Sum of base_volume over them. */
  past_base_volume: string;
  /** Sum of true_range over them. */
  past_true_range: string;
  /** base_volume x past_candle_count > spike_factor x past_base_volume, with all spike_candles there. */
  is_volume_spike: boolean;
  /** true_range x past_candle_count > spike_factor x past_true_range, with all spike_candles there. */
  is_price_spike: boolean;
  /** The result reflects every event that became visible before this event time. */
  as_of: number;
  /** The shard's watermark when the result was computed; never before as_of. */
  watermark: number;
  /** The clock's time when the result was computed. */
  computed_at: number;
  /** The job that computed it. */
  job: string;
  /** The shard that computed it: the partition number of its inputs. */
  shard: number;
  /** How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard. */
  input_offsets: Record<string, number>;
}

/** A message that a moderation rule found. Nothing is punished automatically. */
export interface ModerationFlag {
  /** message_id and rule: one rule flags one message once. */
  flag_id: string;
  /** The channel. */
  channel_id: string;
  /** The event_id of the message. */
  message_id: string;
  /** When the message was sent. */
  event_time: number;
  /** Who wrote it. */
  user_id: string | null;
  /** The user's display name at that moment. */
  user_name: string | null;
  /** The message's text, cut at 500 characters. */
  text: string;
  /** The rule's name: terms, repeated_text, links, ... */
  rule: string;
  /** What kind of trouble: spam, profanity, hate, scam, ... */
  category: string;
  /** 0 (note) to 4 (worst). */
  severity: number;
  /** How sure the rule is, from 0 to 1. */
  score: number;
  /** What the rule saw, in words or as the matched part. */
  evidence: string;
  /** What a moderator might do about it. */
  suggested_action: "none" | "review" | "delete" | "time_out" | "ban" | "unknown";
  /** The result reflects every event that became visible before this event time. */
  as_of: number;
  /** The shard's watermark when the result was computed; never before as_of. */
  watermark: number;
  /** The clock's time when the result was computed. */
  computed_at: number;
  /** The job that computed it. */
  job: string;
  /** The shard that computed it: the partition number of its inputs. */
  shard: number;
  /** How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard. */
  input_offsets: Record<string, number>;
}

/** An emote used in a message. */
export interface Emote {
  /** The platform's emote id, with the source in front. */
  id: string;
  /** The emote's code as typed. */
  name: string;
  /** How often the message uses it; 1 or more. */
  count: number;
}

/** What is said in a channel's chat, and what its moderators take back. */
export interface ChatEvent {
  /** The platform's own id of this event, or a UUIDv7. Two events with one id are the same event, sent twice. */
  event_id: string;
  /** When it happened, by the platform's clock. Microseconds since 1970-01-01T00:00Z. */
  event_time: number;
  /** When the producer took it in, by the producer's clock. The Kafka record carries the same time. */
  ingest_time: number;
  /** The platform it came from: twitch, youtube, binance-spot, coinbase, api, simulator, ... */
  source: string;
  /** The channel, with its source in front (twitch:1234). For a trade: venue and symbol. This is the Kafka key. */
  channel_id: string;
  /** Who did it, with the source in front (twitch:1234). Null for anonymous users. */
  user_id: string | null;
  /** The broadcast within the channel, where the platform tells. */
  stream_id: string | null;
  /** message: somebody wrote; message_deleted: target_message_id was removed; user_banned and user_timed_out: target_user_id and what they wrote; chat_cleared: everything in the channel so far. */
  kind: "message" | "message_deleted" | "user_banned" | "user_timed_out" | "chat_cleared" | "unknown";
  /** The user's display name at that moment. A label, never a key. */
  user_name: string | null;
  /** The message's text as sent. Null unless kind is message. */
  text: string | null;
  /** The emotes of the message, each once, in order of first use. */
  emotes: Emote[];
  /** The user's roles in the channel: broadcaster, moderator, vip, subscriber, staff, artist, partner. */
  roles: string[];
  /** The badges shown beside the name, as set/version (subscriber/12). */
  badges: string[];
  /** The event_id of the message that this one answers. */
  reply_to: string | null;
  /** True for a question put to the host (Q and A), not for any text with a question mark. */
  is_question: boolean;
  /** True if the platform says that the user never wrote in this channel before. */
  is_first_message: boolean;
  /** message_deleted: the event_id of the removed message. */
  target_message_id: string | null;
  /** user_banned, user_timed_out: the user, with the source in front. */
  target_user_id: string | null;
  /** user_timed_out: for how long, in milliseconds. */
  duration_ms: number | null;
}

export type LeaderboardsKey = { board: string; group: string; window: string };

export type EngagementKey = { channel: string; window_s: number };

export type MarketsKey = { market: string; interval_s: number };

export type ModerationKey = { channel: string };

export type ChatKey = { channel: string; what: string };

export type HealthKey = Record<string, never>;

export type Change =
  | ChangeOf<"leaderboards", LeaderboardsKey, LeaderboardResult>
  | ChangeOf<"engagement", EngagementKey, EngagementResult>
  | ChangeOf<"markets", MarketsKey, CandleResult>
  | ChangeOf<"moderation", ModerationKey, ModerationFlag>
  | ChangeOf<"chat", ChatKey, ChatEvent>
  | ChangeOf<"health", HealthKey, Health>;

export type Selector =
  | { kind: "leaderboards"; history?: boolean; board?: string; group?: string; window?: string }
  | { kind: "engagement"; history?: boolean; channel?: string; window_s?: number | "*" }
  | { kind: "markets"; history?: boolean; market?: string; interval_s?: number | "*" }
  | { kind: "moderation"; history?: boolean; channel?: string }
  | { kind: "chat"; history?: boolean; channel?: string; what?: string }
  | { kind: "health"; history?: boolean };

export interface Health {
  state: "live" | "catching_up" | "log_unreachable";
  trouble: string | null;
  results: number;
  tombstones: number;
  refused: Record<string, number>;
  dead_letters: { total: number; by_reason: Record<string, number> };
  jobs: {
    job: string;
    shards: number;
    as_of: number | null;
    watermark: number | null;
    watermark_min: number | null;
    computed_at: number | null;
    /** By the committed positions; null while that is not known. */
    lag: { members: number; records: number; watermark_min: number | null; behind: { shard: number; records: number }[] } | null;
  }[];
}

interface Place {
  /** `epoch:offset`: where to resume. */
  id: string;
  as_of: number | null;
  watermark: number | null;
}

interface ChangeOf<Kind extends string, Key, Value> extends Place {
  type: "change";
  kind: Kind;
  key: Key;
  value: Value;
}

export type Frame =
  | Change
  | (Place & { type: "snapshot"; part: number; is_last: boolean; items: Change[]; forbidden?: Selector[] })
  | (Place & { type: "resumed"; forbidden?: Selector[] })
  | (Place & { type: "heartbeat"; server_time: number })
  | (Place & { type: "error"; code: string; message: string });

export interface Message {
  subscribe: Selector[];
  resume?: string | null;
  token?: string | null;
  partial?: boolean | null;
}
