/** Indicates that a wide region has more content than is visible. */

/** Shows a hint and a shade at the right edge while a horizontally scrolling region has hidden content. */
export function showOverflowHint(region: HTMLElement, hint: HTMLElement): void {
  const update = () => {
    const hiddenPixels = region.scrollWidth - region.clientWidth;
    hint.hidden = hiddenPixels <= 1;
    region.parentElement?.classList.toggle("more", region.scrollLeft < hiddenPixels - 1);
  };
  region.addEventListener("scroll", update);
  const sizes = new ResizeObserver(update);
  for (const child of [region, ...region.children]) sizes.observe(child);
}
