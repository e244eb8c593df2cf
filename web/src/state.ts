/**
 * What the page knows: frames in, state out. No DOM, no clock.
 *
 * Always holds: a snapshot replaces everything; histories are bounded as in the gateway; an engagement window or a
 * candle is kept once, at its newest value.
 */
import type { Board, Candle, Change, Engagement, Flag, Frame, Health } from "./protocol";

export const WINDOWS_MAX = 120;
export const CANDLES_MAX = 300;
export const FLAGS_MAX = 200;
/** While the page is open it keeps the audience of each record: five minutes at one a second. */
export const SAMPLES_MAX = 300;

export interface State {
  /** The id to resume from; null before the first frame. */
  id: string | null;
  asOf: number | null;
  watermark: number | null;
  /** Server's clock less ours, in milliseconds. */
  skewMs: number;
  /** By board and window, of the group that is shown. */
  boards: Map<string, Board>;
  /** By channel, then by the window's start; oldest first. */
  engagement: Map<string, Map<number, Engagement>>;
  /** concurrent_viewers by channel, then by as_of; oldest first. */
  samples: Map<string, Map<number, number>>;
  /** By market and interval, then by the candle's start. */
  candles: Map<string, Map<number, Candle>>;
  /** By flag id. */
  flags: Map<string, Flag>;
  health: Health | null;
}

export function emptyState(): State {
  return {
    id: null,
    asOf: null,
    watermark: null,
    skewMs: 0,
    boards: new Map(),
    engagement: new Map(),
    samples: new Map(),
    candles: new Map(),
    flags: new Map(),
    health: null,
  };
}

export function seriesName(market: string, intervalS: number): string {
  return `${market}/${intervalS}`;
}

function trim<Key, Value>(map: Map<Key, Value>, max: number, order: (key: Key, value: Value) => number): void {
  while (map.size > max) {
    let first: Key | undefined;
    let least = Infinity;
    for (const [key, value] of map) {
      if (order(key, value) < least) {
        least = order(key, value);
        first = key;
      }
    }
    if (first === undefined) return;
    map.delete(first);
  }
}

function put<Value>(outer: Map<string, Map<number, Value>>, name: string, at: number, value: Value, max: number): void {
  let inner = outer.get(name);
  if (!inner) outer.set(name, (inner = new Map()));
  inner.set(at, value);
  trim(inner, max, (key) => key);
}

function applyChange(state: State, change: Change): void {
  switch (change.kind) {
    case "leaderboards":
      state.boards.set(`${change.key["group"]}\n${change.key["board"]}\n${change.key["window"]}`, change.value);
      break;
    case "engagement":
      put(state.engagement, change.value.channel_id, change.value.window_start ?? 0, change.value, WINDOWS_MAX);
      put(state.samples, change.value.channel_id, seenAt(change.value), change.value.concurrent_viewers, SAMPLES_MAX);
      break;
    case "markets": {
      const name = seriesName(String(change.key["market"]), change.value.interval_s);
      put(state.candles, name, change.value.window_start, change.value, CANDLES_MAX);
      break;
    }
    case "moderation":
      state.flags.set(change.value.flag_id, change.value);
      trim(state.flags, FLAGS_MAX, (_, flag) => flag.event_time);
      break;
    case "health":
      state.health = change.value;
      break;
    default:
      return; // a kind of a newer gateway
  }
}

/** Takes a frame in. `nowMs` is the browser's clock, for the skew. */
export function apply(state: State, frame: Frame, nowMs: number): void {
  switch (frame.type) {
    case "snapshot":
      if (frame.part === 0) {
        for (const map of [state.boards, state.engagement, state.samples, state.candles, state.flags]) map.clear();
      }
      for (const item of frame.items) applyChange(state, item);
      break;
    case "change":
      applyChange(state, frame);
      break;
    case "heartbeat":
      state.skewMs = frame.server_time / 1000 - nowMs;
      break;
    case "resumed":
      break;
    case "error":
      return;
    default:
      return;
  }
  state.id = frame.id;
  if (frame.type !== "change" || frame.kind !== "health") {
    state.asOf = later(state.asOf, frame.as_of);
    state.watermark = later(state.watermark, frame.watermark);
  }
}

function later(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.max(a, b);
}

/** A channel's windows, oldest first. */
export function windowsOf(state: State, channel: string | null): Engagement[] {
  const windows = channel === null ? undefined : state.engagement.get(channel);
  return windows ? [...windows].sort(([a], [b]) => a - b).map(([, window]) => window) : [];
}

/** The instant that a window's value describes. */
function seenAt(window: Engagement): number {
  return Math.min(window.window_end ?? window.as_of, window.as_of);
}

/** A channel's audience over time, oldest first: one point a window, then, for as long as the page is open, one a record. */
export function viewersOf(state: State, channel: string | null): { at: number; viewers: number }[] {
  const samples = [...((channel === null ? undefined : state.samples.get(channel)) ?? [])].sort(([a], [b]) => a - b);
  const first = samples[0]?.[0] ?? Infinity;
  const windows = windowsOf(state, channel).filter((window) => seenAt(window) < first);
  return [
    ...windows.map((window) => ({ at: seenAt(window), viewers: window.concurrent_viewers })),
    ...samples.map(([at, viewers]) => ({ at, viewers })),
  ];
}

/** The channels, most-watched first; then by name, so that equals keep their places. */
export function channelsByViewers(state: State): { channel: string; viewers: number }[] {
  const channels = [...state.engagement.keys()].map((channel) => ({
    channel,
    viewers: windowsOf(state, channel).at(-1)?.concurrent_viewers ?? 0,
  }));
  return channels.sort((a, b) => b.viewers - a.viewers || (a.channel < b.channel ? -1 : 1));
}

/** Candles oldest first. */
export function candlesOf(state: State, market: string | null, intervalS: number): Candle[] {
  const candles = market === null ? undefined : state.candles.get(seriesName(market, intervalS));
  return candles ? [...candles].sort(([a], [b]) => a - b).map(([, candle]) => candle) : [];
}

/** Markets by name. */
export function markets(state: State): string[] {
  return [...new Set([...state.candles.values()].flatMap((c) => [...c.values()].map((v) => `${v.venue}:${v.symbol}`)))].sort();
}

/** Boards of a group: each board's windows, rolling ones before all time. A board of all time stands with its namesake. */
export function boardsOf(state: State, group: string | null): { name: string; windows: Board[] }[] {
  const byName = new Map<string, Board[]>();
  for (const board of state.boards.values()) {
    const name = board.window === "all_time" ? board.board.replace(/_all_time$/, "") : board.board;
    if (board.group === group) byName.set(name, [...(byName.get(name) ?? []), board]);
  }
  const length = (board: Board) =>
    board.window_end === null || board.window_start === null ? Infinity : board.window_end - board.window_start;
  return [...byName]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, windows]) => ({ name, windows: windows.sort((a, b) => length(a) - length(b)) }));
}

/** Flags, newest first. */
export function flagsOf(state: State, channel: string | null): Flag[] {
  const flags = [...state.flags.values()].filter((flag) => channel === null || flag.channel_id === channel);
  return flags.sort((a, b) => b.event_time - a.event_time || (a.flag_id < b.flag_id ? -1 : 1));
}

/** Seconds of a window that its value covers: less than its length while it is open. */
export function secondsCovered(window: Engagement): number {
  if (window.window_start === null || window.window_end === null) return 0;
  const until = window.is_final ? window.window_end : Math.min(window.window_end, window.as_of);
  return Math.max(0, (until - window.window_start) / 1e6);
}

/** Messages for each second that the window covers; null if that is too short to say. */
export function messageRate(window: Engagement): number | null {
  const seconds = secondsCovered(window);
  return seconds < 1 ? null : window.messages / seconds;
}

/** Time stalled over time played plus stalled; null if nobody played. */
export function rebufferRatio(window: Engagement): number | null {
  const all = window.watch_ms + window.rebuffer_ms;
  return all === 0 ? null : window.rebuffer_ms / all;
}

/** Volume-weighted average price of a candle; null without volume. For drawing only: the parts are exact. */
export function vwap(candle: Candle): number | null {
  const base = Number(candle.base_volume);
  return base > 0 ? Number(candle.quote_volume) / base : null;
}
