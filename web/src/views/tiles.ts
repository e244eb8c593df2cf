/** Figures in large type. */
import { element, keyed, setAttribute, setTexts } from "../dom";

export interface Tile {
  id: string;
  name: string;
  value: string;
  sub: string;
}

export function showTiles(host: HTMLElement, tiles: Tile[]): void {
  keyed(
    host,
    tiles,
    (tile) => tile.id,
    (tile) => element("div", { class: "tile", "data-metric": tile.id }, element("p", { class: "name" }), element("p", { class: "value" }), element("p", { class: "sub" })),
    (made, tile) => {
      setTexts(made, [tile.name, tile.value, tile.sub]);
      for (const part of made.children) setAttribute(part, "title", part.textContent ?? ""); // where it is cut
    },
  );
}
