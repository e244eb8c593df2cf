/** The candle chart. Always holds: what is marked in it is also said in words. Prices are numbers here, for drawing only. */
import uPlot from "uplot";
import { Chart, colour, withAlpha } from "./charts";
import { decimal, foreignText, instant, price } from "./format";
import type { Candle } from "./protocol";
import { marksOf, missingTrades, vwap } from "./select";

/** Candles with volume below and the VWAP of each candle as a line; marked where trades are missing and where spikes are. */
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
      last ? `Candles of ${foreignText(`${last.venue}:${last.symbol}`, 80)}, last price ${decimal(last.close, 8)}` : "Candles",
    );
  }

  /** The candles that are drawn. */
  shown(): Candle[] {
    return this.candles;
  }

  protected override options(axes: uPlot.Axis[]): Partial<uPlot.Options> & { series: uPlot.Series[] } {
    const [x, y] = axes;
    if (x && y) Object.assign(y, { side: 1, size: 72, values: (_: uPlot, splits: number[]) => splits.map(price) });
    return {
      padding: [8, 0, 0, 22], // room for half of the first time
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
    const [up, down, warn, accent] = [colour("up"), colour("down"), colour("warn"), colour("accent")];
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
      const candle = this.candles[index];
      if (candle && missingTrades(candle) > 0) {
        ctx.fillStyle = withAlpha(warn, 0.16);
        ctx.fillRect(left - 1, bbox.top, width + 2, bbox.height);
        ctx.fillStyle = warn;
        triangle(ctx, centre, bbox.top + 1, 5 * devicePixelRatio);
      }
      ctx.fillStyle = candle?.is_volume_spike ? accent : withAlpha(rising ? up : down, 0.28);
      const tall = ((this.volume[index] ?? 0) / volumeTop) * bbox.height * 0.18;
      ctx.fillRect(left, floor - tall, width, tall);
      ctx.fillStyle = rising ? up : down;
      const stem = Math.max(1, Math.round(devicePixelRatio));
      ctx.fillRect(Math.round(centre - stem / 2), y(high), stem, Math.max(1, y(low) - y(high)));
      const top = y(Math.max(open, close));
      ctx.fillRect(left, top, width, Math.max(1, y(Math.min(open, close)) - top));
      if (candle?.is_price_spike) {
        ctx.fillStyle = accent;
        diamond(ctx, centre, y(high) - 7 * devicePixelRatio, 4 * devicePixelRatio);
      }
    }
    ctx.restore();
  }

  protected override describe(index: number): string {
    const candle = this.candles[index];
    if (!candle) return "";
    const average = vwap(candle);
    return [
      instant(candle.window_start, Date.now()),
      `O ${decimal(candle.open, 8)}  H ${decimal(candle.high, 8)}`,
      `L ${decimal(candle.low, 8)}  C ${decimal(candle.close, 8)}`,
      `VWAP ${average === null ? "–" : price(average)}`,
      `Volume ${decimal(candle.base_volume, 4)}`,
      ...marksOf(candle),
    ].join("\n");
  }
}

function triangle(ctx: CanvasRenderingContext2D, x: number, top: number, half: number): void {
  shape(ctx, [[x - half, top], [x + half, top], [x, top + half * 1.4]]);
}

function diamond(ctx: CanvasRenderingContext2D, x: number, y: number, half: number): void {
  shape(ctx, [[x, y - half], [x + half, y], [x, y + half], [x - half, y]]);
}

function shape(ctx: CanvasRenderingContext2D, corners: [number, number][]): void {
  ctx.beginPath();
  for (const [x, y] of corners) ctx.lineTo(x, y);
  ctx.fill();
}
