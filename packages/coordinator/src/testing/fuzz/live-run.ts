/**
 * For tests: a coordinator on a real port with an honest worker, and whoever else comes. The run goes on, step by step,
 * until it is told to stop.
 */

import { makeConfig } from "@lockstep/config";
import type { RecordSource } from "@lockstep/dataset";
import { defined } from "@lockstep/errors";
import { makeSchedule, type ParameterState, type StepTask, type Task } from "@lockstep/run";
import { Admission } from "../../admission/admission.ts";
import { serveSessions } from "../../connections/session-server.ts";
import { RemoteTeam } from "../../team/remote-team.ts";
import type { TeamOptions } from "../../team/team-options.ts";
import { PLAN, READY, TOY_CODE } from "../toy-model.ts";
import { stateOf } from "../toy-worker.ts";
import { FastClock, type RunClock } from "./run-clock.ts";
import { SocketWorker } from "./socket-worker.ts";
import { undisturbedWorker } from "./undisturbed.ts";

/** Slices of 2 whatever the workers are: then the weights must be equal to the bit. */
const SLICE_ROWS = 2;
/** Configuration that workers receive with their welcome. */
export const welcomeConfig = {
  ...makeConfig({ batchSize: 8, numEpochs: 1_000_000, test: false, lr: 0.001, checkpointEvery: 2 }),
};
/** Lines of the log that are kept. */
const LINES = 1000;

/** Options of a run. */
export interface LiveRunOptions extends Partial<Pick<TeamOptions, "heartbeatMs" | "stallMs" | "maxLogBytes">> {
  /** @default real time */
  clock?: RunClock;
  /** @default none */
  records?: RecordSource;
  /** @default 64 */
  maxWorkers?: number;
  /** For a request to arrive, in ms of real time. @default 10 000 */
  handshakeMs?: number;
  /** Whether states are read between steps. @default yes */
  checkpoints?: boolean;
  /** Sees each frame that the honest worker sends. */
  onFrame?: (frame: Buffer) => void;
  /** Milliseconds that the honest worker computes a slice. @default as short as it can */
  sliceMs?: number;
}

/** A run with a server and a team. */
export interface LiveRun {
  port: number;
  clock: RunClock;
  team: RemoteTeam;
  honest: SocketWorker;
  /** Logged lines. */
  log: string[];
  /** Ends the run after the current step. @returns the number of updates and the resulting weights */
  stop(): Promise<{ steps: number; state: ParameterState[] }>;
  close(): Promise<void>;
}

/** Starts a server and a team for a run. */
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
  running.catch(() => {}); // whoever stops it hears of it
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
  for (const task of makeSchedule(welcomeConfig, READY).tasksFrom(0)) {
    if (stopping.aborted) break;
    if (task.type === "checkpoint") {
      if (!checkpoints) continue;
      await checkpoint; // one after the other, as in a real run
      checkpoint = team.captureState().read().catch(ignoreLostState);
      checkpoint.catch(() => {}); // whoever waits for it hears of it
    } else await runTask(team, task);
  }
  await checkpoint;
  return team.updatesMade;
}

/** Ignores a lost state: a hostile peer may have been its source while the others continued. */
function ignoreLostState(error: { code?: string }): void {
  if (error.code !== "ERR_STATE_LOST") throw error;
}

async function runTask(team: RemoteTeam, task: Task): Promise<void> {
  if (task.type === "step") await team.step(task, assertFinite);
  if (task.type === "evaluate") assertFinite(defined(await team.evaluate(task), "an evaluation"));
  if (task.type === "epoch-end") await team.checkReplicas();
}

function assertFinite({ lossSum }: { lossSum: number }): void {
  if (!Number.isFinite(lossSum)) throw new Error(`The run has come apart: its loss is ${lossSum}.`);
}

/** The state after so many steps of a run that nobody disturbs, as `stop` gives it. */
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
