/** Short words for what a page does with its elements. */

type Child = Node | string;

/** Makes an element with attributes and children. */
export function node(tag: string, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElement {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * Returns the element of the page with this id.
 *
 * @throws Error if there is none of that type
 */
export function element<T extends HTMLElement = HTMLElement>(id: string, type?: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof (type ?? HTMLElement))) throw new Error(`The page has no #${id} of that kind.`);
  return found as T;
}

/** Only what changed is written: an element that has the focus, or is read out, is left alone. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Makes `list` hold one element for each key, in order; those that are there stay the same elements. */
export function keyed<Item>(
  list: Element,
  items: readonly Item[],
  {
    key,
    make,
    update,
  }: {
    key: (item: Item) => string;
    make: (item: Item) => HTMLElement;
    update: (made: HTMLElement, item: Item) => void;
  },
): void {
  const existing = new Map(
    Array.from(list.children, (child) => [(child as HTMLElement).dataset["key"], child as HTMLElement]),
  );
  const ordered = items.map((item) => {
    const found = existing.get(key(item)) ?? make(item);
    found.dataset["key"] = key(item);
    update(found, item);
    return found;
  });
  const keep = new Set(ordered);
  for (const child of [...list.children]) if (!keep.has(child as HTMLElement)) child.remove();
  for (const [i, child] of ordered.entries())
    if (list.children[i] !== child) list.insertBefore(child, list.children[i] ?? null);
}
