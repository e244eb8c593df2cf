/** One channel: its newest window, its last hours, its boards, its newest flags; and the list of the others. */
import { type Column, LineChart, RateChart } from "../charts";
import { byId, element, isAimedAt, keyed, setAttribute, setText, setTime } from "../dom";
import { count, decimal, duration, foreignText, instant, length, percent, rate, title, watchTime } from "../format";
import type { Engagement, Said } from "../protocol";
import { address, toChannel } from "../route";
import { ALL_FLAGS, bitrateKbps, boardsOf, channelRows, chatOf, flagsOf, instead, isClosed, messageRate, rebufferRatio, retentionOf, viewersOf, windowsOf } from "../select";
import type { State } from "../state";
import { showBoards } from "./boards";
import { makeFlag, updateFlag } from "./flags";
import { showTiles, type Tile } from "./tiles";

const OTHERS_MAX = 100;
const FLAGS_MAX = 5;
const CHAT_ROWS_MAX = 50;

const ms = (value: number) => duration(value);
const seconds = (value: number) => (value === 0 ? "0" : value < 1_000 ? `${value} ms` : `${decimal(String(value / 1000), 1)} s`);
const viewers = new LineChart(byId("viewers-chart"), { name: "Viewers over time", series: [{ name: "viewers", colour: "accent", isFilled: true }], least: 5, say: count });
const chat = new RateChart(byId("rate-chart"));
const retention = new LineChart(byId("retention-chart"), {
  name: "Audience retention by time since joining",
  series: [{ name: "still watching", colour: "accent", isFilled: true }],
  least: 100, most: 100, say: (value) => `${value.toFixed(1)} %`, axis: (value) => `${value} %`, x: (value) => (value === 0 ? "joined" : length(Math.round(value))),
});
const percentiles = [{ name: "p50", colour: "teal" }, { name: "p95", colour: "accent" }];
const latency = new LineChart(byId("latency-chart"), { name: "Live latency over time", series: percentiles, least: 1_000, say: ms, axis: seconds });
const startup = new LineChart(byId("startup-chart"), { name: "Startup time over time", series: percentiles, least: 500, say: ms, axis: seconds });
const bitrate = new LineChart(byId("bitrate-chart"), {
  name: "Average bit rate over time",
  series: [{ name: "average", colour: "teal", isFilled: true }],
  least: 1_000, say: (value) => `${count(value)} kbit/s`,
});
const rebuffering = new LineChart(byId("rebuffer-chart"), {
  name: "Rebuffering ratio over time",
  series: [{ name: "of the time", colour: "down", isFilled: true }],
  least: 0.5, most: 100, say: (value) => `${value.toFixed(2)} %`, axis: (value) => `${decimal(String(value), 2)} %`,
});

/** What the charts were drawn of: other channels change all the time. */
let drawn = "";

export function showChannel(state: State, channel: string, redraw: () => void): void {
  const windows = windowsOf(state, channel);
  const newest = windows.at(-1);
  showOthers(state, channel);
  showTitle(newest, channel, instead(state, "engagement", "Nothing heard of this channel yet"));
  showTiles(byId("tiles"), newest ? tilesOf(newest) : NO_WINDOW);
  for (const chart of [viewers, chat, retention, latency, startup, bitrate, rebuffering]) chart.sayInstead(instead(state, "engagement", "Nothing heard yet"));
  if (windows.length > 0) retention.sayInstead("Nobody has been watching for long enough yet");
  setText(byId("reactions-empty"), instead(state, "engagement", newest ? "No reactions in this window" : "Nothing heard yet"));
  const stamp = [channel, windows.length, ...windows.slice(-2).map((window) => `${window.as_of} ${window.is_final}`)].join("\n");
  if (stamp !== drawn) {
    drawn = stamp;
    const audience = viewersOf(state, channel);
    viewers.update(audience.map((point) => point.at / 1e6), audience.map((point) => point.viewers));
    chat.update(windows);
    showPlayback(windows.filter((window) => window.window_start !== null));
    showRetention(windows);
    showReactions(newest);
  }
  const said = chatOf(state, channel);
  // boards name questions by their ids
  const texts = new Map(said.map((event) => [event.event_id, event.text]));
  showBoards(byId("boards"), boardsOf(state, channel), { redraw, nameOf: (item) => texts.get(item), expected: ["top_chatters", "top_emotes"], none: instead(state, "leaderboards", "Nothing yet") });
  showChat(state, said);
  showFlags(state, channel);
}

function showOthers(state: State, channel: string): void {
  const all = channelRows(state);
  keyed(
    byId("channels"),
    all.slice(0, OTHERS_MAX),
    (row) => row.channel,
    (row) => element("li", {}, element("a", { href: toChannel(row.channel) }, element("bdi", {}, foreignText(row.channel, 80)), " ", element("span", { class: "n" }))),
    (made, row) => {
      const link = made.firstElementChild as HTMLElement;
      setText(link.lastElementChild as Element, count(row.viewers));
      if (row.channel === channel) setAttribute(link, "aria-current", "page");
      else link.removeAttribute("aria-current");
    },
    true,
  );
}

function showTitle(window: Engagement | undefined, channel: string, none: string): void {
  setText(byId("channel-name").firstElementChild as Element, foreignText(channel, 120));
  const start = window?.window_start ?? null;
  const note = window ? (start === null ? "All time" : `${title(spanOf(window))} from `) : none;
  setText(byId("window-of"), note);
  byId("window-start").hidden = start === null;
  if (start !== null) setTime(byId("window-start"), start, instant(start, Date.now()));
}

function spanOf(window: Engagement): string {
  if (window.window_start === null || window.window_end === null) return "time";
  const seconds = Math.round((window.window_end - window.window_start) / 1e6);
  return seconds === 60 ? "minute" : length(seconds);
}

function tilesOf(window: Engagement): Tile[] {
  const perChatter = window.unique_chatters > 0 ? (window.messages / window.unique_chatters).toFixed(1) : "–";
  const about = (isEstimated: boolean) => (isEstimated ? "≈ " : "");
  return [
    { id: "concurrent_viewers", name: "Viewers now", value: count(window.concurrent_viewers), sub: `peak ${count(window.peak_concurrent_viewers)}` },
    { id: "messages", name: `Messages this ${spanOf(window)}`, value: count(window.messages), sub: `${rate(messageRate(window))} per second` },
    { id: "unique_chatters", name: "Unique chatters", value: about(window.unique_chatters_is_estimated) + count(window.unique_chatters), sub: `${perChatter} messages each` },
    { id: "unique_viewers", name: "Unique viewers", value: about(window.unique_viewers_is_estimated) + count(window.unique_viewers), sub: `+${count(window.joins)} / −${count(window.leaves)}` },
    { id: "watch_ms", name: "Watch time", value: watchTime(window.watch_ms), sub: `${averageAudience(window)} on average` },
    { id: "rebuffer", name: "Rebuffering", value: percent(rebufferRatio(window)), sub: `${count(window.rebuffer_count)} stalls` },
  ];
}

function averageAudience(window: Engagement): string {
  if (window.window_start === null || window.window_end === null) return "–";
  const until = window.is_final ? window.window_end : Math.min(window.window_end, window.as_of);
  const covered = (until - window.window_start) / 1000;
  return covered < 1000 ? "–" : count(Math.round(window.watch_ms / covered));
}

const NO_WINDOW: Tile[] = [
  ["concurrent_viewers", "Viewers now"], ["messages", "Messages this minute"], ["unique_chatters", "Unique chatters"],
  ["unique_viewers", "Unique viewers"], ["watch_ms", "Watch time"], ["rebuffer", "Rebuffering"],
].map(([id = "", name = ""]) => ({ id, name, value: "–", sub: "" }));

function showPlayback(windows: Engagement[]): void {
  const x = windows.map((window) => ((window.window_start ?? 0) + (window.window_end ?? 0)) / 2e6);
  const column = (pick: (window: Engagement) => number | null | undefined): Column => windows.map((window) => pick(window) ?? null);
  latency.update(x, column((w) => w.live_latency_p50_ms), column((w) => w.live_latency_p95_ms));
  startup.update(x, column((w) => w.startup_p50_ms), column((w) => w.startup_p95_ms));
  bitrate.update(x, column(bitrateKbps));
  const ratio = (window: Engagement) => rebufferRatio(window);
  rebuffering.update(x, column((w) => (ratio(w) === null ? null : (ratio(w) ?? 0) * 100)));
  const newest = windows.at(-1);
  const said: [string, string][] = [
    ["latency-now", newest?.live_latency_p50_ms == null ? "" : `${ms(newest.live_latency_p50_ms)} / ${ms(newest.live_latency_p95_ms ?? 0)}`],
    ["startup-now", newest?.startup_p50_ms == null ? "" : `${ms(newest.startup_p50_ms)} / ${ms(newest.startup_p95_ms ?? 0)}`],
    ["bitrate-now", newest && bitrateKbps(newest) !== null ? `${count(bitrateKbps(newest) ?? 0)} kbit/s` : ""],
    ["rebuffer-now", newest && ratio(newest) !== null ? percent(ratio(newest)) : ""],
  ];
  for (const [id, text] of said) setText(byId(id), text);
}

function showRetention(windows: Engagement[]): void {
  const points = retentionOf(windows).filter((point) => point.share !== null);
  const isKnown = points.length > 0;
  retention.update(isKnown ? [0, ...points.map((point) => point.ageS)] : [], isKnown ? [100, ...points.map((point) => (point.share ?? 0) * 100)] : []);
  const last = points.at(-1);
  setText(byId("retention-now"), last ? `${percent(last.share)} after ${length(last.ageS)}` : "");
}

function showReactions(window: Engagement | undefined): void {
  const kinds = Object.entries(window?.reactions ?? {}).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const money = Object.entries(window?.money_micros ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const largest = Math.max(1, ...kinds.map(([, n]) => n));
  setText(byId("reactions-note"), kinds.length ? `${count(kinds.reduce((sum, [, n]) => sum + n, 0))} in this window` : "");
  byId("reactions-empty").hidden = kinds.length + money.length > 0;
  const rows = [
    ...kinds.map(([name, n]) => ({ key: `kind ${name}`, name: title(name), text: count(n), share: n / largest, isMoney: false })),
    ...money.map(([code, micros]) => ({ key: `money ${code}`, name: `Given in ${code}`, text: decimal((micros / 1e6).toFixed(2)), share: 0, isMoney: true })),
  ];
  keyed(
    byId("reactions"),
    rows,
    (row) => row.key,
    (row) => element("li", row.isMoney ? { class: "money" } : {}, element("span", { class: "name" }), element("span", { class: "n" }), element("span", { class: "track", "aria-hidden": "true" }, element("span"))),
    (made, row) => {
      setText(made.children[0] as Element, foreignText(row.name, 40));
      setText(made.children[1] as Element, row.text);
      ((made.children[2] as Element).firstElementChild as HTMLElement).style.width = `${row.share * 100}%`;
    },
    true,
  );
}

/** Hidden where the chat is not open to the viewer. While they aim at a message, the list waits. */
function showChat(state: State, said: Said[]): void {
  if (state.isAnswered) byId("chat-panel").hidden = isClosed(state, "chat");
  const list = byId("chat");
  byId("chat-empty").hidden = said.length > 0;
  setText(byId("chat-empty"), instead(state, "chat", state.chat.size === 0 ? "Nothing said yet" : "Nothing said that moderators let stand"));
  if (said.length > 0 && list.childElementCount > 0 && isAimedAt(list)) return;
  keyed(
    list,
    said.slice(0, CHAT_ROWS_MAX),
    (event) => event.event_id,
    () => element("li", {}, element("time"), element("span", { class: "mark" }), element("bdi", { class: "who" }), element("bdi", { class: "foreign", dir: "auto" })),
    (made, event) => {
      const [time, mark, who, text] = made.children as unknown as [Element, Element, Element, Element];
      setTime(time, event.event_time, instant(event.event_time, Date.now()));
      setText(mark, event.is_question ? "asks" : "");
      setText(who, foreignText(event.user_name ?? event.user_id ?? "anonymous", 60));
      setText(text, foreignText(event.text ?? ""));
    },
  );
}

function showFlags(state: State, channel: string): void {
  const flags = flagsOf(state, ALL_FLAGS).filter((flag) => flag.channel_id === channel);
  byId("channel-flags-empty").hidden = flags.length > 0;
  setText(byId("channel-flags-empty"), instead(state, "moderation", "Nothing flagged"));
  const more = byId("channel-flags-more");
  setAttribute(more, "href", address({ view: "moderation", filter: { ...ALL_FLAGS, channel } }));
  setText(more, flags.length > FLAGS_MAX ? `All ${count(flags.length)} in the queue` : "Open the queue");
  keyed(byId("channel-flags"), flags.slice(0, FLAGS_MAX), (flag) => flag.flag_id, (flag) => makeFlag(flag, false), updateFlag, true);
}
