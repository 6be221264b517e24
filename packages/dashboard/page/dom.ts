/** Helpers for the elements of a page. */

type Child = Node | string;

/** Creates an element with attributes and children. */
export function node(tag: string, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElement {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value);
  created.append(...children);
  return created;
}

/**
 * Returns the element with this id.
 *
 * @throws Error if there is none of this type
 */
export function element<T extends HTMLElement = HTMLElement>(id: string, type?: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof (type ?? HTMLElement)))
    throw new Error(`Expected an element #${id} of type ${(type ?? HTMLElement).name} on the page.`);
  return found as T;
}

/** Sets the text of an element if it changes, so that focus and screen readers are not disturbed. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Makes `list` contain one element per item, in order. Elements with a known key are updated, not replaced. */
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
