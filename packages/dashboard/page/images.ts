/** Shows a grid of test images with their predictions after the test. */
import { at } from "@lockstep/errors";
import type { RunSnapshot } from "@lockstep/run/live";
import type { TestImage, TestImages } from "../src/api/test-images.ts";
import { authorization } from "./connection.ts";
import { element, node, setText } from "./dom.ts";

let shown: RunSnapshot["report"];

/** Fetches and shows test images with their predictions. Hides the grid before the test. */
export async function showImages({ report }: Readonly<RunSnapshot>): Promise<void> {
  if (report === shown) return;
  shown = report;
  element("images-section").hidden = true;
  if (report?.predictions === undefined) return;
  const response = await fetch("/test-images.json", { headers: authorization });
  if (!response.ok || report !== shown) return;
  const { images, ...size }: TestImages = await response.json();
  element("images").replaceChildren(...images.map((image) => figureOf(image, size, report.classes)));
  const isAnyWrong = images.some(({ label, prediction }) => label !== prediction);
  setText(
    element("images-title"),
    `Test images, ${isAnyWrong ? "misclassified ones first" : "all classified correctly"}`,
  );
  element("images-section").hidden = images.length === 0;
}

function figureOf(
  { index, label, prediction, pixels }: TestImage,
  size: Omit<TestImages, "images">,
  classes: string[],
) {
  const right = label === prediction;
  const [is, predicted] = [at(classes, label), at(classes, prediction)];
  const words = right ? [is] : [predicted, node("s", {}, is)];
  const picture = draw(pixels, size);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", right ? `${is}, classified correctly` : `${is}, classified as ${predicted}`);
  const attributes = { class: right ? "right" : "wrong", title: `test image ${index}` };
  return node("figure", attributes, picture, node("figcaption", {}, ...words));
}

function draw(pixels: string, { height, width, channels }: Omit<TestImages, "images">): HTMLCanvasElement {
  const bytes = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    // A grayscale image has one channel for all three colours.
    const color = [0, 1, 2].map((channel) => at(bytes, i * channels + (channels === 1 ? 0 : channel)));
    image.data.set([...color, 255], 4 * i);
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}
