/** Hints at the part of a wide region that lies out of sight. */

/** Says of a region that scrolls sideways that there is more than is seen: in words, and by a shade at its right. */
export function tellOfMore(region: HTMLElement, hint: HTMLElement): void {
  const tell = () => {
    const unseen = region.scrollWidth - region.clientWidth;
    hint.hidden = unseen <= 1;
    region.parentElement!.classList.toggle("more", region.scrollLeft < unseen - 1);
  };
  region.addEventListener("scroll", tell);
  const sizes = new ResizeObserver(tell);
  for (const part of [region, ...region.children]) sizes.observe(part);
}
