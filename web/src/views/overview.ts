/**
 * All channels: totals, a table that can be sorted and searched, and the boards over all channels. Always holds: while
 * the viewer points at the table, or has the focus in it, rows keep their places.
 */
import { byId, element, isAimedAt, keyed, setAttribute, setText } from "../dom";
import { count, foreignText, percent, rate } from "../format";
import { toChannel, toMarket } from "../route";
import { drawSparkline, sparkline } from "../sparkline";
import { boardsOf, type ChannelOrder, type ChannelRow, channelRows, instead, marketRows, samplesOf } from "../select";
import type { State } from "../state";
import { showBoards } from "./boards";
import { showTiles } from "./tiles";

const ROWS_MAX = 200;
const SPARK_POINTS = 60;
const EXPECTED_BOARDS = ["most_active_channels", "most_traded_symbols", "trending_channels"];

let order: ChannelOrder = "viewers";
let isDescending = true;
let search = "";
/** The channels as they were last put in order. */
let places: string[] = [];
let isOrderAsked = true;

export function startOverview(redraw: () => void): void {
  byId("channel-search").addEventListener("input", (event) => {
    search = (event.target as HTMLInputElement).value.trim().toLowerCase();
    redraw();
  });
  byId("channel-table").addEventListener("click", (event) => {
    const by = (event.target as HTMLElement).closest<HTMLElement>("button[data-by]")?.dataset["by"] as ChannelOrder | undefined;
    if (!by) return;
    isDescending = by === order ? !isDescending : by !== "channel";
    order = by;
    isOrderAsked = true;
    redraw();
  });
}

/** In the order that is asked for, or, while the viewer aims at a row, in that of before. */
function inPlace(rows: ChannelRow[], body: HTMLElement): ChannelRow[] {
  if (!isOrderAsked && isAimedAt(body)) {
    const place = new Map(places.map((channel, index) => [channel, index]));
    return rows.sort((a, b) => (place.get(a.channel) ?? Infinity) - (place.get(b.channel) ?? Infinity) || 0);
  }
  isOrderAsked = false;
  places = rows.map((row) => row.channel);
  return rows;
}

export function showOverview(state: State, redraw: () => void): void {
  const all = channelRows(state, order, isDescending);
  showTotals(all);
  const body = byId("channel-rows");
  const rows = inPlace(all, body);
  const found = search ? rows.filter(({ channel }) => channel.toLowerCase().includes(search)) : rows;
  const shown = found.slice(0, ROWS_MAX);
  keyed(body, shown, ({ channel }) => channel, makeRow, (row, item) => updateRow(row, item, state), true);
  for (const head of document.querySelectorAll<HTMLElement>("#channel-table [role=columnheader]")) {
    const by = head.querySelector<HTMLElement>("button")?.dataset["by"];
    if (by === order) setAttribute(head, "aria-sort", isDescending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  const note = all.length === 0 ? instead(state, "engagement", "Waiting for channels") : found.length === 0 ? "No channel of that name" : found.length > shown.length ? `and ${count(found.length - shown.length)} more` : "";
  setText(byId("channel-note"), note);
  const markets = new Set(marketRows(state).map(({ market }) => market));
  const link = (item: string) => (state.engagement.has(item) ? toChannel(item) : markets.has(item) ? toMarket(item, null) : null);
  showBoards(byId("global-boards"), boardsOf(state, "global"), { link, redraw, expected: EXPECTED_BOARDS, none: instead(state, "leaderboards", "Nothing yet") });
}

function showTotals(rows: ChannelRow[]): void {
  const sum = (pick: (row: ChannelRow) => number) => rows.reduce((all, row) => all + pick(row), 0);
  const [played, stalled] = [sum((row) => row.newest.watch_ms), sum((row) => row.newest.rebuffer_ms)];
  const isKnown = rows.length > 0;
  showTiles(byId("totals"), [
    { id: "all_channels", name: "Channels", value: isKnown ? count(rows.length) : "–", sub: "" },
    { id: "all_viewers", name: "Viewers now", value: isKnown ? count(sum((row) => row.viewers)) : "–", sub: "" },
    { id: "all_rate", name: "Chat per second", value: isKnown ? rate(sum((row) => row.rate ?? 0)) : "–", sub: "" },
    { id: "all_rebuffering", name: "Rebuffering", value: percent(played + stalled === 0 ? null : stalled / (played + stalled)), sub: "" },
  ]);
}

function makeRow({ channel }: ChannelRow): HTMLElement {
  const cell = (name: string) => element("td", { role: "cell", "data-cell": name });
  const spark = cell("spark");
  spark.append(sparkline());
  return element(
    "tr", { role: "row" },
    element("th", { role: "rowheader", scope: "row" }, element("a", { href: toChannel(channel) }, element("bdi", {}, foreignText(channel, 80)))),
    spark, cell("viewers"), cell("rate"), cell("chatters"), cell("rebuffering"),
  );
}

function updateRow(row: HTMLElement, { channel, newest, viewers, rate: perSecond, chatters, rebuffering }: ChannelRow, state: State): void {
  const cells = row.children;
  [count(viewers), rate(perSecond), count(chatters), percent(rebuffering)].forEach((text, index) => setText(cells[index + 2] as Element, text));
  if (row.dataset["at"] === String(newest.as_of)) return;
  row.dataset["at"] = String(newest.as_of);
  drawSparkline(row.querySelector("svg") as SVGSVGElement, samplesOf(state, channel, SPARK_POINTS));
}
