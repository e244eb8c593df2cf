/**
 * The page: connection in, state, the view that the address names out, at most once a frame of the screen. Always holds:
 * only the view that is shown is drawn and subscribed to.
 */
import "@fontsource-variable/inter/wght.css";
import "./style.css";
import { Connection, type Line } from "./connection";
import { byId, setText } from "./dom";
import { age, duration, foreignText, instant } from "./format";
import type { Frame, Selector } from "./protocol";
import { address, parse, type Route } from "./route";
import { ALL_FLAGS, groupPart, intervalsOf, isClosed, marketRows } from "./select";
import { apply, emptyState, isResult } from "./state";
import { startTheme } from "./theme";
import { showChannel } from "./views/channel";
import { showMarkets } from "./views/markets";
import { showModeration, startModeration } from "./views/moderation";
import { showOverview, startOverview } from "./views/overview";
import { showPipeline } from "./views/pipeline";

/** Without a new result for this long the numbers are called stale. */
const STALE_AFTER_MS = 30_000;
/** Beyond this what is shown is no longer of now, however fast it comes: a replay, or jobs that catch up. */
const BEHIND_AFTER_MS = 60_000;
const USUAL_INTERVAL_S = 60;

const VIEWS: Record<Route["view"], string> = { overview: "Channels", channel: "", markets: "Markets", moderation: "Moderation", pipeline: "Pipeline" };

/** What is said to be closed, where the viewer may not read it: by view and kind. */
const PARTS: Record<Route["view"], Partial<Record<Selector["kind"], string>>> = {
  overview: { engagement: "channels", leaderboards: "boards over all channels", markets: "markets", health: "the pipeline" },
  channel: { engagement: "this channel's numbers", leaderboards: "boards of this channel", moderation: "its moderation", health: "the pipeline" },
  markets: { markets: "markets", leaderboards: "their boards", health: "the pipeline" },
  moderation: { moderation: "moderation", health: "the pipeline" },
  pipeline: { health: "the pipeline" },
};

/** What is said to those who may read nothing at all. */
const REFUSED: Record<string, [status: string, more: string]> = {
  unauthorized: ["Token needed", "Nothing here is open without a token. Open this page with yours in its address: #token=…"],
  token_expired: ["Token expired", "Your token has expired. Open this page with a new one in its address: #token=…"],
};

const state = emptyState();
let route = parse(location.hash);
let line: Line = { state: "connecting" };
let isDrawing = false;
/** False between the parts of a snapshot. */
let isWhole = true;
/** The browser's time at which something new was last heard of any result. */
let lastResultMs = Date.now();
let subscribedTo = "";
/** Where an address was scrolled to when it was left. */
const scrolled = new Map<string, number>();

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
/** `#token=...`: taken out of the address at once, so that it gets into no bookmark and no picture of the screen. */
function tokenInAddress(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token !== null) history.replaceState(history.state, "", address(parse(location.hash)));
  return token;
}

let token = tokenInAddress() || null;
const connection = new Connection(`${scheme}//${location.host}/ws`, token, () => state.id, onFrame, (next) => {
  line = next;
  state.isRefused = line.state === "refused";
  if (line.state === "waiting") isWhole = true; // what has come of a snapshot is shown
  draw();
});

/** What the view shows, and the lists to choose from. */
function wanted(): Selector[] {
  const selectors: Selector[] = [{ kind: "health" }];
  switch (route.view) {
    case "overview":
      selectors.push({ kind: "engagement", history: false }, { kind: "markets", history: false }, { kind: "leaderboards", group: "global" });
      break;
    case "channel": {
      const { channel } = route;
      selectors.push({ kind: "engagement", history: false }, { kind: "engagement", channel }, { kind: "moderation", channel }, { kind: "chat", channel });
      // of polls, currencies and whatever else comes after the channel in a group's name
      selectors.push({ kind: "leaderboards", group: channel }, { kind: "leaderboards", group: `${groupPart(channel)}/*` });
      break;
    }
    case "markets": {
      const { market, intervalS } = shownMarket();
      selectors.push({ kind: "markets", history: false });
      if (market !== null) selectors.push({ kind: "markets", market, interval_s: intervalS }, { kind: "leaderboards", group: market });
      break;
    }
    case "moderation": {
      const { channel } = route.filter;
      const isOne = state.engagement.has(channel) || [...state.flags.values()].some((flag) => flag.channel_id === channel);
      selectors.push(isOne ? { kind: "moderation", channel } : { kind: "moderation" }, { kind: "engagement", history: false });
      break;
    }
    case "pipeline":
      break;
  }
  return selectors;
}

/** Until the viewer chooses: the first market, its minutes or what it has. */
function shownMarket(): { market: string | null; intervalS: number } {
  const asked = route.view === "markets" ? route : null;
  const market = asked?.market ?? marketRows(state)[0]?.market ?? null;
  const intervals = intervalsOf(state, market);
  const usual = intervals.includes(USUAL_INTERVAL_S) ? USUAL_INTERVAL_S : (intervals[0] ?? USUAL_INTERVAL_S);
  return { market, intervalS: asked?.intervalS ?? usual };
}

/** Asks again if what is wanted has changed. */
function subscribe(): void {
  const selectors = wanted();
  const text = JSON.stringify(selectors);
  if (text === subscribedTo) return;
  subscribedTo = text;
  state.isAnswered = false;
  connection.subscribe(selectors);
}

function onFrame(frame: Frame): void {
  if (frame.type === "error") complain(`the gateway refused: ${frame.code}: ${frame.message}`);
  const before = state.asOf;
  apply(state, frame, Date.now());
  if ((frame.type === "change" && isResult(frame)) || frame.type === "snapshot" || state.asOf !== before) lastResultMs = Date.now();
  isWhole = frame.type !== "snapshot" || frame.is_last;
  if (!isWhole) return;
  subscribe();
  draw();
}

let complaint = "";

/** Once for the same trouble, however often the line is tried. */
function complain(text: string): void {
  if (text !== complaint) console.error(text);
  complaint = text;
}

function arrive(): void {
  const given = tokenInAddress();
  if (given !== null) connection.useToken((token = given || null));
  const from = address(route);
  route = parse(location.hash);
  scrolled.set(from, scrollY);
  subscribe();
  drawNow();
  const isNew = (history.state as { isKnown?: boolean } | null)?.isKnown !== true;
  history.replaceState({ isKnown: true }, "");
  scrollTo(0, isNew ? 0 : (scrolled.get(address(route)) ?? 0));
  byId(route.view).querySelector("h1")?.focus({ preventScroll: true });
}

/** Changes what is looked for without a new entry in the history. */
function refine(next: Route): void {
  route = next;
  history.replaceState({ isKnown: true }, "", address(route));
  subscribe();
  draw();
}

function draw(): void {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    if (isWhole) drawNow();
  });
}

function drawNow(): void {
  for (const view of Object.keys(VIEWS)) byId(view).hidden = view !== route.view;
  for (const link of document.querySelectorAll<HTMLElement>(".views a")) {
    if (link.dataset["view"] === route.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const name = route.view === "channel" ? foreignText(route.channel, 60) : VIEWS[route.view];
  if (document.title !== `${name} – Ovation`) document.title = `${name} – Ovation`;
  drawStatus();
  drawClosed();
  switch (route.view) {
    case "overview":
      return showOverview(state, draw);
    case "channel":
      return showChannel(state, route.channel, draw);
    case "markets": {
      const { market, intervalS } = shownMarket();
      return showMarkets(state, market, intervalS, draw);
    }
    case "moderation":
      return showModeration(state, route.filter);
    case "pipeline":
      return; // drawn with the status: it changes with the clock
  }
}

function drawClosed(): void {
  byId("closed").classList.toggle("refused", line.state === "refused");
  if (line.state === "refused") {
    byId("closed").hidden = false;
    return setText(byId("closed"), REFUSED[line.code]?.[1] ?? `Your token does not count: ${line.message}. Open this page with another in its address: #token=…`);
  }
  const parts = Object.entries(PARTS[route.view]).filter(([kind]) => isClosed(state, kind as Selector["kind"])).map(([, name]) => name);
  byId("closed").hidden = parts.length === 0;
  setText(byId("closed"), `${token === null ? "Without a token this is not open" : "Your token does not open"}: ${parts.join(", ")}`);
}

/** The parts that change with the clock alone. */
function drawStatus(): void {
  const nowMs = Date.now();
  const serverNowMs = nowMs + state.skewMs;
  const [name, text, more] = status(nowMs);
  byId("status").dataset["state"] = name;
  setText(byId("status-text"), text + more);
  setText(byId("status-said"), text); // without what changes every second
  document.body.classList.toggle("offline", name === "reconnecting" || name === "refused");
  setText(byId("as-of"), state.asOf === null ? "–" : instant(state.asOf, serverNowMs));
  setText(byId("behind"), state.asOf === null ? "–" : age(serverNowMs - state.asOf / 1000));
  if (route.view === "pipeline") showPipeline(state, line, serverNowMs);
}

function status(nowMs: number): [name: string, text: string, more: string] {
  if (line.state === "refused") return ["refused", REFUSED[line.code]?.[0] ?? "Token refused", ""];
  if (line.state === "waiting") return ["reconnecting", "Reconnecting", ` in ${Math.max(0, Math.ceil((line.untilMs - nowMs) / 1000))} s`];
  if (line.state === "connecting") return state.id === null ? ["connecting", "Connecting", ""] : ["reconnecting", "Reconnecting", ""];
  if (state.health?.state === "log_unreachable") return ["stale", "Stale: Kafka unreachable", ""];
  if (state.id === null || state.health?.state === "catching_up") return ["catching_up", "Catching up", ""];
  if (state.asOf === null) return ["quiet", "No results yet", ""];
  const quietMs = nowMs - lastResultMs;
  if (quietMs > STALE_AFTER_MS) return ["stale", "Stale: nothing new", ` for ${duration(quietMs)}`];
  const isBehind = state.asOf !== null && nowMs + state.skewMs - state.asOf / 1000 > BEHIND_AFTER_MS;
  return isBehind ? ["behind", "Behind", ""] : ["live", "Live", ""];
}

startTheme(byId("theme"));
startOverview(draw);
startModeration(
  () => (route.view === "moderation" ? route.filter : ALL_FLAGS),
  (filter) => refine({ view: "moderation", filter }),
  draw,
);
byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is the view's
  byId("main").focus();
});
setText(byId("foot"), `Times in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`);
history.scrollRestoration = "manual";
history.replaceState({ isKnown: true }, "");
addEventListener("hashchange", arrive);
setInterval(drawStatus, 500);
subscribe();
drawNow();
