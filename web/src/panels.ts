/**
 * Everything on the page that is text: from the state into elements. Always holds: an element is changed only if its
 * content differs, so nothing moves without news; strangers' text goes through foreignText and textContent.
 */
import { byId, element, keyed, setText } from "./dom";
import { age, count, decimal, duration, foreignText, instant, percent, rate, title, watchTime, windowName } from "./format";
import type { Board, BoardEntry, Candle, Engagement, Flag } from "./protocol";
import { boardsOf, channelsByViewers, flagsOf, messageRate, rebufferRatio, vwap, type State } from "./state";

const CHANNELS_SHOWN_MAX = 100;

/** What the viewer has chosen. */
export interface Choice {
  channel: string | null;
  market: string | null;
  intervalS: number;
  allChannels: boolean;
  search: string;
  /** The chosen window of each board. */
  windows: Map<string, string>;
}

export function showChannels(state: State, choice: Choice, choose: (channel: string) => void): void {
  const all = channelsByViewers(state);
  const wanted = choice.search.trim().toLowerCase();
  const found = wanted ? all.filter(({ channel }) => channel.toLowerCase().includes(wanted)) : all;
  const shown = found.slice(0, CHANNELS_SHOWN_MAX);
  keyed(
    byId("channels"),
    shown,
    ({ channel }) => channel,
    ({ channel }) => {
      const button = element("button", { type: "button" }, element("bdi"), element("span", { class: "n" }));
      button.addEventListener("click", () => choose(channel));
      return element("li", {}, button);
    },
    (item, { channel, viewers }) => {
      const button = item.firstElementChild as HTMLButtonElement;
      setText(button.children[0] as Element, foreignText(channel, 80));
      setText(button.children[1] as Element, count(viewers));
      button.setAttribute("aria-current", String(channel === choice.channel));
      button.setAttribute("aria-label", `${foreignText(channel, 80)}, ${count(viewers)} viewers`);
    },
  );
  const note = byId("channels-note");
  note.hidden = found.length <= shown.length && !(wanted && found.length === 0);
  setText(note, found.length === 0 ? "No channel of that name" : `and ${count(found.length - shown.length)} more`);
}

interface Tile {
  id: string;
  name: string;
  value: string;
  sub: string;
}

function tilesOf(window: Engagement, span: string): Tile[] {
  const perChatter = window.unique_chatters > 0 ? (window.messages / window.unique_chatters).toFixed(1) : "–";
  return [
    { id: "concurrent_viewers", name: "Viewers now", value: count(window.concurrent_viewers), sub: `peak ${count(window.peak_concurrent_viewers)}` },
    { id: "messages", name: `Messages this ${span}`, value: count(window.messages), sub: `${rate(messageRate(window))} per second` },
    { id: "unique_chatters", name: "Unique chatters", value: count(window.unique_chatters), sub: `${perChatter} messages each` },
    { id: "unique_viewers", name: "Unique viewers", value: count(window.unique_viewers), sub: `+${count(window.joins)} / −${count(window.leaves)}` },
    { id: "watch_ms", name: "Watch time", value: watchTime(window.watch_ms), sub: `${averageAudience(window)} on average` },
    { id: "rebuffer", name: "Rebuffering", value: percent(rebufferRatio(window)), sub: `${count(window.rebuffer_count)} stalls` },
  ];
}

function averageAudience(window: Engagement): string {
  if (window.window_start === null || window.window_end === null) return "–";
  const until = window.is_final ? window.window_end : Math.min(window.window_end, window.as_of);
  const ms = (until - window.window_start) / 1000;
  return ms < 1000 ? "–" : count(Math.round(window.watch_ms / ms));
}

const NO_WINDOW: Tile[] = [
  ["concurrent_viewers", "Viewers now"], ["messages", "Messages this minute"], ["unique_chatters", "Unique chatters"],
  ["unique_viewers", "Unique viewers"], ["watch_ms", "Watch time"], ["rebuffer", "Rebuffering"],
].map(([id = "", name = ""]) => ({ id, name, value: "–", sub: "" }));

export function showTiles(window: Engagement | undefined, channel: string | null, nowMs: number): void {
  setText(byId("channel-name").firstElementChild as Element, channel === null ? "Waiting for a channel" : foreignText(channel, 120));
  const seconds = window?.window_start != null && window.window_end != null ? (window.window_end - window.window_start) / 1e6 : null;
  const span = seconds === 60 || seconds === null ? "minute" : duration(seconds * 1000);
  setText(byId("window-note"), window?.window_start != null ? `${seconds === 60 ? "Minute" : "Window"} from ${instant(window.window_start, nowMs)}` : "");
  keyed(
    byId("tiles"),
    window ? tilesOf(window, span) : NO_WINDOW,
    (tile) => tile.id,
    (tile) => element("div", { class: "tile", "data-metric": tile.id }, element("p", { class: "name" }), element("p", { class: "value" }), element("p", { class: "sub" })),
    (made, tile) => [tile.name, tile.value, tile.sub].forEach((text, index) => setText(made.children[index] as Element, text)),
  );
}

export function showReactions(window: Engagement | undefined): void {
  const kinds = Object.entries(window?.reactions ?? {}).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const money = Object.entries(window?.money_micros ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const largest = Math.max(1, ...kinds.map(([, n]) => n));
  setText(byId("reactions-note"), kinds.length ? `${count(kinds.reduce((sum, [, n]) => sum + n, 0))} in this window` : "");
  byId("reactions-empty").hidden = kinds.length + money.length > 0;
  const rows = [
    ...kinds.map(([name, n]) => ({ key: `kind ${name}`, name: title(name), text: count(n), share: n / largest, isMoney: false })),
    ...money.map(([code, micros]) => ({ key: `money ${code}`, name: `Given in ${code}`, text: (micros / 1e6).toFixed(2), share: 0, isMoney: true })),
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
  );
}

function move(entry: BoardEntry): { text: string; kind: string; label: string } {
  if (entry.previous_rank === null) return { text: "new", kind: "up", label: "new on the board" };
  const up = entry.previous_rank - entry.rank;
  if (up === 0) return { text: "", kind: "", label: "" };
  return up > 0 ? { text: `▲${up}`, kind: "up", label: `up ${up}` } : { text: `▼${-up}`, kind: "down", label: `down ${-up}` };
}

function showEntries(list: HTMLElement, entries: BoardEntry[]): void {
  const best = Math.max(1e-9, ...entries.map((entry) => Number(entry.score)));
  keyed(
    list,
    entries,
    (entry) => entry.item,
    () =>
      element("li", {}, element("span", { class: "fill", "aria-hidden": "true" }), element("span", { class: "rank" }), element("span", { class: "move" }), element("bdi"), element("span", { class: "score" })),
    (made, entry) => {
      const [fill, rank, moved, label, score] = made.children as unknown as HTMLElement[];
      if (!fill || !rank || !moved || !label || !score) return;
      const { text, kind, label: said } = move(entry);
      fill.style.width = `${(Math.max(0, Number(entry.score)) / best) * 100}%`;
      setText(rank, String(entry.rank));
      setText(moved, text);
      moved.className = `move ${kind}`;
      if (said) moved.setAttribute("aria-label", said);
      else moved.removeAttribute("aria-label");
      setText(label, foreignText(entry.label || entry.item, 60));
      setText(score, decimal(entry.score));
    },
  );
}

export function showBoards(state: State, choice: Choice, chosen: () => void): void {
  const boards = boardsOf(state, choice.channel);
  const shown = boards.length ? boards : [{ name: "top_chatters", windows: [] }, { name: "top_emotes", windows: [] }];
  keyed(
    byId("boards"),
    shown,
    (board) => board.name,
    (board) => {
      const segments = element("div", { class: "segments", role: "group", "aria-label": `Window of ${title(board.name)}` });
      segments.addEventListener("click", (event) => {
        const window = (event.target as HTMLElement).dataset["window"];
        if (window !== undefined) {
          choice.windows.set(board.name, window);
          chosen();
        }
      });
      return element("section", { class: "panel third board", "data-board": board.name, "aria-label": title(board.name) }, element("header", {}, element("h2", {}, foreignText(title(board.name), 40)), segments), element("ol", { tabindex: "0" }), element("footer"));
    },
    (made, board) => showBoard(made, board.windows, choice.windows.get(board.name)),
  );
}

function showBoard(panel: HTMLElement, windows: Board[], chosen: string | undefined): void {
  const board = windows.find((window) => window.window === chosen) ?? windows[0];
  const segments = panel.querySelector(".segments") as HTMLElement;
  segments.hidden = windows.length < 2;
  keyed(
    segments,
    windows,
    (window) => window.window,
    (window) => element("button", { type: "button", "data-window": window.window }),
    (made, window) => {
      setText(made, windowName(window.window, window.window_start, window.window_end));
      made.setAttribute("aria-pressed", String(window === board));
    },
  );
  showEntries(panel.querySelector("ol") as HTMLElement, board?.entries ?? []);
  const foot = board ? `${decimal(board.total_score)} in all, from ${count(board.item_count)}` : "Waiting for data";
  setText(panel.querySelector("footer") as HTMLElement, foot);
}

export function showMarketChoice(names: string[], choice: Choice): void {
  const select = byId<HTMLSelectElement>("market");
  keyed(
    select,
    names,
    (name) => name,
    (name) => element("option", { value: name }, foreignText(name, 60)),
    () => undefined,
  );
  select.disabled = names.length === 0;
  if (choice.market !== null && select.value !== choice.market) select.value = choice.market;
}

export function showIntervals(intervals: number[], choice: Choice): void {
  const name = (s: number) => (s % 86_400 === 0 ? `${s / 86_400} d` : s % 3_600 === 0 ? `${s / 3_600} h` : s % 60 === 0 ? `${s / 60} min` : `${s} s`);
  keyed(
    byId("intervals"),
    intervals,
    String,
    (seconds) => element("button", { type: "button", "data-seconds": String(seconds) }, name(seconds)),
    (made, seconds) => made.setAttribute("aria-pressed", String(seconds === choice.intervalS)),
  );
}

export function showQuote(candle: Candle | undefined): void {
  const quote = byId("quote");
  if (!candle) return quote.replaceChildren();
  const average = vwap(candle);
  const facts = [
    ["VWAP", average === null ? "–" : decimal(average.toFixed(8), average >= 100 ? 2 : 6)],
    ["High", decimal(candle.high, 6)], ["Low", decimal(candle.low, 6)],
    ["Volume", decimal(candle.base_volume, 4)], ["Trades", count(candle.trade_count)],
    ["Taker buys", decimal(candle.taker_buy_volume, 4)], ["Taker sells", decimal(candle.taker_sell_volume, 4)],
  ] as const;
  const direction = Number(candle.close) >= Number(candle.open) ? "up" : "down";
  quote.replaceChildren(
    element("span", { class: `last ${direction}`, "data-quote": "close" }, decimal(candle.close, 6)),
    ...facts.map(([name, value]) => element("span", {}, `${name} `, element("b", { "data-quote": name }, value))),
  );
}

function severity(level: number): HTMLElement {
  const bars = [1, 2, 3, 4].map((step) => element("i", step <= level ? { class: "on" } : {}));
  return element("span", { class: "severity", role: "img", "data-level": String(level), "aria-label": `severity ${level} of 4` }, ...bars);
}

export function showFlags(state: State, choice: Choice, nowMs: number): void {
  const flags = flagsOf(state, choice.allChannels ? null : choice.channel);
  byId("flags-empty").hidden = flags.length > 0;
  keyed(
    byId("flags"),
    flags,
    (flag) => flag.flag_id,
    (flag) => makeFlag(flag, nowMs),
    (made, flag) => setText(made.querySelector("time") as Element, instant(flag.event_time, nowMs)),
  );
}

function makeFlag(flag: Flag, nowMs: number): HTMLElement {
  const who = foreignText(flag.user_name ?? flag.user_id ?? "anonymous", 60);
  const time = element("time", {}, instant(flag.event_time, nowMs));
  const date = new Date(flag.event_time / 1000);
  if (Number.isFinite(date.getTime())) time.setAttribute("datetime", date.toISOString());
  return element(
    "li",
    {},
    time,
    element("div", { class: "rule" }, severity(flag.severity), element("b", {}, foreignText(title(flag.rule), 40)), element("span", { class: "category" }, foreignText(flag.category, 40))),
    element(
      "div",
      { class: "said" },
      element("div", {}, element("bdi", { class: "who" }, who), element("bdi", { class: "foreign", dir: "auto" }, foreignText(flag.text))),
      element("div", { class: "evidence" }, `${Math.round(flag.score * 100)} %: `, element("bdi", {}, foreignText(flag.evidence, 200))),
    ),
    element("span", { class: "action", "data-action": flag.suggested_action }, flag.suggested_action === "none" ? "no action" : title(flag.suggested_action)),
  );
}

export function showHealth(state: State, serverNowMs: number): void {
  const health = state.health;
  setText(byId("health-state"), health === null ? "" : health.trouble !== null ? "Kafka unreachable" : health.state === "catching_up" ? "catching up" : "reading");
  const since = (micros: number | null | undefined) => (micros == null ? "–" : age(serverNowMs - micros / 1000));
  const sum = (words: Record<string, number>) => Object.values(words).reduce((all, n) => all + n, 0);
  const reasons = Object.entries(health?.dead_letters.by_reason ?? {}).sort(([, m], [, n]) => n - m);
  const facts: [string, string, boolean][] = [
    ["Newest event", since(state.asOf), false],
    ["Newest watermark", since(state.watermark), false],
    ["Newest result", since(health && health.jobs.length ? Math.max(...health.jobs.map((job) => job.computed_at)) : null), false],
    ["Results read", health ? count(health.results) : "–", false],
    ["Dead letters", health ? count(health.dead_letters.total) : "–", (health?.dead_letters.total ?? 0) > 0],
    ...reasons.map(([reason, n]): [string, string, boolean] => [`– ${title(reason).toLowerCase()}`, count(n), false]),
    ["Unreadable results", health ? count(sum(health.refused)) : "–", health !== null && sum(health.refused) > 0],
  ];
  keyed(
    byId("facts"),
    facts.flatMap(([name, value, isBad]) => [{ key: `dt ${name}`, text: name, isBad: false, isTerm: true }, { key: `dd ${name}`, text: value, isBad, isTerm: false }]),
    (fact) => fact.key,
    (fact): HTMLElement => (fact.isTerm ? element("dt") : element("dd", { "data-fact": fact.key.slice(3) })),
    (made, fact) => {
      setText(made, foreignText(fact.text, 60));
      made.classList.toggle("bad", fact.isBad);
    },
  );
  keyed(
    byId("jobs"),
    health?.jobs ?? [],
    (job) => job.job,
    () => element("tr", {}, element("td"), element("td"), element("td")),
    (made, job) => [foreignText(job.job, 40), count(job.shards), since(job.watermark)].forEach((text, index) => setText(made.children[index] as Element, text)),
  );
}
