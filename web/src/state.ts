/**
 * What the page knows: frames in, state out. No DOM, no clock.
 *
 * Always holds: a snapshot replaces everything, but for the audience that was seen of the same gateway; everything is
 * bounded; an engagement window or a candle is kept once, at its newest value.
 */
import type { Board, Candle, Change, Engagement, Flag, Frame, Health, Said, Selector } from "./protocol";

export const WINDOWS_MAX = 120;
export const CANDLES_MAX = 300;
export const FLAGS_MAX = 1_000;
/** Messages, and as many questions and moderators' actions. */
export const CHAT_MAX = 100;
/** While the page is open it keeps the audience of each record: five minutes at one a second. */
export const SAMPLES_MAX = 300;

export interface State {
  /** The id to resume from; null before the first frame. */
  id: string | null;
  asOf: number | null;
  watermark: number | null;
  /** Server's clock less ours, in milliseconds. */
  skewMs: number;
  /** By group, board and window. */
  boards: Map<string, Board>;
  /** By channel, then by the window's start; oldest first. */
  engagement: Map<string, Map<number, Engagement>>;
  /** concurrent_viewers by channel, then by as_of; oldest first. */
  samples: Map<string, Map<number, number>>;
  /** By market and interval, then by the candle's start. */
  candles: Map<string, Map<number, Candle>>;
  /** By flag id. */
  flags: Map<string, Flag>;
  /** By what it is (message, question, action), then by event id. */
  chat: Map<string, Map<string, Said>>;
  health: Health | null;
  /** What was asked for and may not be read. */
  forbidden: Selector[];
  /** Nothing at all may be read: what is here is from before. */
  isRefused: boolean;
  /** False until what was asked for last is there. */
  isAnswered: boolean;
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
    chat: new Map(),
    health: null,
    forbidden: [],
    isRefused: false,
    isAnswered: false,
  };
}

export function seriesName(market: string, intervalS: number): string {
  return `${market}/${intervalS}`;
}

/** Drops what comes first in `order` until `max` are left. */
function trim<Key, Value>(map: Map<Key, Value>, max: number, order: (key: Key, value: Value) => number): void {
  if (map.size <= max) return;
  const entries = [...map].sort(([a, one], [b, other]) => order(a, one) - order(b, other));
  for (const [key] of entries.slice(0, map.size - max)) map.delete(key);
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
      break;
    case "chat": {
      const said = state.chat.get(change.key.what) ?? new Map<string, Said>();
      state.chat.set(change.key.what, said.set(change.value.event_id, change.value));
      trim(said, CHAT_MAX, (_, event) => heardAt(event));
      break;
    }
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
        for (const map of [state.boards, state.engagement, state.candles, state.flags, state.chat]) map.clear();
        if (epochOf(frame.id) !== epochOf(state.id)) state.samples.clear();
        state.health = null;
        state.forbidden = frame.forbidden ?? [];
      }
      for (const item of frame.items) applyChange(state, item);
      if (frame.is_last) state.isAnswered = true;
      break;
    case "change":
      applyChange(state, frame);
      break;
    case "heartbeat":
      state.skewMs = frame.server_time / 1000 - nowMs;
      break;
    case "resumed":
      state.forbidden = frame.forbidden ?? [];
      state.isAnswered = true;
      break;
    case "error":
      return;
    default:
      return;
  }
  trim(state.flags, FLAGS_MAX, (_, flag) => flag.event_time);
  state.id = frame.id;
  if (frame.type !== "change" || isResult(frame)) {
    state.asOf = later(state.asOf, frame.as_of);
    state.watermark = later(state.watermark, frame.watermark);
  }
}

/** True for what jobs have computed. */
export function isResult(change: Change): boolean {
  return change.kind !== "health" && change.kind !== "chat";
}

/** When an event counts as said: a sender's clock may run ahead. */
export function heardAt(event: Said): number {
  return Math.min(event.event_time, event.ingest_time);
}

function epochOf(id: string | null): string | undefined {
  return id?.split(":")[0];
}

function later(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.max(a, b);
}

/** The instant that a window's value describes. */
export function seenAt(window: Engagement): number {
  return Math.min(window.window_end ?? window.as_of, window.as_of);
}
