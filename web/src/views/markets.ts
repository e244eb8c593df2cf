/** Markets: all with last price and change; of one the candles, what is remarkable about them, and its biggest trades. */
import { CandleChart } from "../candles";
import { byId, element, keyed, setAttribute, setText, setTime } from "../dom";
import { change, count, decimal, foreignText, instant, length, price } from "../format";
import type { Candle } from "../protocol";
import { toMarket } from "../route";
import { boardsOf, candlesOf, instead, intervalsOf, marketRows, marksOf, missingTrades, vwap } from "../select";
import type { State } from "../state";
import { showBoards } from "./boards";

const MARKS_MAX = 50;
const chart = new CandleChart(byId("candle-chart"));

export function showMarkets(state: State, market: string | null, intervalS: number, redraw: () => void): void {
  const rows = marketRows(state);
  setText(byId("markets-note"), rows.length > 0 ? "" : instead(state, "markets", "No market has traded yet"));
  const changeS = Math.max(0, ...rows.map((row) => row.changeS));
  setText(byId("change-head"), changeS > 0 ? `Change, ${length(changeS)}` : "Change");
  keyed(
    byId("market-rows"),
    rows,
    (row) => row.market,
    (row) =>
      element(
        "tr", { role: "row" },
        element("th", { role: "rowheader", scope: "row" }, element("a", { href: "#" }, element("bdi", {}, foreignText(row.market, 60)))),
        element("td", { role: "cell", "data-cell": "last" }), element("td", { role: "cell", "data-cell": "change" }),
      ),
    (made, row) => {
      const link = made.querySelector("a") as HTMLElement;
      setAttribute(link, "href", toMarket(row.market, intervalS));
      if (row.market === market) setAttribute(link, "aria-current", "page");
      else link.removeAttribute("aria-current");
      const [, last, moved] = made.children as unknown as HTMLElement[];
      if (!last || !moved) return;
      setText(last, decimal(row.last.close, 8));
      const text = change(row.change);
      setText(moved, text);
      moved.className = text.startsWith("+") ? "up" : text.startsWith("−") ? "down" : "";
    },
  );
  setText(byId("market-name").firstElementChild as Element, market === null ? instead(state, "markets", "No market yet") : foreignText(market, 80));
  showIntervals(intervalsOf(state, market), market, intervalS);
  const candles = candlesOf(state, market, intervalS);
  showQuote(candles.at(-1));
  chart.sayInstead(instead(state, "markets", "No candles yet"));
  chart.update(candles, intervalS);
  showMarks(chart.shown(), instead(state, "markets", "No candles yet"));
  showBoards(byId("market-boards"), boardsOf(state, market), { redraw, expected: ["biggest_trades"], none: instead(state, "leaderboards", "Nothing yet") });
}

function showIntervals(intervals: number[], market: string | null, chosen: number): void {
  keyed(
    byId("intervals"),
    market === null ? [] : intervals,
    String,
    (seconds) => element("a", { href: "#", "data-seconds": String(seconds) }, length(seconds)),
    (made, seconds) => {
      setAttribute(made, "href", toMarket(market ?? "", seconds));
      if (seconds === chosen) setAttribute(made, "aria-current", "true");
      else made.removeAttribute("aria-current");
    },
  );
}

function showQuote(candle: Candle | undefined): void {
  const quote = byId("quote");
  const average = candle ? vwap(candle) : null;
  byId("candle-of").hidden = !candle;
  if (candle) setTime(byId("candle-start"), candle.window_start, instant(candle.window_start, Date.now()));
  /** What is shown, and in full where that is shorter. */
  const facts: [string, string, string?][] = !candle
    ? []
    : [
        ["VWAP", average === null ? "–" : price(average)],
        ["Open", decimal(candle.open, 8)], ["High", decimal(candle.high, 8)], ["Low", decimal(candle.low, 8)],
        ["Volume", decimal(candle.base_volume, 4), candle.base_volume], ["Trades", count(candle.trade_count)],
        ["Taker buys", decimal(candle.taker_buy_volume, 4), candle.taker_buy_volume], ["Taker sells", decimal(candle.taker_sell_volume, 4), candle.taker_sell_volume],
      ];
  const last = byId("last-price");
  setText(last, candle ? decimal(candle.close, 8) : "–");
  last.className = `last ${!candle ? "" : Number(candle.close) >= Number(candle.open) ? "up" : "down"}`;
  keyed(
    quote,
    facts,
    ([name]) => name,
    ([name]) => element("div", {}, element("dt", {}, name), element("dd", { "data-quote": name })),
    (made, [, value, exact]) => {
      setText(made.lastElementChild as Element, value);
      setAttribute(made.lastElementChild as Element, "title", exact ?? value);
    },
  );
}

function showMarks(candles: Candle[], none: string): void {
  const sum = candles.reduce((all, candle) => all + missingTrades(candle), 0);
  const [volume, range] = [candles.filter((c) => c.is_volume_spike).length, candles.filter((c) => c.is_price_spike).length];
  setText(byId("marks-note"), candles.length === 0 ? "" : `In these ${count(candles.length)} candles: trades missing ${count(sum)}, volume spikes ${count(volume)}, price spikes ${count(range)}`);
  const marked = candles.filter((candle) => marksOf(candle).length > 0).reverse().slice(0, MARKS_MAX);
  byId("marks-empty").hidden = marked.length > 0;
  setText(byId("marks-empty"), candles.length === 0 ? none : "None in the candles above");
  keyed(
    byId("marks"),
    marked,
    (candle) => String(candle.window_start),
    () => element("li", {}, element("time"), element("span")),
    (made, candle) => {
      setTime(made.firstElementChild as Element, candle.window_start, instant(candle.window_start, Date.now()));
      setText(made.lastElementChild as Element, marksOf(candle).join("; "));
    },
  );
}
