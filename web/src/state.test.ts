import { expect, test } from "vitest";
import { backOffMs } from "./connection";
import type { Board, Candle, Change, Engagement, Flag, Frame } from "./protocol";
import * as state from "./state";

const place = (offset: number) => ({ id: `e:${offset}`, as_of: offset * 1e6, watermark: offset * 1e6 });

function engagement(offset: number, channel: string, minute: number, value: Partial<Engagement> = {}): Change {
  const window = { channel_id: channel, window_start: minute * 60e6, window_end: (minute + 1) * 60e6, as_of: (minute + 1) * 60e6, is_final: true, concurrent_viewers: 1, ...value };
  return { type: "change", ...place(offset), kind: "engagement", key: { channel, window_s: 60 }, value: window as Engagement };
}
function flag(offset: number, id: string, time: number): Change {
  return { type: "change", ...place(offset), kind: "moderation", key: { channel: "c" }, value: { flag_id: id, channel_id: "c", event_time: time } as Flag };
}
function board(offset: number, name: string, window: string, end: number | null): Change {
  const value = { board: name, group: "c", window, window_start: end === null ? null : end - 1, window_end: end, entries: [] } as unknown as Board;
  return { type: "change", ...place(offset), kind: "leaderboards", key: { board: name, group: "c", window }, value };
}
const snapshot = (offset: number, items: Change[], part = 0, is_last = true): Frame => ({ type: "snapshot", ...place(offset), part, is_last, items });

test("a snapshot replaces everything, its later parts add", () => {
  const s = state.emptyState();
  state.apply(s, engagement(1, "gone", 1), 0);
  state.apply(s, snapshot(5, [engagement(3, "a", 1)], 0, false), 0);
  state.apply(s, snapshot(6, [engagement(6, "b", 1)], 1, true), 0);
  expect(state.channelsByViewers(s).map((c) => c.channel)).toEqual(["a", "b"]);
  expect(s.id).toBe("e:6");
});

test("the audience over time is one point a window, then one a record", () => {
  const s = state.emptyState();
  for (let minute = 0; minute < 3; minute += 1) state.apply(s, engagement(minute, "a", minute, { concurrent_viewers: minute }), 0);
  for (let second = 1; second <= state.SAMPLES_MAX; second += 1) {
    state.apply(s, engagement(9, "a", 3, { as_of: 180e6 + second * 1e6, window_end: 1e12, concurrent_viewers: 100 + second }), 0);
  }
  const points = state.viewersOf(s, "a");
  expect(points.slice(0, 4).map((p) => p.viewers)).toEqual([0, 1, 2, 101]);
  expect(points).toHaveLength(3 + state.SAMPLES_MAX);
  expect(points.map((p) => p.at)).toEqual(points.map((p) => p.at).sort((a, b) => a - b));
});

test("a window is kept once, at its newest value, and the oldest leave first", () => {
  const s = state.emptyState();
  state.apply(s, engagement(1, "a", 7, { messages: 1 }), 0);
  state.apply(s, engagement(2, "a", 7, { messages: 2 }), 0);
  expect(state.windowsOf(s, "a").map((w) => w.messages)).toEqual([2]);
  for (let minute = 0; minute < 500; minute += 1) state.apply(s, engagement(3 + minute, "a", minute), 0);
  const kept = state.windowsOf(s, "a");
  expect(kept).toHaveLength(state.WINDOWS_MAX);
  expect(kept[0]?.window_start).toBe((500 - state.WINDOWS_MAX) * 60e6);
});

test("channels are most-watched first, equals by name", () => {
  const s = state.emptyState();
  [["b", 5], ["a", 5], ["c", 9]].forEach(([name, viewers], index) => state.apply(s, engagement(index + 1, String(name), 1, { concurrent_viewers: Number(viewers) }), 0));
  state.apply(s, engagement(9, "c", 2, { concurrent_viewers: 1 }), 0);
  expect(state.channelsByViewers(s).map((c) => c.channel)).toEqual(["a", "b", "c"]);
});

test("flags are newest first and bounded", () => {
  const s = state.emptyState();
  for (let n = 0; n < 300; n += 1) state.apply(s, flag(n + 1, `f${n}`, n), 0);
  const flags = state.flagsOf(s, "c");
  expect(flags).toHaveLength(state.FLAGS_MAX);
  expect([flags[0]?.flag_id, flags.at(-1)?.flag_id]).toEqual(["f299", "f100"]);
  expect(state.flagsOf(s, "other")).toEqual([]);
});

test("boards come by name with the rolling window before all time", () => {
  const s = state.emptyState();
  state.apply(s, board(1, "z_all_time", "all_time", null), 0);
  state.apply(s, board(2, "z", "rolling", 100), 0);
  state.apply(s, board(3, "a", "all_time", null), 0);
  expect(state.boardsOf(s, "c").map((b) => [b.name, b.windows.map((w) => w.window)])).toEqual([["a", ["all_time"]], ["z", ["rolling", "all_time"]]]);
});

test("rates cover the part of an open window that has been seen", () => {
  const open = { window_start: 0, window_end: 60e6, as_of: 15e6, is_final: false, messages: 30 } as Engagement;
  expect(state.messageRate(open)).toBe(2);
  expect(state.messageRate({ ...open, is_final: true })).toBe(0.5);
  expect(state.messageRate({ ...open, as_of: 0 })).toBeNull();
  expect(state.rebufferRatio({ watch_ms: 900, rebuffer_ms: 100 } as Engagement)).toBe(0.1);
  expect(state.rebufferRatio({ watch_ms: 0, rebuffer_ms: 0 } as Engagement)).toBeNull();
  expect(state.vwap({ base_volume: "2", quote_volume: "7" } as Candle)).toBe(3.5);
  expect(state.vwap({ base_volume: "0", quote_volume: "0" } as Candle)).toBeNull();
});

test("heartbeats move the id and the freshness, never back, and tell the clock's skew", () => {
  const s = state.emptyState();
  state.apply(s, { type: "heartbeat", ...place(9), server_time: 5_000_000 }, 2_000);
  state.apply(s, { type: "heartbeat", ...place(9), as_of: 1, watermark: null, server_time: 5_000_000 }, 2_000);
  expect([s.id, s.asOf, s.skewMs]).toEqual(["e:9", 9e6, 3_000]);
  state.apply(s, { type: "error", id: "e:0", as_of: null, watermark: null, code: "bad_message", message: "" }, 0);
  expect(s.id).toBe("e:9");
});

test("back-off grows to a bound and is jittered", () => {
  expect([backOffMs(0, 0), backOffMs(0, 0.999)].map(Math.round)).toEqual([250, 500]);
  expect(backOffMs(3, 0)).toBe(2_000);
  expect(backOffMs(50, 0.999)).toBeLessThanOrEqual(15_000);
});
