/** For tests: a team whose workers send only the messages that the test makes them send, with a clock that it sets. */
import { encodeFloats, type Plan, type Step, type SubtreeId, toStep, toSubtreeId } from "@lockstep/gradient-sync";
import type { StepTask } from "@lockstep/run";
import type { RunStart } from "../state/initial-state.ts";
import { RemoteTeam } from "../team/remote-team.ts";
import type { TeamOptions } from "../team/team-options.ts";
import { RecordedSession } from "./recorded-member.ts";

/** A plan for one dense tensor of two numbers, which is sent in one chunk. */
export const DENSE_PLAN: Plan = { forms: ["dense"], wire: "fp32", chunkBytes: 8 };
const READY = {
  tensors: [{ name: "bias", shape: [2], dtype: "float32" as const }],
  stateDict: [{ name: "fc.bias", shape: [2] }],
};

/** A team whose sessions record the messages sent to them. */
export class RecordedTeam {
  nowMs = 0;
  readonly lines: string[] = [];
  readonly sessions: RecordedSession[] = [];
  readonly team: RemoteTeam;

  constructor(options: Partial<TeamOptions> = {}) {
    this.team = new RemoteTeam({
      workers: 2,
      heartbeatMs: 1000,
      stallMs: 60_000,
      minWorkers: 1,
      maxLogBytes: 1e6,
      balance: "even",
      runId: "r",
      log: (line) => this.lines.push(line),
      nowMs: () => this.nowMs,
      ...options,
    });
  }

  /** Adds a worker to the team. */
  join(hello: Partial<RecordedSession["hello"]> = {}, ready: Partial<RecordedSession["ready"]> = {}): RecordedSession {
    const session = new RecordedSession(this.sessions.length, hello, { ...READY, ...ready });
    this.sessions.push(session);
    session.handle = this.team.join(session);
    return session;
  }

  /** Starts the run with the workers that have joined. @default from the seed, with one subtree for each worker */
  async begin(start: Partial<RunStart> = {}): Promise<void> {
    await this.team.begin({ plan: DENSE_PLAN, source: { from: "seed" }, ...start });
  }

  /** Runs a step in which each member that holds the weights contributes one subtree. */
  async completeStep(step: number): Promise<void> {
    const done = this.team.step(stepTask(step), () => {});
    await turn();
    const members = this.sessions.filter((session) => this.stateOf(session) === "in");
    for (const [subtree, session] of members.entries()) {
      sendChunk(session, { step, subtree }, 1, 1);
      contribute(session, { step, subtree }, 6 / members.length);
    }
    await done;
  }

  /** Sends a worker's complete state: `value` for each weight, and `-value` for each momentum. */
  sendState(session: RecordedSession, request: number, value: number, step = 0): void {
    for (const kind of ["weight", "velocity"] as const) {
      const number = kind === "weight" ? value : -value;
      const data = new Uint8Array(Float32Array.of(number, number).buffer);
      session.deliver({ type: "state-chunk", request, tensor: 0, kind, offset: 0, data });
    }
    session.deliver({ type: "state-end", request, step });
  }

  replyDigest(session: RecordedSession, digest: string): void {
    session.deliver({ type: "digest-result", step: this.team.updatesMade, digest });
  }

  disconnect(session: RecordedSession): void {
    this.team.disconnect(session, "its connection closed");
  }

  stateOf(session: RecordedSession): string | undefined {
    return this.team.members.find(({ id }) => id === session.workerId)?.state;
  }
}

/** Returns a step over six samples. */
export function stepTask(step = 0): StepTask {
  return { type: "step", step: toStep(step), epoch: 0, start: 0, end: 6, learningRate: 0.1 };
}

/** An attempt at a subtree; the step and the attempt are 0 by default. */
export interface AttemptLabel {
  step?: number;
  subtree: number;
  attempt?: number;
}

/** Returns the fields of a message that identify an attempt. */
export function attemptOf({ step = 0, subtree, attempt = 0 }: AttemptLabel): {
  step: Step;
  subtree: SubtreeId;
  attempt: number;
} {
  return { step: toStep(step), subtree: toSubtreeId(subtree), attempt };
}

/** Sends a chunk of dense gradients for an attempt. */
export function sendChunk(session: RecordedSession, label: AttemptLabel, ...values: number[]): void {
  const chunk = encodeFloats(Float32Array.from(values), "fp32");
  session.deliver({ type: "gradient-chunk", ...attemptOf(label), part: 0, offset: 0, ...chunk });
}

/** Sends the contribution that completes an attempt. */
export function contribute(session: RecordedSession, label: AttemptLabel, samples: number): void {
  const sums = { samples, lossSum: 1, correct: 0, ms: { forward: 4 }, io: { encode: 1 }, doneMs: 1007 };
  session.deliver({ type: "contribution", ...attemptOf(label), ...sums });
}

/** Resolves when everything that is ready has happened. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Returns the types of the messages that a worker was sent. */
export const sentTypes = ({ sentMessages }: RecordedSession): string[] => sentMessages.map(({ type }) => type);

/** Returns the state of a promise after all pending callbacks have run. */
export async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  const pending = turn().then(() => "waits");
  return Promise.race([promise.then(() => "done").catch((error: Error) => error.message), pending]);
}
