/** Shows the workers: their table, the times of their steps, and their traffic. */
import { at, defined } from "@lockstep/errors";
import {
  hasLeft,
  type LiveWorker,
  RUN_OVER,
  type RunSnapshot,
  stragglerOf,
  WAIT,
  workerParts,
} from "@lockstep/run/live";
import { bytes, count, milliseconds, percent } from "../src/format.ts";
import { confirmDrop, mayDrop } from "./controls.ts";
import { element, keyed, node, setText } from "./dom.ts";

type Run = Readonly<RunSnapshot>;

/** Number of colours in the style sheet for workers and for segments of a step. */
const COLORS = 8;
/** The segments of a worker's step, in the order of a step. */
const SEGMENTS = ["data", "forward", "backward", "read-back", "apply", "state", WAIT];

const colors = new Map<string, number>();

/** Returns a worker's colour, which is the same everywhere on the page and never changes. */
export function colorOf(name: string): `--w${number}` {
  const known = colors.get(name) ?? colors.size % COLORS;
  colors.set(name, known);
  return `--w${known}`;
}

const segmentColor = (segment: string) =>
  segment === WAIT ? "--wait" : `--w${(SEGMENTS.indexOf(segment) + COLORS) % COLORS}`;

/** Texts for the states of a worker. */
const STATE_TEXTS = {
  waiting: "waiting for weights",
  loading: "receiving weights",
  replaying: "catching up",
  in: "training",
  leaving: "leaving",
  left: "left",
  lost: "lost",
};

/** Time of the last update, in milliseconds: the heartbeats grow older since. */
let updatedMs = performance.now();
let latestWorkers: readonly LiveWorker[] = [];

const CELLS: [label: string, text: (worker: LiveWorker, run: Run) => string][] = [
  ["State", ({ state, goneBecause }) => (goneBecause === RUN_OVER ? RUN_OVER : STATE_TEXTS[state])],
  ["Device", ({ device, backend }) => [device, backend].filter((word) => word !== "").join(", ") || "—"],
  ["Images/s", (worker, run) => speedOf(worker, run)],
  [
    "Current slice",
    ({ slices }) => slices.map(({ start, end }) => `${count(start)}–${count(end - 1)}`).join(", ") || "—",
  ],
  ["Heartbeat", (worker) => heartbeatOf(worker)],
  [
    "Up / down",
    ({ bytesUp, bytesDown }) => (bytesUp + bytesDown === 0 ? "—" : `${bytes(bytesUp)} / ${bytes(bytesDown)}`),
  ],
  ["Reassigned slices", ({ redoneSlices }) => count(redoneSlices)],
  ["Refused messages", ({ refused }) => count(refused)],
];

/**
 * Shows a row for each worker.
 *
 * @param options.isUpdate whether the run has just been received, not only grown older
 */
export function showWorkers(run: Run, { isUpdate }: { isUpdate: boolean }): void {
  if (isUpdate) updatedMs = performance.now();
  latestWorkers = run.workers;
  element("workers-empty").hidden = latestWorkers.length > 0;
  const order = (worker: LiveWorker) => `${hasLeft(worker) ? 1 : 0}${worker.name}`;
  const workers = [...latestWorkers].sort((a, b) => order(a).localeCompare(order(b), "en", { numeric: true }));
  keyed(element("workers"), workers, {
    key: ({ name }) => name,
    make: ({ name }) => rowOf(name),
    update: (row, worker) => {
      row.dataset["state"] = worker.state;
      row.title = worker.goneBecause ?? "";
      for (const [i, [, text]] of CELLS.entries()) setText(at(row.children, i + 1), text(worker, run));
      const drop = defined(row.querySelector("button"), "a button in the row");
      drop.hidden = !mayDrop(run) || hasLeft(worker) || worker.heartbeatAgeMs === undefined;
    },
  });
}

function rowOf(name: string): HTMLElement {
  const dot = node("span", { class: "dot" });
  dot.style.background = `var(${colorOf(name)})`;
  const drop = node("button", { type: "button", "aria-label": `Drop ${name}` }, "Drop");
  drop.addEventListener("click", () => confirmDrop(name));
  const cells = CELLS.map(([label]) => node("td", { "data-label": label }));
  return node("tr", {}, node("th", { scope: "row" }, dot, name), ...cells, node("td", {}, drop));
}

function speedOf(worker: LiveWorker, { recent }: Run): string {
  if (hasLeft(worker)) return "—";
  const ms = recent.reduce((total, row) => total + row.ms.step, 0);
  const samples = recent.reduce((total, row) => {
    const samplesOfWorker =
      row.workers === undefined ? row.samples : row.workers.find(({ name }) => name === worker.name)?.samples;
    return total + (samplesOfWorker ?? 0);
  }, 0);
  return ms === 0 ? "—" : ((1000 * samples) / ms).toFixed(1);
}

function heartbeatOf(worker: LiveWorker): string {
  const { heartbeatAgeMs } = worker;
  if (hasLeft(worker) || heartbeatAgeMs === undefined) return "—";
  return `${((heartbeatAgeMs + performance.now() - updatedMs) / 1000).toFixed(1)} s ago`;
}

/** Shows the segments of each worker's steps as stacked bars on one scale, and names the straggler. */
export function showStepTimes({ recent }: Run): void {
  const workers = workerParts(recent).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  const totals = workers.map(({ ms }) => Object.values(ms).reduce((total, segment) => total + segment, 0));
  const longest = Math.max(...totals, 1e-9);
  const straggler = stragglerOf(recent);
  setText(element("straggler"), stragglerText(straggler, workers.length));
  keyed(element("segments"), workers, {
    key: ({ name }) => name,
    make: ({ name }) => node("li", {}, node("span", {}, name), node("div", { class: "stack" }), node("span")),
    update: (row, { name, ms }) => {
      row.classList.toggle("straggler", name === straggler?.name);
      const segments = inOrder(ms);
      stack(
        at(row.children, 1),
        segments.map(([segment, value]) => ({
          name: segment,
          color: segmentColor(segment),
          fraction: value / longest,
          text: `${segment} ${milliseconds(value)}`,
        })),
      );
      setText(at(row.children, 2), milliseconds(Object.values(ms).reduce((total, segment) => total + segment, 0)));
    },
  });
  const names = [...new Set(workers.flatMap(({ ms }) => inOrder(ms).map(([segment]) => segment)))];
  showLegend(
    element("segments-legend"),
    names.map((segment) => ({ name: segment, color: segmentColor(segment) })),
  );
}

function inOrder(ms: Record<string, number>): [segment: string, ms: number][] {
  const segments = Object.entries(ms).filter(([, segment]) => segment > 0);
  return segments.sort(([a], [b]) => SEGMENTS.indexOf(a) - SEGMENTS.indexOf(b));
}

function stragglerText(straggler: ReturnType<typeof stragglerOf>, workers: number): string {
  if (workers === 0) return "No steps have completed yet.";
  if (straggler === undefined) return workers > 1 ? "No worker delays the others." : "";
  const { name, fraction, part: segment, partMs, medianMs } = straggler;
  return `${name} delays each step by ${percent(fraction, 0)}: ${segment} takes ${milliseconds(partMs)}, the median of the others is ${milliseconds(medianMs)}.`;
}

/** A piece of a stacked bar. */
export interface Piece {
  name: string;
  color: string;
  /** Fraction of the full width. */
  fraction: number;
  /** Tooltip. */
  text: string;
}

/** Draws pieces side by side as a stacked bar. */
export function stack(target: Element, pieces: readonly Piece[]): void {
  keyed(target, pieces, {
    key: ({ name }) => name,
    make: () => node("span"),
    update: (made, { color, fraction, text }) => {
      made.style.width = `${100 * fraction}%`;
      made.style.background = `var(${color})`;
      made.title = text;
    },
  });
}

/** Shows a legend: a coloured dot and a text per entry. */
export function showLegend(target: Element, names: readonly { name: string; color: string; text?: string }[]): void {
  keyed(target, names, {
    key: ({ name }) => name,
    make: ({ color }) => {
      const dot = node("span", { class: "dot" });
      dot.style.background = `var(${color})`;
      return node("li", {}, dot, node("span"));
    },
    update: (made, { name, text }) => setText(at(made.children, 1), text ?? name),
  });
}

/** Shows the mean bytes that a worker sends and receives in a step, beside the size of a dense gradient. */
export function showBytes({ recent, run }: Run): void {
  const shares = recent.flatMap(({ workers = [] }) => workers);
  const mean = (what: "bytesUp" | "bytesDown") =>
    shares.reduce((total, share) => total + share[what], 0) / shares.length;
  const dense = 4 * (run?.derived.parameters ?? 0);
  const rows =
    shares.length === 0
      ? []
      : [
          { name: "sent", value: mean("bytesUp"), color: "--w0" },
          { name: "received", value: mean("bytesDown"), color: "--w1" },
          { name: "dense", value: dense, color: "--wait" },
        ];
  const largest = Math.max(...rows.map(({ value }) => value), 1);
  element("bytes-title").hidden = rows.length === 0;
  keyed(element("bytes"), rows, {
    key: ({ name }) => name,
    make: ({ name }) => node("li", {}, node("span", {}, name), node("div", { class: "stack" }), node("span")),
    update: (row, { value, color, name }) => {
      stack(at(row.children, 1), [{ name, color, fraction: value / largest, text: bytes(value) }]);
      setText(at(row.children, 2), bytes(value));
    },
  });
}
