/**
 * The frames of the live API as far as the page uses them; all of them are in live-api.ts, which is made from the schemas.
 * Instants are microseconds since 1970, decimals are strings.
 */
import type * as Sent from "./live-api";

export interface Freshness {
  as_of: number;
  watermark: number;
  computed_at: number;
  job: string;
  shard: number;
}

export interface BoardEntry {
  rank: number;
  item: string;
  label: string;
  score: string;
  previous_rank: number | null;
}

export interface Board extends Freshness {
  board: string;
  group: string;
  window: string;
  window_start: number | null;
  window_end: number | null;
  entries: BoardEntry[];
  item_count: number;
  total_score: string;
}

export interface Engagement extends Freshness {
  channel_id: string;
  window_start: number | null;
  window_end: number | null;
  is_final: boolean;
  messages: number;
  unique_chatters: number;
  reactions: Record<string, number>;
  money_micros: Record<string, number>;
  concurrent_viewers: number;
  peak_concurrent_viewers: number;
  unique_viewers: number;
  joins: number;
  leaves: number;
  watch_ms: number;
  rebuffer_count: number;
  rebuffer_ms: number;
  retracted_messages: number;
  presence_us: number;
  audience_us: number;
  retention: { age_us: number; cohort: number; retained: number }[];
  unique_chatters_is_estimated: boolean;
  unique_viewers_is_estimated: boolean;
  startup_count: number;
  startup_p50_ms: number | null;
  startup_p95_ms: number | null;
  live_latency_count: number;
  live_latency_p50_ms: number | null;
  live_latency_p95_ms: number | null;
  bitrate_bits: number;
  bitrate_ms: number;
}

export interface Candle extends Freshness {
  venue: string;
  symbol: string;
  interval_s: number;
  window_start: number;
  window_end: number;
  open: string;
  high: string;
  low: string;
  close: string;
  trade_count: number;
  base_volume: string;
  quote_volume: string;
  taker_buy_volume: string;
  taker_sell_volume: string;
  missing_trade_ids: number;
  missing_before: number | null;
  duplicate_trade_count: number;
  taker_net_volume: string;
  taker_volume: string;
  realised_variance: number | null;
  largest_quantity: string;
  largest_price: string;
  true_range: string;
  past_candle_count: number;
  past_base_volume: string;
  past_true_range: string;
  is_volume_spike: boolean;
  is_price_spike: boolean;
}

export interface Flag extends Freshness {
  flag_id: string;
  channel_id: string;
  message_id: string;
  event_time: number;
  user_id: string | null;
  user_name: string | null;
  text: string;
  rule: string;
  category: string;
  severity: number;
  score: number;
  evidence: string;
  suggested_action: string;
}

export interface JobHealth {
  job: string;
  shards: number;
  as_of: number;
  watermark: number;
  watermark_min: number;
  computed_at: number;
}

export interface Health {
  state: "live" | "catching_up" | "log_unreachable";
  trouble: string | null;
  results: number;
  tombstones: number;
  refused: Record<string, number>;
  dead_letters: { total: number; by_reason: Record<string, number> };
  jobs: JobHealth[];
}

interface Place {
  id: string;
  as_of: number | null;
  watermark: number | null;
}

interface ChangeOf<Kind extends string, Value> extends Place {
  type: "change";
  kind: Kind;
  key: Record<string, string | number>;
  value: Value;
}

export type Change =
  | ChangeOf<"leaderboards", Board>
  | ChangeOf<"engagement", Engagement>
  | ChangeOf<"markets", Candle>
  | ChangeOf<"moderation", Flag>
  | ChangeOf<"health", Health>;

export type Frame =
  | Change
  | (Place & { type: "snapshot"; part: number; is_last: boolean; items: Change[] })
  | (Place & { type: "resumed" })
  | (Place & { type: "heartbeat"; server_time: number })
  | (Place & { type: "error"; code: string; message: string });

export interface Selector {
  kind: Change["kind"];
  history?: boolean;
  board?: string;
  group?: string;
  channel?: string;
  market?: string;
  interval_s?: number;
}

/** `All` is `Used` and maybe more; the compiler refuses anything else. */
type Has<Used, All extends Used> = [Used, All];
/** What is sent is what the page expects, and what the page asks for may be asked. */
export type Agreement = [Has<Frame, Sent.Frame>, Has<Sent.Selector, Selector>];
