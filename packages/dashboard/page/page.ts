/** The dashboard's page: draws the run that the server streams. */
import { at } from "@lockstep/errors";
import { isOver, type RunSnapshot } from "@lockstep/run/live";
import { accuracyTable, epochTable, lossTable, speedTable, type Table } from "../src/curves.ts";
import { count, duration, figure, percent } from "../src/format.ts";
import { Chart, type Curve } from "./chart.ts";
import { authorization, connect } from "./connection.ts";
import { showControls } from "./controls.ts";
import { element, setText } from "./dom.ts";
import { showConfig, showConfusion, showEvents, showLedger } from "./facts.ts";
import { showImages } from "./images.ts";
import { colorOf, showBytes, showStepTimes, showWorkers } from "./workers.ts";

type Run = Readonly<RunSnapshot>;

/** Minimum milliseconds between two draws. */
const DRAW_MS = 250;
/** Milliseconds between updates of the heartbeats' ages. */
const AGE_MS = 1000;
/** Number of workers whose speed is drawn: more curves are indistinguishable. */
const MAX_WORKER_CURVES = 8;
/** Colours of the runs to compare with. */
const OTHER_COLORS = ["--w2", "--w4", "--w5", "--w6", "--w7"] as const;

/** Runs to compare with. */
const others: Run[] = await (await fetch("/others.json", { headers: authorization })).json().catch(() => []);

const charts = { loss: chartOf("Loss"), accuracy: chartOf("Accuracy") };
let speed: { chart: Chart; workers: string } | undefined;
let latest: Run | undefined;
let isDue = false;

connect((run) => {
  latest = run;
  if (!isDue) setTimeout(draw, DRAW_MS);
  isDue = true;
});
setInterval(() => latest && showWorkers(latest, { isUpdate: false }), AGE_MS);

function draw(): void {
  isDue = false;
  if (latest === undefined) return;
  const run = latest;
  showHead(run);
  showControls(run);
  showCurves(run);
  showSpeed(run);
  showStepTimes(run);
  showBytes(run);
  showWorkers(run, { isUpdate: true });
  showLedger(run);
  showEvents(run);
  showConfusion(run);
  void showImages(run);
  showConfig(run);
}

function showHead(now: Run): void {
  const { name, run, state, stepsDone } = now;
  document.title = `${name || "Lockstep"} · ${state}`;
  setText(element("name"), name || "Lockstep");
  setText(element("state"), state);
  element("state").dataset["state"] = state;
  showPhase(now);
  if (run === undefined) return;
  const { modelName, parameters, steps, stepsPerEpoch } = run.derived;
  setText(element("about"), `${modelName}, ${count(parameters)} parameters, on ${run.dataset}`);
  element("progress", HTMLProgressElement).value = steps === 0 ? 0 : stepsDone / steps;
  const epochs = Math.ceil(steps / stepsPerEpoch);
  const epoch = Math.min(epochs, Math.floor(stepsDone / stepsPerEpoch) + 1);
  setText(element("progress-text"), `step ${count(stepsDone)} of ${count(steps)} · epoch ${epoch} of ${epochs}`);
  if (stepsDone > 0) showTiles(now);
}

/** Shows the phase, with its start if it is one that lasts: the others alternate several times a second. */
function showPhase({ phase }: Run): void {
  const shown = element("phase");
  shown.hidden = phase === undefined || phase.name === "over"; // the state shows how it ended
  if (phase === undefined) return;
  const { name, sinceMs, reason } = phase;
  const lasts = name === "gathering" || name === "starting" || name === "paused" || name === "lost";
  const since = lasts ? ` since ${new Date(sinceMs).toLocaleTimeString("en-GB")}` : "";
  setText(shown, `${name}${since}${reason === undefined ? "" : `: ${reason}`}`);
  shown.dataset["phase"] = name;
}

function showTiles(now: Run): void {
  const { state, progress, epochs, test, history } = now;
  const last = epochs.at(-1);
  const mean = (column: number[]) => sumOfLast(column) / sumOfLast(history.samples);
  const validated = last?.evalLoss === undefined ? "training" : `validation ${figure(last.evalLoss)}`;
  tile("loss", figure(mean(history.lossSum)), validated);
  const [split, accuracy] = test === undefined ? ["validation", last?.evalAccuracy] : ["test", test.accuracy];
  tile(
    "accuracy",
    percent(mean(history.correct)),
    accuracy === undefined ? "training" : `${split} ${percent(accuracy)}`,
  );
  const perSecond = (1000 * history.samples.reduce(add, 0)) / history.stepMs.reduce(add, 0);
  if (isOver(now) || progress === undefined) {
    tile("speed", figure(perSecond), "mean over all steps");
    tile("left", "—", isOver(now) ? `the run is ${state}` : "");
  } else {
    tile("speed", figure(progress.samplesPerSecond), "last 20 steps");
    tile("left", duration(progress.secondsLeft), "at this speed");
  }
}

const add = (a: number, b: number) => a + b;
/** Returns the sum of the last tenth of a column, at most 20 entries. */
const sumOfLast = (column: number[]) => column.slice(-Math.min(20, Math.ceil(column.length / 10))).reduce(add, 0);

function tile(name: string, value: string, note: string): void {
  setText(element(`tile-${name}`), value);
  setText(element(`tile-${name}-note`), note);
}

function chartOf(what: "Loss" | "Accuracy"): Chart {
  const curves: Curve[] = [
    { label: "training", color: "--w0" },
    { label: "each step", color: "--w0", lineStyle: "faint" },
    ...(what === "Loss"
      ? ([
          { label: "minimum", color: "--w0", lineStyle: "none" },
          { label: "maximum", color: "--w0", lineStyle: "none" },
        ] as const)
      : []),
    { label: "training, by epoch", color: "--w3", lineStyle: "dots" },
    { label: "validation", color: "--w1", lineStyle: "dots" },
    ...others.map(
      ({ name }, i): Curve => ({ label: name, color: at(OTHER_COLORS, i % OTHER_COLORS.length), lineStyle: "dashed" }),
    ),
  ];
  const unit = what === "Accuracy" ? "percent" : "number";
  return new Chart(element(what.toLowerCase()), { curves, unit, ...(what === "Loss" && { bands: [[4, 3]] }) });
}

function showCurves(run: Run): void {
  const last = run.epochs.at(-1);
  const validated = last?.evalLoss === undefined ? "" : `, ${figure(last.evalLoss)} in validation`;
  const firstOf = ([x, smooth]: Table): Table => [x, smooth];
  const compared = (table: typeof lossTable) => others.map((other) => firstOf(table(other)));
  const losses = lossTable(run);
  charts.loss.show(
    [losses, epochTable(run, "Loss"), ...compared(lossTable)],
    `Loss by step: ${figure(losses[1].at(-1) ?? 0)}${validated}`,
  );
  const accuracies = accuracyTable(run);
  charts.accuracy.show(
    [accuracies, epochTable(run, "Accuracy"), ...compared(accuracyTable)],
    `Accuracy by step: ${percent(accuracies[1].at(-1) ?? 0)}`,
  );
}

/** Draws the speed. The chart has a curve for each worker, so it is recreated when the workers change. */
function showSpeed(run: Run): void {
  const names = run.history.workers
    .map(({ name }) => name)
    .sort()
    .slice(0, MAX_WORKER_CURVES);
  const workers = names.length > 1 ? names : []; // a single worker equals the total
  if (speed?.workers !== workers.join()) {
    element("speed").replaceChildren();
    const curves: Curve[] = [
      { label: "all", color: "--ink" },
      ...workers.map((label) => ({ label, color: colorOf(label) })),
    ];
    speed = { chart: new Chart(element("speed"), { curves, fromZero: true }), workers: workers.join() };
  }
  const table = speedTable(run, workers);
  speed.chart.show([table], `Images per second: ${figure(table[1].at(-1) ?? 0)}`);
}
