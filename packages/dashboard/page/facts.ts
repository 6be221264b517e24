/** Shows the ledger, the events, the test and the configuration. */
import { at } from "@lockstep/errors";
import type { RunSnapshot } from "@lockstep/run/live";
import { count, eventTime, percent } from "../src/format.ts";
import { element, keyed, node, setText } from "./dom.ts";
import { showOverflowHint } from "./overflow.ts";
import { colorOf, showLegend, stack } from "./workers.ts";

type Run = Readonly<RunSnapshot>;

/** Number of events that are listed. */
const SHOWN_EVENTS = 200;

/** Shows how many samples have counted in this epoch, and which workers computed them. */
export function showLedger({ ledger, run, redoneSlices }: Run): void {
  const { trainSamples = 0 } = run?.derived ?? {};
  const { epoch, samples } = ledger;
  const coverage = samples === trainSamples && epoch > 0 ? "each exactly once" : "each once";
  const redone = redoneSlices === 0 ? "" : `. Reassigned slices in this run, which count once: ${count(redoneSlices)}`;
  setText(
    element("ledger-text"),
    epoch === 0
      ? "No samples have counted yet."
      : `Epoch ${epoch}: ${count(samples)} of ${count(trainSamples)} samples have counted, ${coverage}${redone}.`,
  );
  const pieces = ledger.workers.map(({ name, samples: workerSamples }) => ({
    name,
    color: colorOf(name),
    fraction: workerSamples / Math.max(trainSamples, 1),
    text: `${name} ${count(workerSamples)}`,
  }));
  stack(element("ledger"), pieces);
  showLegend(
    element("ledger-legend"),
    pieces.map(({ name, color, text }) => ({ name, color, text })),
  );
}

/** Lists the events, newest first. */
export function showEvents({ events }: Run): void {
  const newest = events.slice(-SHOWN_EVENTS).reverse();
  keyed(element("events"), newest, {
    key: ({ at, text }) => `${at} ${text}`,
    make: ({ at, kind, text }) => {
      const time = new Date(at);
      const shown = node("time", { datetime: at, title: time.toLocaleString() }, eventTime(time, new Date()));
      return node("li", { "data-kind": kind }, shown, node("span", {}, text));
    },
    update: () => {},
  });
}

let reported: Run["report"];

/** Shows the confusion matrix after the test. */
export function showConfusion({ report }: Run): void {
  element("confusion-section").hidden = report === undefined;
  if (report === undefined || report === reported) return;
  if (reported === undefined) showOverflowHint(element("confusion-scroll"), element("confusion-hint"));
  reported = report;
  const { accuracy, samples, classes, confusion } = report;
  setText(
    element("confusion-text"),
    `${percent(accuracy, 2)} of ${count(samples)} test images are classified correctly. Rows: true class; columns: predicted class.`,
  );
  const head = node(
    "tr",
    {},
    node("td"),
    ...classes.map((name) => node("th", { scope: "col" }, node("span", { class: "upright" }, name))),
  );
  const rows = confusion.map((row, label) => {
    const all = Math.max(
      1,
      row.reduce((a, b) => a + b, 0),
    );
    const cells = row.map((times, predicted) => {
      const cell = node(
        "td",
        { title: `${classes[label]} classified as ${classes[predicted]}: ${count(times)}` },
        times === 0 ? "" : count(times),
      );
      const color = label === predicted ? "--right" : "--wrong";
      const strength = Math.round(100 * Math.sqrt(times / all));
      cell.style.background = `color-mix(in srgb, var(${color}) ${strength}%, transparent)`;
      return cell;
    });
    return node("tr", {}, node("th", { scope: "row" }, at(classes, label)), ...cells);
  });
  element("confusion").replaceChildren(node("thead", {}, head), node("tbody", {}, ...rows));
}

let configured: Run["run"];

/** Lists the configuration of the run. */
export function showConfig({ run }: Run): void {
  if (run === undefined || run === configured) return;
  element("config-empty").hidden = true;
  configured = run;
  const { machine, derived, ...options } = run;
  const { spec: _, classes, ...derivedOptions } = derived;
  const entries = Object.entries({ ...options, ...machine, ...derivedOptions, classes: classes.join(", ") });
  element("config").replaceChildren(
    ...entries.flatMap(([name, value]) =>
      value === undefined || value === null ? [] : [node("dt", {}, name), node("dd", {}, formatValue(value))],
    ),
  );
}

function formatValue(value: unknown): string {
  if (Array.isArray(value)) return value.map(formatValue).join(" × ");
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  return String(value);
}
