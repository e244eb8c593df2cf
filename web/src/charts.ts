/**
 * The charts, on uPlot. Always holds: a chart keeps its size whatever its data; times are shown in the viewer's
 * zone; colours follow the style sheet's, in light and dark; a chart's newest figures are also said in its label.
 */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { setAttribute, setText } from "./dom";
import { count, decimal, instant, rate } from "./format";
import type { Engagement } from "./protocol";
import { messageRate } from "./select";
import { onColours } from "./theme";

export type Column = (number | null)[];
type Data = [number[], ...Column[]];

export function colour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export function withAlpha(rgb: string, alpha: number): string {
  const [red = "0", green = "0", blue = "0"] = rgb.match(/[\d.]+/g) ?? [];
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

const FONT = '12px "Inter Variable", system-ui, sans-serif';
const two = (value: number) => String(value).padStart(2, "0");

/** Times that are `step` seconds apart. */
function times(splits: number[], step: number): string[] {
  return splits.map((seconds) => {
    const at = new Date(seconds * 1000);
    if (step >= 86_400) return `${at.getDate()}.${at.getMonth() + 1}.`;
    return `${two(at.getHours())}:${two(at.getMinutes())}${step < 60 ? `:${two(at.getSeconds())}` : ""}`;
  });
}

/** Room between two times, in pixels: seconds are said only where steps are shorter than a minute. */
function roomForTimes(from: number, to: number, width: number): number {
  return ((to - from) / width) * 64 < 60 ? 64 : 46;
}

function short(value: number): string {
  const [size, unit] = value >= 1e9 ? [1e9, "G"] : value >= 1e6 ? [1e6, "M"] : value >= 10_000 ? [1e3, "k"] : [1, ""];
  return `${decimal(String(value / Number(size)), size === 1 ? 2 : 1)}${unit}`;
}

/** A chart in a host element: made anew when the colours change, resized with its host. */
export abstract class Chart {
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
    new ResizeObserver(() => {
      if (host.clientWidth > 0) this.plot?.setSize(this.size()); // not while its view is hidden
    }).observe(host);
    onColours(() => this.renew());
  }

  /** What is said while there is nothing to draw. */
  sayInstead(text: string): void {
    setText(this.none, text);
  }

  protected abstract options(axes: uPlot.Axis[]): Partial<uPlot.Options> & { series: uPlot.Series[] };
  protected abstract describe(index: number): string;

  protected show(data: Data, label: string): void {
    this.data = data;
    const [, ...columns] = data;
    const isEmpty = !columns.some((column) => column.some((value) => value !== null));
    this.none.hidden = !isEmpty;
    setAttribute(this.host, "aria-label", label);
    if (isEmpty) {
      this.plot?.destroy();
      this.plot = null;
    } else if (this.plot) {
      this.plot.setData(data as uPlot.AlignedData);
    } else {
      this.make();
    }
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(200, this.host.clientWidth), height: Math.max(100, this.host.clientHeight) };
  }

  private renew(): void {
    this.plot?.destroy();
    this.plot = null;
    if (this.none.hidden) this.make();
  }

  private make(): void {
    const stroke = colour("soft");
    const grid = { stroke: colour("line"), width: 1 };
    const axes: uPlot.Axis[] = [
      { stroke, font: FONT, grid: { show: false }, ticks: { show: false }, size: 28, gap: 6, space: (_, __, from, to, width) => roomForTimes(from, to, width), values: (_, splits, __, ___, step) => times(splits, step) },
      { stroke, font: FONT, grid, ticks: { show: false }, size: 54, gap: 6, space: 34, values: (_, splits) => splits.map(short) },
    ];
    const own = this.options(axes);
    const options: uPlot.Options = {
      ...this.size(),
      axes,
      padding: [8, 28, 0, 0], // room for half of the last time
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

export interface Lines {
  /** What is drawn, for the label. */
  name: string;
  series: { name: string; colour: string; isFilled?: boolean }[];
  /** The axis reaches at least here, from zero. */
  least: number;
  /** And at most here, where more is impossible. */
  most?: number;
  /** A value in full, with its unit. */
  say: (value: number) => string;
  /** A value at the axis. */
  axis?: (value: number) => string;
  /** Where the x axis is not time. */
  x?: (value: number) => string;
}

/** Steps of an axis of spans, in seconds. */
const SPANS_S = [1, 5, 15, 60, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];

/** Lines from zero over time, or over something else. */
export class LineChart extends Chart {
  private x: number[] = [];
  private columns: Column[] = [];

  constructor(host: HTMLElement, private readonly lines: Lines) {
    super(host);
  }

  /** `x` is in seconds since 1970, or in what `lines.x` understands; a column for each series. */
  update(x: number[], ...columns: Column[]): void {
    this.x = x;
    this.columns = columns;
    const newest = this.lines.series.map(({ name }, index) => {
      const value = columns[index]?.findLast((one) => one !== null);
      return `${name} ${value == null ? "unknown" : this.lines.say(value)}`;
    });
    this.show([x, ...columns], `${this.lines.name}: ${newest.join(", ")}`);
  }

  protected override options(axes: uPlot.Axis[]): Partial<uPlot.Options> & { series: uPlot.Series[] } {
    const { series, axis, x, least, most } = this.lines;
    const [bottom, side] = axes;
    if (axis && side) side.values = (_: uPlot, splits: number[]) => splits.map(axis);
    if (x && bottom) Object.assign(bottom, { values: (_: uPlot, splits: number[]) => splits.map(x), incrs: SPANS_S });
    return {
      scales: {
        x: { time: !x },
        y: { range: (_, __, max) => [0, Math.min(most ?? Infinity, Math.max(least, (max ?? 0) * 1.12))] },
      },
      series: [
        {},
        ...series.map(({ colour: name, isFilled }) => {
          const stroke = colour(name);
          const isSparse = () => this.x.length < 12;
          return { stroke, width: 2, points: { show: isSparse, size: 6, fill: stroke }, ...(isFilled ? { fill: withAlpha(stroke, 0.12) } : {}) };
        }),
      ],
    };
  }

  protected override describe(index: number): string {
    const at = this.x[index];
    if (at === undefined) return "";
    const values = this.lines.series.map(({ name }, series) => {
      const value = this.columns[series]?.[index];
      return value == null ? null : `${this.lines.say(value)} ${name}`;
    });
    return [this.lines.x ? this.lines.x(at) : instant(at * 1e6, Date.now()), ...values.filter((line) => line !== null)].join("\n");
  }
}

export class RateChart extends Chart {
  private windows: Engagement[] = [];

  update(windows: Engagement[]): void {
    this.windows = windows.filter((window) => window.window_start !== null);
    const middle = (w: Engagement) => ((w.window_start ?? 0) + (w.window_end ?? 0)) / 2e6;
    const last = this.windows.at(-1);
    this.show([this.windows.map(middle), this.windows.map(messageRate)], `Chat: messages per second ${last ? rate(messageRate(last)) : "unknown"}`);
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
