/**
 * Making elements. Always holds: text goes in as textContent, never as markup.
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

/**
 * Makes the list's children those of `items`, in order, reusing the element of a key. `update` fills an element.
 */
export function keyed<Item, Made extends HTMLElement>(
  list: HTMLElement,
  items: Item[],
  key: (item: Item) => string,
  make: (item: Item) => Made,
  update: (made: Made, item: Item) => void,
): void {
  const known = new Map<string, Made>();
  for (const child of [...list.children] as Made[]) {
    const name = child.dataset["key"];
    if (name === undefined) child.remove();
    else known.set(name, child);
  }
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
}
