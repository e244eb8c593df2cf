/**
 * The three charts, on uPlot. Always holds: a chart keeps its size whatever its data; times are shown in the viewer's
 * zone; colours follow the style sheet's, in light and dark; a chart's figures are also said in its label.
 */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { count, decimal, instant, rate } from "./format";
import type { Candle, Engagement } from "./protocol";
import { messageRate, vwap } from "./state";

type Column = (number | null)[];
type Data = [number[], ...Column[]];

function colour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function withAlpha(rgb: string, alpha: number): string {
  const [red = "0", green = "0", blue = "0"] = rgb.match(/[\d.]+/g) ?? [];
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

const FONT = '12px "Inter Variable", system-ui, sans-serif';
const two = (value: number) => String(value).padStart(2, "0");

function times(splits: number[]): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0);
  return splits.map((seconds) => {
    const at = new Date(seconds * 1000);
    if (step >= 86_400) return `${at.getDate()}.${at.getMonth() + 1}.`;
    return `${two(at.getHours())}:${two(at.getMinutes())}${step < 60 ? `:${two(at.getSeconds())}` : ""}`;
  });
}

/** A chart in a host element: made anew when the colours change, resized with its host. */
abstract class Chart {
  private plot: uPlot | null = null;
  private data: Data = [[]];
  private readonly none = document.createElement("p");
  private readonly tip = document.createElement("div");

  constructor(protected readonly host: HTMLElement) {
    this.none.className = "none";
    this.none.textContent = "Waiting for data";
    this.tip.className = "tip";
    this.tip.hidden = true;
    host.setAttribute("role", "img");
    host.append(this.none, this.tip);
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(host);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.renew());
  }

  protected abstract options(axes: uPlot.Axis[]): Partial<uPlot.Options> & { series: uPlot.Series[] };
  protected abstract describe(index: number): string;

  protected show(data: Data, label: string): void {
    this.data = data;
    this.none.hidden = data[0].length > 0;
    this.host.setAttribute("aria-label", label);
    if (data[0].length === 0) {
      this.plot?.destroy();
      this.plot = null;
    } else if (this.plot) {
      this.plot.setData(data as uPlot.AlignedData);
    } else {
      this.make();
    }
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(200, this.host.clientWidth), height: this.host.clientHeight };
  }

  private renew(): void {
    this.plot?.destroy();
    this.plot = null;
    if (this.data[0].length > 0) this.make();
  }

  private make(): void {
    const stroke = colour("soft");
    const grid = { stroke: colour("line"), width: 1 };
    const axes: uPlot.Axis[] = [
      { stroke, font: FONT, grid: { show: false }, ticks: { show: false }, size: 28, gap: 6, space: 64, values: (_, splits) => times(splits) },
      { stroke, font: FONT, grid, ticks: { show: false }, size: 54, gap: 6, space: 34, values: (_, splits) => splits.map((v) => (v >= 10_000 ? `${decimal(String(v / 1000), 1)}k` : decimal(String(v), 2))) },
    ];
    const own = this.options(axes);
    const options: uPlot.Options = {
      ...this.size(),
      axes,
      padding: [8, 20, 0, 0], // room for half of the last time
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      ...own,
      hooks: { ...own.hooks, setCursor: [(plot) => this.moveTip(plot)] },
    };
    this.plot = new uPlot(options, this.data as uPlot.AlignedData, this.host);
  }

  private moveTip(plot: uPlot): void {
    const index = plot.cursor.idx;
    this.tip.hidden = index === null || index === undefined || (plot.cursor.left ?? -1) < 0;
    if (this.tip.hidden || index === null || index === undefined) return;
    this.tip.textContent = this.describe(index);
    const left = (plot.cursor.left ?? 0) + plot.bbox.left / devicePixelRatio;
    const room = this.host.clientWidth - this.tip.offsetWidth - 4;
    this.tip.style.left = `${Math.max(0, Math.min(room, left + 12))}px`;
    this.tip.style.top = "6px";
  }
}

/** The axis from zero to a little above the largest value. */
function fromZero(least: number): uPlot.Scale.Range {
  return (_, __, max) => [0, Math.max(least, (max ?? 0) * 1.12)];
}

export class ViewersChart extends Chart {
  private points: { at: number; viewers: number }[] = [];

  update(points: { at: number; viewers: number }[]): void {
    this.points = points;
    const last = points.at(-1);
    const label = `Viewers over time, now ${last ? count(last.viewers) : "unknown"}`;
    this.show([points.map((point) => point.at / 1e6), points.map((point) => point.viewers)], label);
  }

  protected override options(): Partial<uPlot.Options> & { series: uPlot.Series[] } {
    const accent = colour("accent");
    return {
      scales: { y: { range: fromZero(5) } },
      series: [{}, { stroke: accent, width: 2, fill: withAlpha(accent, 0.12), points: { show: () => this.points.length < 3 } }],
    };
  }

  protected override describe(index: number): string {
    const point = this.points[index];
    return point ? `${instant(point.at, Date.now())}\n${count(point.viewers)} viewers` : "";
  }
}

export class RateChart extends Chart {
  private windows: Engagement[] = [];

  update(windows: Engagement[]): void {
    this.windows = windows.filter((window) => window.window_start !== null);
    const middle = (w: Engagement) => ((w.window_start ?? 0) + (w.window_end ?? 0)) / 2e6;
    const last = this.windows.at(-1);
    this.show([this.windows.map(middle), this.windows.map(messageRate)], `Chat messages per second, now ${last ? rate(messageRate(last)) : "unknown"}`);
  }

  protected override options(): Partial<uPlot.Options> & { series: uPlot.Series[] } {
    const teal = colour("teal");
    const paths = uPlot.paths.bars?.({ size: [0.72, 26], radius: 0.18 });
    return {
      scales: {
        // half a window of room on both sides, so that no bar is cut
        x: { time: true, range: (_, min, max) => [min - 30, max + 30] },
        y: { range: fromZero(0.5) },
      },
      series: [{}, { stroke: teal, width: 0, fill: teal, points: { show: false }, ...(paths ? { paths } : {}) }],
    };
  }

  protected override describe(index: number): string {
    const window = this.windows[index];
    if (!window) return "";
    return `${instant(window.window_start ?? 0, Date.now())}\n${count(window.messages)} messages\n${rate(messageRate(window))} per second`;
  }
}

/** Candles with volume below and the VWAP of each candle as a line. */
export class CandleChart extends Chart {
  private candles: Candle[] = [];
  private open: number[] = [];
  private high: number[] = [];
  private low: number[] = [];
  private close: number[] = [];
  private volume: number[] = [];
  private intervalS = 60;

  /** Shows as many of the newest as there is room for. */
  update(all: Candle[], intervalS: number): void {
    const candles = all.slice(-Math.max(40, Math.floor(this.host.clientWidth / 7)));
    this.candles = candles;
    this.intervalS = intervalS;
    const column = (pick: (candle: Candle) => string) => candles.map((candle) => Number(pick(candle)));
    this.open = column((c) => c.open);
    this.high = column((c) => c.high);
    this.low = column((c) => c.low);
    this.close = column((c) => c.close);
    this.volume = column((c) => c.base_volume);
    const last = candles.at(-1);
    this.show(
      [candles.map((c) => c.window_start / 1e6), candles.map(vwap)],
      last ? `Candles of ${last.venue}:${last.symbol}, last price ${decimal(last.close)}` : "Candles",
    );
  }

  protected override options(axes: uPlot.Axis[]): Partial<uPlot.Options> & { series: uPlot.Series[] } {
    const [x, y] = axes;
    if (x && y) Object.assign(y, { side: 1, size: 72, values: (_: uPlot, splits: number[]) => splits.map((v) => decimal(v.toFixed(6), v >= 1000 ? 2 : 6)) });
    return {
      padding: [8, 0, 0, 4],
      scales: {
        x: { time: true, range: (_, min, max) => [Math.min(min, max - this.intervalS * 15) - this.intervalS, max + this.intervalS] },
        // the lower fifth is the volumes'
        y: { range: () => this.priceRange() },
      },
      series: [{}, { stroke: colour("accent"), width: 1.25, points: { show: false } }],
      hooks: { drawAxes: [(plot) => this.draw(plot)] },
    };
  }

  private priceRange(): [number, number] {
    const top = Math.max(...this.high);
    const bottom = Math.min(...this.low);
    const span = top - bottom || Math.abs(top) * 0.001 || 1;
    return [bottom - span * 0.36, top + span * 0.06];
  }

  private draw(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const up = colour("up");
    const down = colour("down");
    const x = (index: number) => plot.valToPos((this.candles[index]?.window_start ?? 0) / 1e6, "x", true);
    const y = (price: number) => plot.valToPos(price, "y", true);
    const perSecond = (plot.valToPos(this.intervalS, "x", true) - plot.valToPos(0, "x", true)) / this.intervalS;
    const width = Math.max(1, Math.min(14 * devicePixelRatio, Math.floor(perSecond * this.intervalS * 0.68)));
    const volumeTop = Math.max(...this.volume, 1e-12);
    const floor = bbox.top + bbox.height;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (let index = 0; index < this.candles.length; index += 1) {
      const [open = 0, close = 0, high = 0, low = 0] = [this.open[index], this.close[index], this.high[index], this.low[index]];
      const rising = close >= open;
      const centre = Math.round(x(index));
      const left = Math.round(centre - width / 2);
      ctx.fillStyle = withAlpha(rising ? up : down, 0.28);
      const tall = ((this.volume[index] ?? 0) / volumeTop) * bbox.height * 0.18;
      ctx.fillRect(left, floor - tall, width, tall);
      ctx.fillStyle = rising ? up : down;
      const stem = Math.max(1, Math.round(devicePixelRatio));
      ctx.fillRect(Math.round(centre - stem / 2), y(high), stem, Math.max(1, y(low) - y(high)));
      const top = y(Math.max(open, close));
      ctx.fillRect(left, top, width, Math.max(1, y(Math.min(open, close)) - top));
    }
    ctx.restore();
  }

  protected override describe(index: number): string {
    const candle = this.candles[index];
    if (!candle) return "";
    const average = vwap(candle);
    return [
      instant(candle.window_start, Date.now()),
      `O ${decimal(candle.open)}  H ${decimal(candle.high)}`,
      `L ${decimal(candle.low)}  C ${decimal(candle.close)}`,
      `VWAP ${average === null ? "–" : decimal(average.toFixed(2))}`,
      `Volume ${decimal(candle.base_volume, 4)}`,
    ].join("\n");
  }
}
