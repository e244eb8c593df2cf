/**
 * The page: connection in, state, panels and charts out, at most once a frame of the screen.
 */
import "@fontsource-variable/inter/wght.css";
import "./style.css";
import { CandleChart, RateChart, ViewersChart } from "./charts";
import { Connection, type Line } from "./connection";
import { byId, setText } from "./dom";
import { age, duration, instant } from "./format";
import { type Choice, showBoards, showChannels, showFlags, showHealth, showIntervals, showMarketChoice, showQuote, showReactions, showTiles } from "./panels";
import type { Frame, Selector } from "./protocol";
import { apply, candlesOf, channelsByViewers, emptyState, markets, viewersOf, windowsOf } from "./state";

/** Without a new result for this long the numbers are called stale. */
const STALE_AFTER_MS = 30_000;
const INTERVALS_S = [1, 60];

const state = emptyState();
const choice: Choice = { ...fromAddress(), search: "", allChannels: false, windows: new Map() };
let line: Line = { state: "connecting" };
let isDrawing = false;
/** The browser's time of the last frame with a result in it. */
let lastResultMs = Date.now();

const viewersChart = new ViewersChart(byId("viewers-chart"));
const rateChart = new RateChart(byId("rate-chart"));
const candleChart = new CandleChart(byId("candle-chart"));

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
/** `#token=...`: taken out of the address at once, so that it gets into no bookmark and no picture of the screen. */
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token !== null) toAddress();
const connection = new Connection(`${scheme}//${location.host}/ws`, token, () => state.id, onFrame, (next) => {
  line = next;
  draw();
});

function fromAddress(): { channel: string | null; market: string | null; intervalS: number } {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const intervalS = Number(parameters.get("interval"));
  return {
    channel: parameters.get("channel"),
    market: parameters.get("market"),
    intervalS: INTERVALS_S.includes(intervalS) ? intervalS : 60,
  };
}

function toAddress(): void {
  const parameters = new URLSearchParams();
  if (choice.channel !== null) parameters.set("channel", choice.channel);
  if (choice.market !== null) parameters.set("market", choice.market);
  parameters.set("interval", String(choice.intervalS));
  history.replaceState(null, "", `#${parameters.toString()}`);
}

/** The lists to choose from, and everything of what is chosen. */
function wanted(): Selector[] {
  const selectors: Selector[] = [
    { kind: "health" },
    { kind: "engagement", history: false },
    { kind: "markets", history: false },
  ];
  if (choice.channel !== null) {
    selectors.push({ kind: "engagement", channel: choice.channel }, { kind: "leaderboards", group: choice.channel });
  }
  if (choice.allChannels) selectors.push({ kind: "moderation" });
  else if (choice.channel !== null) selectors.push({ kind: "moderation", channel: choice.channel });
  if (choice.market !== null) selectors.push({ kind: "markets", market: choice.market, interval_s: choice.intervalS });
  return selectors;
}

function choose(change: Partial<Choice>): void {
  Object.assign(choice, change);
  toAddress();
  connection.subscribe(wanted());
  draw();
}

function onFrame(frame: Frame): void {
  if (frame.type === "error") console.error(`the gateway refused: ${frame.code}: ${frame.message}`);
  apply(state, frame, Date.now());
  if ((frame.type === "change" && frame.kind !== "health") || frame.type === "snapshot") lastResultMs = Date.now();
  const isComplete = frame.type !== "snapshot" || frame.is_last;
  if (isComplete) chooseForTheViewer();
  if (isComplete) draw();
}

/** Until the viewer chooses: the most-watched channel, the first market. */
function chooseForTheViewer(): void {
  const channel = choice.channel ?? channelsByViewers(state)[0]?.channel ?? null;
  const market = choice.market ?? markets(state)[0] ?? null;
  if (channel !== choice.channel || market !== choice.market) choose({ channel, market });
}

function draw(): void {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    drawNow();
  });
}

function drawNow(): void {
  const nowMs = Date.now();
  const windows = windowsOf(state, choice.channel);
  const newest = windows.at(-1);
  const candles = candlesOf(state, choice.market, choice.intervalS);
  drawStatus();
  showChannels(state, choice, (channel) => choose({ channel }));
  showTiles(newest, choice.channel, nowMs);
  viewersChart.update(viewersOf(state, choice.channel));
  rateChart.update(windows);
  showBoards(state, choice, draw);
  showReactions(newest);
  showMarketChoice(markets(state), choice);
  showIntervals(INTERVALS_S, choice);
  showQuote(candles.at(-1));
  candleChart.update(candles, choice.intervalS);
  showFlags(state, choice, nowMs);
}

/** The parts that change with the clock alone. */
function drawStatus(): void {
  const nowMs = Date.now();
  const serverNowMs = nowMs + state.skewMs;
  const [name, text] = status(nowMs);
  byId("status").dataset["state"] = name;
  setText(byId("status-text"), text);
  document.body.classList.toggle("offline", name === "reconnecting");
  setText(byId("as-of"), state.asOf === null ? "–" : instant(state.asOf, serverNowMs));
  setText(byId("behind"), state.asOf === null ? "–" : age(serverNowMs - state.asOf / 1000));
  showHealth(state, serverNowMs);
}

function status(nowMs: number): [string, string] {
  if (line.state === "waiting") {
    return ["reconnecting", `Reconnecting in ${Math.max(0, Math.ceil((line.untilMs - nowMs) / 1000))} s`];
  }
  if (line.state === "connecting") return state.id === null ? ["connecting", "Connecting"] : ["reconnecting", "Reconnecting"];
  if (state.health?.state === "log_unreachable") return ["stale", "Stale: Kafka unreachable"];
  if (state.id === null || state.health?.state === "catching_up") return ["catching_up", "Catching up"];
  const quietMs = nowMs - lastResultMs;
  return quietMs > STALE_AFTER_MS ? ["stale", `Stale: nothing new for ${duration(quietMs)}`] : ["live", "Live"];
}

byId("market").addEventListener("change", (event) => choose({ market: (event.target as HTMLSelectElement).value }));
byId("intervals").addEventListener("click", (event) => {
  const seconds = Number((event.target as HTMLElement).dataset["seconds"]);
  if (INTERVALS_S.includes(seconds)) choose({ intervalS: seconds });
});
byId("all-channels").addEventListener("change", (event) => choose({ allChannels: (event.target as HTMLInputElement).checked }));
byId("channel-search").addEventListener("input", (event) => {
  choice.search = (event.target as HTMLInputElement).value;
  draw();
});
addEventListener("hashchange", () => choose(fromAddress()));
setInterval(drawStatus, 500);
connection.subscribe(wanted());
drawNow();
