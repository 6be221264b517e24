/** Hints at the part of a wide region that lies out of sight. */

/** Says of a region that scrolls sideways that there is more than is seen: in words, and by a shade at its right. */
export function showOverflowHint(region: HTMLElement, hint: HTMLElement): void {
  const update = () => {
    const hiddenPixels = region.scrollWidth - region.clientWidth;
    hint.hidden = hiddenPixels <= 1;
    region.parentElement!.classList.toggle("more", region.scrollLeft < hiddenPixels - 1);
  };
  region.addEventListener("scroll", update);
  const sizes = new ResizeObserver(update);
  for (const child of [region, ...region.children]) sizes.observe(child);
}
