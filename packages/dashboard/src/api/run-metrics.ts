/** Exports the state of a run to Prometheus: times in seconds, counters that end in `_total`. */
import { hasLeft, type LiveRun, type LiveWorker, PHASE_NAMES, type RunSnapshot } from "@lockstep/run/live";
import { Counter, Gauge, Registry } from "prom-client";

/** Values with their labels. An undefined value is not exported. */
type Samples = [labels: Record<string, string>, value: number | undefined][];
type Read = (run: Readonly<RunSnapshot>) => Samples;

const one = (read: (run: Readonly<RunSnapshot>) => number | undefined): Read => {
  return (run) => [[{}, read(run)]];
};
const lastStep = ({ recent }: Readonly<RunSnapshot>) => recent.at(-1);
const connectedWorkers = ({ workers }: Readonly<RunSnapshot>) => workers.filter((worker) => !hasLeft(worker));
const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);
const workerTimes = (group: "ms" | "io"): Read => {
  return (run) =>
    connectedWorkers(run).flatMap((worker) =>
      Object.entries(worker[group]).map(([name, ms]): Samples[number] => [
        { worker: worker.name, part: name },
        ms / 1000,
      ]),
    );
};
const ofWorkers = (read: (worker: LiveWorker) => Samples): Read => {
  return ({ workers }) =>
    workers.flatMap((worker) => read(worker).map(([labels, value]) => [{ worker: worker.name, ...labels }, value]));
};

/** A state set: 1 for the current phase, 0 for the others, and no sample if the phase is unknown. */
const phases: Read = ({ phase }) =>
  PHASE_NAMES.map((name) => [{ phase: name }, phase === undefined ? undefined : Number(name === phase.name)]);

const gauges: [name: string, help: string, read: Read][] = [
  ["lockstep_step", "Completed steps.", one(({ stepsDone }) => stepsDone)],
  ["lockstep_steps", "Steps of the whole run.", one(({ run }) => run?.derived.steps)],
  ["lockstep_epoch", "Epoch of the last step, from 1.", one((run) => lastStep(run)?.epoch)],
  ["lockstep_loss", "Mean loss over the batch of the last step.", one((run) => lastStep(run)?.loss)],
  ["lockstep_learning_rate", "Learning rate of the last step.", one((run) => lastStep(run)?.lr)],
  [
    "lockstep_images_per_second",
    "Images per second over the last steps.",
    one(({ progress }) => progress?.samplesPerSecond),
  ],
  ["lockstep_step_seconds", "Duration of the last step.", one((run) => seconds(lastStep(run)?.ms.step))],
  [
    "lockstep_last_step_timestamp_seconds",
    "Unix time at which the last step ended.",
    one(({ lastStepAtMs }) => seconds(lastStepAtMs)),
  ],
  ["lockstep_step_part_seconds", "Durations of the disjoint parts of a worker's last step.", workerTimes("ms")],
  ["lockstep_socket_seconds", "Time that a worker's socket thread spent in its last step, by part.", workerTimes("io")],
  [
    "lockstep_heartbeat_age_seconds",
    "Time since a worker was last heard from.",
    (run) => connectedWorkers(run).map(({ name, heartbeatAgeMs }) => [{ worker: name }, seconds(heartbeatAgeMs)]),
  ],
  ["lockstep_workers", "Connected workers.", one((run) => connectedWorkers(run).length)],
  ["lockstep_run_phase", "1 for the current phase, 0 for the others.", phases],
];

const counters: [name: string, help: string, read: Read][] = [
  ["lockstep_images_total", "Samples that a worker has computed.", ofWorkers(({ samples }) => [[{}, samples]])],
  [
    "lockstep_bytes_total",
    "Bytes that a worker sent (up) and received (down) in steps.",
    ofWorkers(({ bytesUp, bytesDown }) => [
      [{ direction: "up" }, bytesUp],
      [{ direction: "down" }, bytesDown],
    ]),
  ],
  ["lockstep_redone_slices_total", "Slices that were reassigned to a second worker.", one((run) => run.redoneSlices)],
  ["lockstep_refused_messages_total", "Refused contributions and connections.", one((run) => run.refused)],
];

/** The metrics of a run, read from its live state at each scrape. */
export class RunMetrics {
  readonly #registry = new Registry();

  constructor(live: LiveRun) {
    const registers = [this.#registry];
    for (const [name, help, read] of gauges) {
      const labelNames = ["worker", "part", "phase"];
      const collect = () => {
        gauge.reset();
        for (const [labels, value] of known(read(live.snapshot()))) gauge.set(labels, value);
      };
      const gauge = new Gauge({ name, help, labelNames, registers, collect });
    }
    for (const [name, help, read] of counters) {
      const labelNames = ["worker", "direction"];
      const collect = () => {
        counter.reset();
        for (const [labels, value] of known(read(live.snapshot()))) counter.inc(labels, value);
      };
      const counter = new Counter({ name, help, labelNames, registers, collect });
    }
  }

  /** Content type of the exposition format. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Returns all metrics in the exposition format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

/** Returns the samples that have a value: an unknown one is not exported as 0. */
function known(samples: Samples): [labels: Record<string, string>, value: number][] {
  return samples.flatMap(([labels, value]) => (value === undefined ? [] : [[labels, value]]));
}
