/**
 * Leaderboards, wherever they stand. Always holds: an item keeps its element, and moves to its new rank so that the eye
 * can follow; of a board with several groups (currencies, polls) or windows one is shown, the viewer's choice.
 */
import { element, keyed, setAttribute, setText, setTexts, setTime } from "../dom";
import { decimal, foreignText, instant, title, windowName } from "../format";
import type { Board, BoardEntry } from "../protocol";
import type { BoardFamily } from "../select";

/** What the viewer chose at boards, by board; null: nothing yet. */
const chosenWindow = new Map<string, string>();
const chosenVariant = new Map<string, string>();

export interface BoardsAround {
  /** Where an item leads, if anywhere. */
  link?: (item: string) => string | null;
  /** What an item is called, if that is known better than the board does. */
  nameOf?: (item: string) => string | null | undefined;
  /** Boards that are to have their place before they are there. */
  expected?: string[];
  /** What is said in the place of a board that is not there. */
  none: string;
  /** Draws again after a choice. */
  redraw: () => void;
}

function move(entry: BoardEntry): { text: string; kind: string; label: string } {
  if (entry.previous_rank === null) return { text: "new", kind: "up", label: "new on the board" };
  const up = entry.previous_rank - entry.rank;
  if (up === 0) return { text: "", kind: "", label: "" };
  return up > 0 ? { text: `▲${up}`, kind: "up", label: `up ${up}` } : { text: `▼${-up}`, kind: "down", label: `down ${-up}` };
}

function makeEntry(href: string | null): HTMLElement {
  const label = element("bdi");
  return element(
    "li", {},
    element("span", { class: "fill", "aria-hidden": "true" }), element("span", { class: "rank" }),
    element("span", { class: "move" }, element("span", { "aria-hidden": "true" }), element("span", { class: "hidden" })),
    href === null ? label : element("a", { href }, label), element("span", { class: "score" }),
  );
}

function showEntries(list: HTMLElement, entries: BoardEntry[], around: BoardsAround): void {
  const link = around.link ?? (() => null);
  const best = Math.max(1e-9, ...entries.map((entry) => Number(entry.score)));
  keyed(
    list,
    entries,
    (entry) => `${entry.item}\n${link(entry.item) ?? ""}`,
    (entry) => makeEntry(link(entry.item)),
    (made, entry) => {
      const [fill, rank, moved, , score] = made.children as unknown as HTMLElement[];
      if (!fill || !rank || !moved || !score) return;
      const { text: steps, kind, label } = move(entry);
      fill.style.width = `${(Math.max(0, Number(entry.score)) / best) * 100}%`;
      setText(rank, String(entry.rank));
      setTexts(moved, [steps, label]);
      moved.className = `move ${kind}`;
      const name = made.querySelector("bdi") as Element;
      const text = foreignText(around.nameOf?.(entry.item) ?? (entry.label || entry.item), 200);
      setText(name, text);
      setAttribute(name, "title", text); // questions are longer than a row
      setText(score, decimal(entry.score));
      setAttribute(score, "title", entry.score);
    },
    true,
  );
}

export function showBoards(host: HTMLElement, families: BoardFamily[], around: BoardsAround): void {
  const waiting = (around.expected ?? []).filter((name) => !families.some((family) => family.name === name));
  const shown = [...families, ...waiting.map((name): BoardFamily => ({ name, variants: [] }))];
  keyed(
    host,
    shown.sort((a, b) => (a.name < b.name ? -1 : 1)),
    (family) => family.name,
    (family) => makePanel(family.name, around.redraw),
    (made, family) => showFamily(made, family, around),
  );
}

function makePanel(name: string, redraw: () => void): HTMLElement {
  const called = foreignText(title(name), 40);
  const variants = element("select", { "aria-label": `Which of ${called}` });
  variants.addEventListener("change", () => {
    chosenVariant.set(name, variants.value);
    redraw();
  });
  const windows = element("div", { class: "segments", role: "group", "aria-label": `Window of ${called}` });
  windows.addEventListener("click", (event) => {
    const window = (event.target as HTMLElement).dataset["window"];
    if (window === undefined) return;
    chosenWindow.set(name, window);
    redraw();
  });
  return element(
    "section", { class: "panel third board", "data-board": name, "aria-label": called },
    element("header", {}, element("h2", {}, called), element("div", { class: "controls" }, variants, windows)),
    element("ol", { tabindex: "0", "aria-label": called }),
    element("footer", {}, element("p", {}, element("span"), element("time", { hidden: "" })), element("p")),
  );
}

function showFamily(panel: HTMLElement, { name, variants }: BoardFamily, around: BoardsAround): void {
  const variant = variants.find(({ of }) => of === chosenVariant.get(name)) ?? variants[0];
  const select = panel.querySelector("select") as HTMLSelectElement;
  select.hidden = variants.length === 0 || (variants.length === 1 && variant?.of === "");
  keyed(select, variants, ({ of }) => of, ({ of, called }) => element("option", { value: of }, of === "" ? "All" : foreignText(called, 60)), () => undefined);
  if (variant && select.value !== variant.of) select.value = variant.of;

  const boards = variant?.windows ?? [];
  const board = boards.find((one) => one.window === chosenWindow.get(name)) ?? boards[0];
  const segments = panel.querySelector(".segments") as HTMLElement;
  segments.hidden = boards.length < 2;
  keyed(
    segments,
    boards,
    (one) => one.window,
    (one) => element("button", { type: "button", "data-window": one.window }),
    (made, one) => {
      setText(made, nameOfWindow(one));
      made.setAttribute("aria-pressed", String(one === board));
    },
  );
  showEntries(panel.querySelector("ol") as HTMLElement, board?.entries ?? [], around);
  showFoot(panel, board, around.none);
}

/** Which record this is, and what all of its items have together. */
function showFoot(panel: HTMLElement, board: Board | undefined, none: string): void {
  const [window, sum] = panel.querySelectorAll("footer p") as unknown as [HTMLElement, HTMLElement];
  const [name, end] = window.children as unknown as [HTMLElement, HTMLElement];
  const until = board && board.window !== "session" ? board.window_end : null;
  setText(name, !board ? none : until === null ? nameOfWindow(board) : `${nameOfWindow(board)} to `);
  end.hidden = until === null;
  if (until !== null) setTime(end, until, instant(until, Date.now()));
  setText(sum, board ? `${decimal(board.total_score)} in all, from ${decimal(String(board.item_count))}` : "");
  setAttribute(panel, "data-record", board ? JSON.stringify([board.board, board.group, board.window]) : "");
}

function nameOfWindow(board: Board): string {
  if (board.window === "session" && board.window_start !== null) return `Since ${instant(board.window_start, Date.now())}`;
  return windowName(board.window, board.window_start, board.window_end);
}
