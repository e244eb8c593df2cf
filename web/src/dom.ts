/**
 * Making and changing elements. Always holds: text goes in as textContent, never as markup; an element that stays keeps
 * the focus when its list is put in another order.
 */

type Child = Node | string | null;

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const child of children) if (child !== null) made.append(child);
  return made;
}

export function byId<Type extends HTMLElement>(id: string): Type {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as Type;
}

/** Sets the text if it differs, so that nothing is laid out again without need. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export function setAttribute(target: Element, name: string, value: string): void {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

/** Shows an instant as `text`, in full where machines look. */
export function setTime(target: Element, micros: number, text: string): void {
  const date = new Date(micros / 1000);
  if (Number.isFinite(date.getTime())) setAttribute(target, "datetime", date.toISOString());
  setText(target, text);
}

/** Sets the texts of the first children, in order. */
export function setTexts(target: Element, texts: string[]): void {
  texts.forEach((text, index) => setText(target.children[index] as Element, text));
}

const stillness = matchMedia("(prefers-reduced-motion: reduce)");
const GLIDE_MS = 450;

/**
 * Makes the list's children those of `items`, in order, reusing the element of a key. `update` fills an element.
 * `isGliding`: what changes its place moves there so that the eye can follow, unless the viewer wants no motion.
 */
export function keyed<Item, Made extends HTMLElement>(
  list: HTMLElement,
  items: Item[],
  key: (item: Item) => string,
  make: (item: Item) => Made,
  update: (made: Made, item: Item) => void,
  isGliding = false,
): void {
  const known = new Map<string, Made>();
  const inPlace = [...list.children] as Made[];
  for (const child of inPlace) {
    const name = child.dataset["key"];
    if (name === undefined) child.remove();
    else known.set(name, child);
  }
  const isSameOrder = items.length === inPlace.length && items.every((item, index) => inPlace[index]?.dataset["key"] === key(item));
  const from = isGliding && !isSameOrder && !stillness.matches ? placesOf(list, inPlace) : null;
  const focused = document.activeElement;
  let before = list.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let made = known.get(name);
    known.delete(name);
    if (!made) {
      made = make(item);
      made.dataset["key"] = name;
    }
    update(made, item);
    if (made === before) before = made.nextElementSibling;
    else list.insertBefore(made, before);
  }
  for (const left of known.values()) left.remove();
  if (focused instanceof HTMLElement && focused !== document.activeElement && list.contains(focused)) focused.focus({ preventScroll: true });
  if (from !== null) glide(list, from);
}

/** Where the elements are to be seen in the list, motion included. Empty if the list is not shown. */
function placesOf(list: HTMLElement, elements: Element[]): Map<Element, number> {
  if (list.clientHeight === 0) return new Map();
  const origin = list.getBoundingClientRect().top - list.scrollTop;
  return new Map(elements.map((one) => [one, one.getBoundingClientRect().top - origin]));
}

/** Lets everything move from where it was to where it is; what is new appears. */
function glide(list: HTMLElement, from: Map<Element, number>): void {
  if (from.size === 0) return;
  const children = [...list.children];
  for (const child of children) for (const running of child.getAnimations()) running.cancel();
  const to = placesOf(list, children);
  for (const [child, place] of to) {
    const before = from.get(child);
    const timing = { duration: GLIDE_MS, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" };
    if (before === undefined) child.animate([{ opacity: 0 }, { opacity: 1 }], timing);
    else if (Math.abs(before - place) >= 1) child.animate([{ transform: `translateY(${before - place}px)` }, { transform: "none" }], timing);
  }
}

/** True while the viewer points at something in the element or has the focus there: what they aim at should not move. */
export function isAimedAt(target: HTMLElement): boolean {
  return target.matches(":hover") || target.contains(document.activeElement);
}
