/**
 * What the views ask of the state: lists in order, sums, ratios. No DOM, no clock. Always holds: a ratio is made of its
 * numerator and denominator, here and nowhere else; without a denominator it is null.
 */
import type { Board, Candle, Engagement, Flag, Said, Selector } from "./protocol";
import { heardAt, seenAt, seriesName, type State } from "./state";

/** True if the viewer may not read what the view asks for of this kind, or a part of it. */
export function isClosed(state: State, kind: Selector["kind"]): boolean {
  return state.isRefused || state.forbidden.some((one) => one.kind === kind);
}

/** What is said in the place of what the viewer may not read. */
export const CLOSED = "Not open to you";

/** What is said where nothing is to be seen: `none` if it is known that there is nothing. */
export function instead(state: State, kind: Selector["kind"], none: string): string {
  return isClosed(state, kind) ? CLOSED : state.isAnswered ? none : "Waiting for data";
}

/** A channel's windows, oldest first. */
export function windowsOf(state: State, channel: string | null): Engagement[] {
  const windows = channel === null ? undefined : state.engagement.get(channel);
  return windows ? [...windows].sort(([a], [b]) => a - b).map(([, window]) => window) : [];
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

/** A channel in the list of all. */
export interface ChannelRow {
  channel: string;
  newest: Engagement;
  viewers: number;
  rate: number | null;
  chatters: number;
  rebuffering: number | null;
}

export type ChannelOrder = "channel" | "viewers" | "rate" | "chatters" | "rebuffering";

function newestOf(windows: Map<number, Engagement>): Engagement | undefined {
  let newest: Engagement | undefined;
  for (const window of windows.values()) if (!newest || (window.window_start ?? 0) > (newest.window_start ?? 0)) newest = window;
  return newest;
}

/** The channels by what is asked; equals by name, so that they keep their places; what is unknown last. */
export function channelRows(state: State, by: ChannelOrder = "viewers", isDescending = true): ChannelRow[] {
  const rows: ChannelRow[] = [];
  for (const [channel, windows] of state.engagement) {
    const newest = newestOf(windows);
    if (newest) {
      rows.push({ channel, newest, viewers: newest.concurrent_viewers, rate: messageRate(newest), chatters: newest.unique_chatters, rebuffering: rebufferRatio(newest) });
    }
  }
  const sign = isDescending ? -1 : 1;
  const byName = (a: ChannelRow, b: ChannelRow) => (a.channel < b.channel ? -1 : 1);
  return rows.sort((a, b) => {
    if (by === "channel") return sign * byName(a, b);
    const [one, other] = [a[by], b[by]];
    if (one === other) return byName(a, b);
    return one === null ? 1 : other === null ? -1 : sign * (one - other);
  });
}

/** What was seen of a channel's audience while the page was open, oldest first; at most `max`. */
export function samplesOf(state: State, channel: string, max: number): { at: number; viewers: number }[] {
  const samples = [...(state.samples.get(channel) ?? [])].sort(([a], [b]) => a - b);
  return samples.slice(-max).map(([at, viewers]) => ({ at, viewers }));
}

/** Of all sessions that reached an age in these windows, the share still watching; null where none did. */
export function retentionOf(windows: Engagement[]): { ageS: number; cohort: number; share: number | null }[] {
  const sums = new Map<number, { cohort: number; retained: number }>();
  for (const { age_us, cohort, retained } of windows.flatMap((window) => window.retention ?? [])) {
    const sum = sums.get(age_us) ?? { cohort: 0, retained: 0 };
    sums.set(age_us, { cohort: sum.cohort + cohort, retained: sum.retained + retained });
  }
  return [...sums]
    .sort(([a], [b]) => a - b)
    .map(([age, { cohort, retained }]) => ({ ageS: age / 1e6, cohort, share: cohort === 0 ? null : retained / cohort }));
}

/** Kilobits a second, weighted by time; null without reports. */
export function bitrateKbps(window: Engagement): number | null {
  return window.bitrate_ms > 0 ? window.bitrate_bits / window.bitrate_ms : null;
}

/** Candles oldest first. */
export function candlesOf(state: State, market: string | null, intervalS: number): Candle[] {
  const candles = market === null ? undefined : state.candles.get(seriesName(market, intervalS));
  return candles ? [...candles].sort(([a], [b]) => a - b).map(([, candle]) => candle) : [];
}

/** A market in the list of all. */
export interface MarketRow {
  market: string;
  /** What is known newest of it, of any interval. */
  last: Candle;
  /** From the open of the newest candle of the longest interval; null if that was zero. */
  change: number | null;
  /** The length of that candle, in seconds. */
  changeS: number;
}

/** Markets by name. */
export function marketRows(state: State): MarketRow[] {
  const rows = new Map<string, MarketRow & { open: string }>();
  for (const candles of state.candles.values()) {
    let newest: Candle | undefined;
    for (const candle of candles.values()) if (!newest || candle.window_start > newest.window_start) newest = candle;
    if (!newest) continue;
    const market = `${newest.venue}:${newest.symbol}`;
    const known = rows.get(market);
    // in the last hour of a day its candle and the day's end together
    const isNewer = !known || (newest.as_of - known.last.as_of || newest.window_end - known.last.window_end || known.last.interval_s - newest.interval_s) > 0;
    const isLonger = !known || newest.interval_s > known.changeS;
    rows.set(market, {
      market,
      last: isNewer ? newest : known.last,
      open: isLonger ? newest.open : known.open,
      changeS: isLonger ? newest.interval_s : known.changeS,
      change: null,
    });
  }
  return [...rows.values()]
    .map(({ open, ...row }) => ({ ...row, change: Number(open) === 0 ? null : Number(row.last.close) / Number(open) - 1 }))
    .sort((a, b) => (a.market < b.market ? -1 : 1));
}

/** The candle lengths that there are of a market, in seconds, shortest first. */
export function intervalsOf(state: State, market: string | null): number[] {
  const names = [...state.candles.keys()].filter((name) => name.slice(0, name.lastIndexOf("/")) === market);
  return names.map((name) => Number(name.slice(name.lastIndexOf("/") + 1))).sort((a, b) => a - b);
}

/** Trades that the numbers say are missing in a candle or right before it. */
export function missingTrades(candle: Candle): number {
  return candle.missing_trade_ids + (candle.missing_before ?? 0);
}

/** What is remarkable about a candle, in words. */
export function marksOf(candle: Candle): string[] {
  const times = (part: string, past: string) => (Number(past) > 0 ? ((Number(part) * candle.past_candle_count) / Number(past)).toFixed(1) : "many");
  const numbers = (n: number) => (n === 1 ? "1 trade number" : `${n} trade numbers`);
  return [
    candle.missing_trade_ids > 0 ? `${numbers(candle.missing_trade_ids)} missing` : null,
    (candle.missing_before ?? 0) > 0 ? `${numbers(candle.missing_before ?? 0)} missing before it` : null,
    candle.duplicate_trade_count > 0 ? `${numbers(candle.duplicate_trade_count)} used again` : null,
    candle.is_volume_spike ? `volume ${times(candle.base_volume, candle.past_base_volume)} times the usual` : null,
    candle.is_price_spike ? `price range ${times(candle.true_range, candle.past_true_range)} times the usual` : null,
  ].filter((mark) => mark !== null);
}

/** One board: for each further key of its group (a currency, a poll; else "") its windows, the shorter before all time. */
export interface BoardFamily {
  name: string;
  variants: { of: string; called: string; windows: Board[] }[];
}

/** A value in the name of a group of several keys. */
export function groupPart(value: string): string {
  return value.replaceAll("%", "%25").replaceAll("/", "%2F");
}

/** What comes in a group's name after the first key, if that is `first`; undefined if it is another. */
function restOfGroup(group: string, first: string): string | undefined {
  if (group === first) return "";
  const prefix = `${groupPart(first)}/`;
  if (!group.startsWith(prefix)) return undefined;
  return group.slice(prefix.length).split("/").map((part) => part.replaceAll("%2F", "/").replaceAll("%25", "%")).join(" / ");
}

/** Ids of polls often begin with their channel's. */
function withoutPrefix(name: string, group: string | null): string {
  return name.startsWith(`${group}:`) ? name.slice(`${group}:`.length) : name;
}

/** Boards of a group and of those that begin with it, by name. A board of all time stands with its namesake. */
export function boardsOf(state: State, group: string | null): BoardFamily[] {
  const families = new Map<string, Map<string, Board[]>>();
  for (const board of state.boards.values()) {
    const of = group === null ? undefined : restOfGroup(board.group, group);
    if (of === undefined) continue;
    const name = board.window === "all_time" ? board.board.replace(/_all_time$/, "") : board.board;
    const variants = families.get(name) ?? new Map<string, Board[]>();
    families.set(name, variants.set(of, [...(variants.get(of) ?? []), board]));
  }
  const length = (board: Board) =>
    board.window_end === null || board.window_start === null ? Infinity : board.window_end - board.window_start;
  // of sessions, such as polls, the newest comes first
  const began = (windows: Board[]) => (windows[0]?.window === "session" ? (windows[0].window_start ?? 0) : 0);
  return [...families]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, variants]) => ({
      name,
      variants: [...variants]
        .map(([of, windows]) => ({ of, called: withoutPrefix(of, group), windows: windows.sort((a, b) => length(a) - length(b)) }))
        .sort((a, b) => began(b.windows) - began(a.windows) || (a.of < b.of ? -1 : 1)),
    }));
}

/** Which flags are looked for: empty text and severity 0 match all. */
export interface FlagFilter {
  rule: string;
  severity: number;
  channel: string;
  text: string;
}

export const ALL_FLAGS: FlagFilter = { rule: "", severity: 0, channel: "", text: "" };

function holds(text: string | null, part: string): boolean {
  return (text ?? "").toLowerCase().includes(part.trim().toLowerCase());
}

/** Flags, newest first: text is looked for in what was said, who said it and the evidence. */
export function flagsOf(state: State, filter: FlagFilter): Flag[] {
  const flags = [...state.flags.values()].filter(
    (flag) =>
      (filter.rule === "" || flag.rule === filter.rule) &&
      flag.severity >= filter.severity &&
      holds(flag.channel_id, filter.channel) &&
      [flag.text, flag.user_name, flag.user_id, flag.evidence].some((text) => holds(text, filter.text)),
  );
  return flags.sort((a, b) => b.event_time - a.event_time || (a.flag_id < b.flag_id ? -1 : 1));
}

/** What is said in a channel and has not been taken back by its moderators, newest first. */
export function chatOf(state: State, channel: string): Said[] {
  const of = (what: string) => [...(state.chat.get(what)?.values() ?? [])].filter((event) => event.channel_id === channel);
  const actions = of("action");
  const deleted = new Set(actions.map((action) => action.target_message_id));
  const isOver = (said: Said) =>
    actions.some(
      (action) =>
        heardAt(action) >= heardAt(said) &&
        (action.kind === "chat_cleared" || (["user_banned", "user_timed_out"].includes(action.kind) && action.target_user_id !== null && action.target_user_id === said.user_id)),
    );
  const left = [...of("message"), ...of("question")].filter((said) => !deleted.has(said.event_id) && !isOver(said));
  return left.sort((a, b) => heardAt(b) - heardAt(a) || (a.event_id < b.event_id ? -1 : 1));
}

/** How many of these there are of each rule, most first. */
export function countByRule(flags: Flag[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const flag of flags) counts.set(flag.rule, (counts.get(flag.rule) ?? 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
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
