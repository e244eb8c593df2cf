/** A line without axes, for the shape only: it is not read out. */
import { setAttribute } from "./dom";

const SVG = "http://www.w3.org/2000/svg";

export function sparkline(): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 24");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "polyline"));
  return svg;
}

export function drawSparkline(svg: SVGSVGElement, points: { at: number; viewers: number }[]): void {
  const line = svg.firstElementChild as SVGPolylineElement;
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || first.at === last.at) return setAttribute(line, "points", "");
  const values = points.map((point) => point.viewers);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  // a change of less than a tenth stays as flat as it is
  const span = Math.max(most - least, most * 0.1, 1);
  const middle = (least + most) / 2;
  const x = (at: number) => (((at - first.at) / (last.at - first.at)) * 98 + 1).toFixed(1);
  const y = (viewers: number) => (12 - ((viewers - middle) / span) * 20).toFixed(1);
  setAttribute(line, "points", points.map((point) => `${x(point.at)},${y(point.viewers)}`).join(" "));
}
