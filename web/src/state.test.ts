import { expect, test } from "vitest";
import { backOffMs } from "./connection";
import type { Board, Candle, Change, Engagement, Flag, Frame, Said } from "./protocol";
import * as select from "./select";
import * as state from "./state";

const place = (offset: number) => ({ id: `e:${offset}`, as_of: offset * 1e6, watermark: offset * 1e6 });

function engagement(offset: number, channel: string, minute: number, value: Partial<Engagement> = {}): Change {
  const window = { channel_id: channel, window_start: minute * 60e6, window_end: (minute + 1) * 60e6, as_of: (minute + 1) * 60e6, is_final: true, concurrent_viewers: 1, ...value };
  return { type: "change", ...place(offset), kind: "engagement", key: { channel, window_s: 60 }, value: window as Engagement };
}
function flag(offset: number, id: string, time: number): Change {
  return { type: "change", ...place(offset), kind: "moderation", key: { channel: "c" }, value: { flag_id: id, channel_id: "c", event_time: time, severity: 1 } as Flag };
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
  expect(select.channelRows(s).map((c) => c.channel)).toEqual(["a", "b"]);
  expect(s.id).toBe("e:6");
});

test("the audience over time is one point a window, then one a record", () => {
  const s = state.emptyState();
  for (let minute = 0; minute < 3; minute += 1) state.apply(s, engagement(minute, "a", minute, { concurrent_viewers: minute }), 0);
  for (let second = 1; second <= state.SAMPLES_MAX; second += 1) {
    state.apply(s, engagement(9, "a", 3, { as_of: 180e6 + second * 1e6, window_end: 1e12, concurrent_viewers: 100 + second }), 0);
  }
  const points = select.viewersOf(s, "a");
  expect(points.slice(0, 4).map((p) => p.viewers)).toEqual([0, 1, 2, 101]);
  expect(points).toHaveLength(3 + state.SAMPLES_MAX);
  expect(points.map((p) => p.at)).toEqual(points.map((p) => p.at).sort((a, b) => a - b));
});

test("what was seen of the audience stays while the gateway is the same", () => {
  const s = state.emptyState();
  state.apply(s, engagement(1, "a", 1, { concurrent_viewers: 5 }), 0);
  state.apply(s, snapshot(2, [engagement(2, "a", 2, { concurrent_viewers: 6 })]), 0);
  expect(select.samplesOf(s, "a", 9).map((p) => p.viewers)).toEqual([5, 6]);
  state.apply(s, { ...snapshot(3, []), id: "other:3" } as Frame, 0);
  expect(select.samplesOf(s, "a", 9)).toEqual([]);
});

test("channels are ordered by what is asked, what is unknown last", () => {
  const s = state.emptyState();
  const quality = { a: [10, 90], b: [0, 0], c: [50, 50] } as const;
  for (const [name, [rebuffer_ms, watch_ms]] of Object.entries(quality)) state.apply(s, engagement(1, name, 1, { rebuffer_ms, watch_ms }), 0);
  const names = (isDescending: boolean) => select.channelRows(s, "rebuffering", isDescending).map((row) => row.channel);
  expect([names(true), names(false)]).toEqual([["c", "a", "b"], ["a", "c", "b"]]);
  expect(select.channelRows(s, "channel", true).map((row) => row.channel)).toEqual(["c", "b", "a"]);
});

test("retention is added up over windows", () => {
  const window = (cohort: number, retained: number) => ({ retention: [{ age_us: 60e6, cohort, retained }, { age_us: 120e6, cohort: 0, retained: 0 }] }) as Engagement;
  expect(select.retentionOf([window(10, 9), window(30, 11)])).toEqual([{ ageS: 60, cohort: 40, share: 0.5 }, { ageS: 120, cohort: 0, share: null }]);
});

test("boards of several keys stand with their channel, each key read as it was written", () => {
  const s = state.emptyState();
  const channel = "a/b%";
  for (const [group, window] of [[channel, "rolling"], ["a%2Fb%25/EUR", "rolling"], ["a%2Fb%25/x%2Fy", "all_time"], ["a%2Fb%25/a%2Fb%25:poll", "rolling"], ["a/other", "rolling"], ["a%2Fb%25c/EUR", "rolling"]] as const) {
    const made = board(1, "givers", window, 100);
    state.apply(s, { ...made, key: { ...made.key, group }, value: { ...made.value, group } } as Change, 0);
  }
  expect(select.boardsOf(s, channel).map((family) => family.variants.map((variant) => variant.called))).toEqual([["", "EUR", "poll", "x/y"]]);
  expect(`${select.groupPart(channel)}/${select.groupPart("EUR")}`).toBe("a%2Fb%25/EUR");
});

test("a market's last price is the newest of any candle, its change that of the longest", () => {
  const s = state.emptyState();
  const candle = (interval_s: number, window_start: number, as_of: number, open: string, close: string) =>
    state.apply(s, { type: "change", ...place(1), kind: "markets", key: { market: "v:S", interval_s }, value: { venue: "v", symbol: "S", interval_s, window_start, window_end: window_start + interval_s * 1e6, as_of, open, close } as Candle }, 0);
  candle(86_400, 0, 50, "100", "110");
  candle(1, 10, 90, "119", "120");
  candle(60, 5, 70, "100", "115");
  expect(select.marketRows(s).map(({ market, last, change, changeS }) => [market, last.close, change?.toFixed(2), changeS])).toEqual([["v:S", "120", "0.20", 86_400]]);
  expect(select.intervalsOf(s, "v:S")).toEqual([1, 60, 86_400]);
});

test("flags are found by rule, severity, channel and text, and counted by rule", () => {
  const s = state.emptyState();
  const put = (id: string, value: Partial<Flag>) => {
    const made = flag(1, id, 1);
    state.apply(s, { ...made, value: { ...made.value, rule: "links", severity: 1, text: "", user_name: null, user_id: null, evidence: "", ...value } } as Change, 0);
  };
  put("1", { text: "Free SKINS" });
  put("2", { rule: "terms", severity: 3, evidence: "skins" });
  put("3", { rule: "terms", severity: 4, user_name: "skinsman", channel_id: "d" });
  const ids = (filter: Partial<select.FlagFilter>) => select.flagsOf(s, { ...select.ALL_FLAGS, ...filter }).map((one) => one.flag_id);
  expect([ids({ text: "skins" }), ids({ rule: "terms" }), ids({ severity: 4 }), ids({ channel: "D" }), ids({ text: "nothing" })]).toEqual([["1", "2", "3"], ["2", "3"], ["3"], ["3"], []]);
  expect(select.countByRule(select.flagsOf(s, select.ALL_FLAGS))).toEqual([["terms", 2], ["links", 1]]);
});

test("a window is kept once, at its newest value, and the oldest leave first", () => {
  const s = state.emptyState();
  state.apply(s, engagement(1, "a", 7, { messages: 1 }), 0);
  state.apply(s, engagement(2, "a", 7, { messages: 2 }), 0);
  expect(select.windowsOf(s, "a").map((w) => w.messages)).toEqual([2]);
  for (let minute = 0; minute < 500; minute += 1) state.apply(s, engagement(3 + minute, "a", minute), 0);
  const kept = select.windowsOf(s, "a");
  expect(kept).toHaveLength(state.WINDOWS_MAX);
  expect(kept[0]?.window_start).toBe((500 - state.WINDOWS_MAX) * 60e6);
});

test("channels are most-watched first, equals by name", () => {
  const s = state.emptyState();
  [["b", 5], ["a", 5], ["c", 9]].forEach(([name, viewers], index) => state.apply(s, engagement(index + 1, String(name), 1, { concurrent_viewers: Number(viewers) }), 0));
  state.apply(s, engagement(9, "c", 2, { concurrent_viewers: 1 }), 0);
  expect(select.channelRows(s).map((c) => c.channel)).toEqual(["a", "b", "c"]);
});

test("flags are newest first and bounded", () => {
  const s = state.emptyState();
  for (let n = 0; n < state.FLAGS_MAX + 100; n += 1) state.apply(s, flag(n + 1, `f${n}`, n), 0);
  const flags = select.flagsOf(s, select.ALL_FLAGS);
  expect(flags).toHaveLength(state.FLAGS_MAX);
  expect([flags[0]?.flag_id, flags.at(-1)?.flag_id]).toEqual(["f1099", "f100"]);
  expect(select.flagsOf(s, { ...select.ALL_FLAGS, channel: "other" })).toEqual([]);
});

test("what moderators take back is not shown, and the chat is bounded and moves no freshness", () => {
  const s = state.emptyState();
  const put = (what: string, event_id: string, at: number, value: Partial<Said> = {}) =>
    state.apply(s, { type: "change", ...place(1), as_of: at * 1e6, watermark: null, kind: "chat", key: { channel: "c", what }, value: { event_id, channel_id: "c", event_time: at * 1e6, ingest_time: at * 1e6, kind: "message", user_id: null, target_message_id: null, target_user_id: null, ...value } as Said }, 0);
  const left = () => select.chatOf(s, "c").map((said) => said.event_id);
  for (const [id, at, user_id] of [["1", 1, "ada"], ["2", 2, "bob"], ["3", 3, "ada"], ["4", 5, "bob"], ["5", 6, null]] as const) put("message", id, at, { user_id });
  put("question", "q", 4, { user_id: "ada" });
  expect(left()).toEqual(["5", "4", "q", "3", "2", "1"]);
  put("action", "a1", 9, { kind: "message_deleted", target_message_id: "3" });
  put("action", "a2", 4, { kind: "user_banned", target_user_id: "bob" });
  put("action", "a3", 9, { kind: "user_timed_out" });
  expect(left()).toEqual(["5", "4", "q", "1"]);
  put("action", "a4", 5, { kind: "chat_cleared" });
  expect(left()).toEqual(["5"]);
  expect(select.chatOf(s, "another")).toEqual([]);
  put("message", "banned ahead", 1_000, { ingest_time: 7e6, user_id: "eve" });
  put("action", "a5", 8, { kind: "user_banned", target_user_id: "eve" });
  expect(left()).toEqual(["5"]);
  put("message", "ahead", 1_000, { ingest_time: 7e6 });
  for (let n = 0; n < state.CHAT_MAX; n += 1) put("message", `m${n}`, 10 + n);
  expect(left()).toHaveLength(state.CHAT_MAX);
  expect(left()[0]).toBe(`m${state.CHAT_MAX - 1}`);
  expect(s.asOf).toBeNull();
});

test("boards come by name with the rolling window before all time", () => {
  const s = state.emptyState();
  state.apply(s, board(1, "z_all_time", "all_time", null), 0);
  state.apply(s, board(2, "z", "rolling", 100), 0);
  state.apply(s, board(3, "a", "all_time", null), 0);
  expect(select.boardsOf(s, "c").map((b) => [b.name, b.variants[0]?.windows.map((w) => w.window)])).toEqual([["a", ["all_time"]], ["z", ["rolling", "all_time"]]]);
});

test("rates cover the part of an open window that has been seen", () => {
  const open = { window_start: 0, window_end: 60e6, as_of: 15e6, is_final: false, messages: 30 } as Engagement;
  expect(select.messageRate(open)).toBe(2);
  expect(select.messageRate({ ...open, is_final: true })).toBe(0.5);
  expect(select.messageRate({ ...open, as_of: 0 })).toBeNull();
  expect(select.rebufferRatio({ watch_ms: 900, rebuffer_ms: 100 } as Engagement)).toBe(0.1);
  expect(select.rebufferRatio({ watch_ms: 0, rebuffer_ms: 0 } as Engagement)).toBeNull();
  expect(select.vwap({ base_volume: "2", quote_volume: "7" } as Candle)).toBe(3.5);
  expect(select.vwap({ base_volume: "0", quote_volume: "0" } as Candle)).toBeNull();
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
