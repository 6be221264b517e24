/** Draws a Vega-Lite chart as SVG and PNG that look the same everywhere, also on a machine without fonts. */
import { createRequire } from "node:module";
import { writeSmallFile } from "@lockstep/files";
import type { ResvgRenderOptions } from "@resvg/resvg-js";
import type { TopLevelSpec } from "vega-lite";

const FONT = "DejaVu Sans";
/** Pixels of the PNG per pixel of the SVG, for dense screens. */
const PNG_ZOOM = 2;

/** Writes `<path>.svg`, in which text is outlines, and `<path>.png`. */
export async function renderChart(path: string, title: string, spec: TopLevelSpec): Promise<void> {
  // Loading takes 0.4 s, which a run should not spend at its start.
  const { Resvg } = await import("@resvg/resvg-js");
  const drawn = new Resvg(await drawWithText(spec), renderOptions());
  const svg = drawn.toString().replace(/<svg[^>]*>/, (tag) => `${tag}<title>${escapeXml(title)}</title>`);
  const png = new Resvg(svg, { fitTo: { mode: "zoom", value: PNG_ZOOM } }).render().asPng();
  writeSmallFile(`${path}.svg`, svg);
  writeSmallFile(`${path}.png`, png);
}

async function drawWithText(spec: TopLevelSpec): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import("vega"), import("vega-lite")]);
  const compiled = vegaLite.compile({ ...spec, background: "white", config: { font: FONT, ...look } }).spec;
  const view = new vega.View(vega.parse(compiled), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

const INK = "#333333";
const look = {
  title: { fontSize: 18, subtitleFontSize: 13, color: INK, subtitleColor: "#666666", anchor: "start", offset: 14 },
  axis: {
    labelFontSize: 13,
    titleFontSize: 14,
    titleFontWeight: "normal",
    labelColor: INK,
    titleColor: INK,
    gridColor: "#e8e8e8",
    domainColor: "#999999",
    tickColor: "#999999",
    titlePadding: 10,
    labelPadding: 6,
  },
  legend: { labelFontSize: 14, titleFontSize: 13, titleFontWeight: "normal", labelColor: INK, titleColor: INK },
  view: { stroke: null },
} as const;

function renderOptions(): ResvgRenderOptions {
  const require = createRequire(import.meta.url);
  const fontFiles = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"].map((file) =>
    require.resolve(`dejavu-fonts-ttf/ttf/${file}`),
  );
  return { font: { fontFiles, loadSystemFonts: false, defaultFontFamily: FONT } };
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
