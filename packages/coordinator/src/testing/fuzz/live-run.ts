/**
 * For tests: a coordinator on a real port, with an honest worker that trains until the test stops the run. Other
 * workers may connect meanwhile.
 */

import { makeConfig } from "@lockstep/config";
import type { RecordSource } from "@lockstep/dataset";
import { makeSchedule, type ParameterState, type StepTask, type Task } from "@lockstep/run";
import { Admission } from "../../admission/admission.ts";
import { serveSessions } from "../../connections/session-server.ts";
import { RemoteTeam } from "../../team/remote-team.ts";
import type { TeamOptions } from "../../team/team-options.ts";
import { runTasks } from "../run-tasks.ts";
import { PLAN, READY, TOY_CODE } from "../toy-model.ts";
import { stateOf } from "../toy-worker.ts";
import { FastClock, type RunClock } from "./run-clock.ts";
import { SocketWorker } from "./socket-worker.ts";
import { undisturbedWorker } from "./undisturbed.ts";

/** Slices have a fixed size of 2, so that the weights have the same bits with any workers. */
const SLICE_ROWS = 2;
/** Configuration that workers receive with their welcome. */
export const welcomeConfig = {
  ...makeConfig({ batchSize: 8, numEpochs: 1_000_000, test: false, lr: 0.001, checkpointEvery: 2 }),
};
/** Maximum number of log lines to keep. */
const LINES = 1000;

/** Options of a run. */
export interface LiveRunOptions extends Partial<Pick<TeamOptions, "heartbeatMs" | "stallMs" | "maxLogBytes">> {
  /** @default real time */
  clock?: RunClock;
  /** @default none */
  records?: RecordSource;
  /** @default 64 */
  maxWorkers?: number;
  /** Real milliseconds within which a request must arrive. @default 10 000 */
  handshakeMs?: number;
  /** Whether to read the state at each checkpoint of the schedule. @default true */
  checkpoints?: boolean;
  /** Called with each frame that the honest worker sends. */
  onFrame?: (frame: Buffer) => void;
  /** Milliseconds that the honest worker takes for a slice. @default as few as possible */
  sliceMs?: number;
}

/** A run with its server, its team and its honest worker. */
export interface LiveRun {
  port: number;
  clock: RunClock;
  team: RemoteTeam;
  honest: SocketWorker;
  /** The last log lines. */
  log: string[];
  /** Ends the run after the current step. @returns the number of updates and the resulting weights */
  stop(): Promise<{ steps: number; state: ParameterState[] }>;
  close(): Promise<void>;
}

/** Starts a run, and resolves when its honest worker has joined. */
export async function startRun(given: LiveRunOptions = {}): Promise<LiveRun> {
  const { heartbeatMs = 1000 } = given;
  const options = { stallMs: 60_000, clock: new FastClock({ speed: 1, heartbeatMs }), ...given, heartbeatMs };
  const { clock, checkpoints = true } = options;
  const log: string[] = [];
  const team = openTeam(options, (line) => log.push(line) > LINES && log.shift());
  const server = await serve(options, team);
  const stopClock = clock.start(() => team.tick());
  const honest = honestWorker(server.port, options);
  clock.keepHeard(honest);
  await team.until(() => team.size === 1);
  await team.begin({ plan: PLAN, source: { from: "seed" }, sliceRows: SLICE_ROWS });
  const stopping = new AbortController();
  const running = trainUntil(team, stopping.signal, checkpoints);
  running.catch(() => {}); // `stop` reports the error
  return {
    port: server.port,
    clock,
    team,
    honest,
    log,
    async stop() {
      stopping.abort();
      return { steps: await running, state: await team.captureState().read() };
    },
    async close() {
      stopClock();
      honest.socket.terminate();
      await server.close();
    },
  };
}

type Settled = LiveRunOptions & Required<Pick<LiveRunOptions, "clock" | "heartbeatMs" | "stallMs">>;

function openTeam({ heartbeatMs, stallMs, maxLogBytes = 2 ** 20, clock }: Settled, log: (line: string) => unknown) {
  const limits = { heartbeatMs, stallMs, maxLogBytes, workers: 1, minWorkers: 1 };
  return new RemoteTeam({ ...limits, balance: "even", runId: "r", nowMs: clock.nowMs, log });
}

function serve({ clock, stallMs, maxWorkers = 64, handshakeMs, records }: Settled, team: RemoteTeam) {
  return serveSessions({
    listen: { host: "127.0.0.1", port: 0, anyPort: false, maxWorkers, handshakeMs },
    heartbeatMs: clock.watchMs,
    stallMs,
    nowMs: clock.nowMs,
    welcome: Promise.resolve({ run: "r", config: welcomeConfig, codeModel: false }),
    records: Promise.resolve(records),
    admission: new Admission({ config: welcomeConfig, team, version: TOY_CODE.version }),
  });
}

function honestWorker(port: number, { onFrame = () => {}, sliceMs }: LiveRunOptions): SocketWorker {
  return new SocketWorker({
    port,
    name: "honest",
    sliceMs,
    send(frame, _, socket) {
      onFrame(frame);
      socket.send(frame);
    },
  });
}

async function trainUntil(team: RemoteTeam, stopping: AbortSignal, checkpoints: boolean): Promise<number> {
  let checkpoint: Promise<unknown> = Promise.resolve();
  await runTasks(team, tasksUntilAborted(stopping), {
    onStep: assertFinite,
    onEvaluation: assertFinite,
    async onCheckpoint() {
      if (!checkpoints) return;
      await checkpoint; // one at a time, as in a real run
      checkpoint = team.captureState().read().catch(ignoreLostState);
      checkpoint.catch(() => {}); // the next `await checkpoint` reports the error
    },
  });
  await checkpoint;
  return team.updatesMade;
}

function* tasksUntilAborted(signal: AbortSignal): Generator<Task> {
  for (const task of makeSchedule(welcomeConfig, READY).tasksFrom(0)) {
    if (signal.aborted) return;
    yield task;
  }
}

/** Ignores ERR_STATE_LOST: a hostile worker may have been the source of the state while the others continued. */
function ignoreLostState(error: { code?: string }): void {
  if (error.code !== "ERR_STATE_LOST") throw error;
}

function assertFinite({ lossSum }: { lossSum: number }): void {
  if (!Number.isFinite(lossSum)) throw new Error(`The run diverged: its loss is ${lossSum}.`);
}

/** Returns the state of an undisturbed run after `steps` steps, in the form that `stop` returns. */
export function undisturbedState(steps: number): ParameterState[] {
  return stateOf(undisturbedWorker(tasksUntil(steps), SLICE_ROWS));
}

function* tasksUntil(steps: number): Generator<StepTask> {
  for (const task of makeSchedule(welcomeConfig, READY).tasksFrom(0)) {
    if (task.type !== "step") continue;
    if (task.step === steps) return;
    yield task;
  }
}
