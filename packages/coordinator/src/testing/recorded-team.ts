/** For tests: a team of workers that do nothing but what the test has them say, by a clock that the test sets. */
import { encodeFloats, type Plan, toSliceId, toStep } from "@lockstep/gradient-sync";
import { RemoteTeam } from "../team/remote-team.ts";
import type { TeamOptions } from "../team/team-options.ts";
import { RecordedSession } from "./recorded-member.ts";

/** One dense tensor of two numbers, which travels in one piece. */
const PLAN: Plan = { forms: ["dense"], wire: "fp32", chunkBytes: 8 };
const READY = {
  tensors: [{ name: "bias", shape: [2], dtype: "float32" as const }],
  stateDict: [{ name: "fc.bias", shape: [2] }],
};
const TASK = { type: "step" as const, epoch: 0, start: 0, end: 6, learningRate: 0.1 };

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

  join(hello: Partial<RecordedSession["hello"]> = {}): RecordedSession {
    const session = new RecordedSession(this.sessions.length, hello, READY);
    this.sessions.push(session);
    session.handle = this.team.join(session);
    return session;
  }

  /** Begins the run from the seed, with those who have joined. */
  async begin(): Promise<void> {
    await this.team.begin({ plan: PLAN, source: { from: "seed" } });
  }

  /** Takes a whole step, in which each worker that takes slices has one. */
  async completeStep(number: number): Promise<void> {
    const step = toStep(number);
    const done = this.team.step({ ...TASK, step }, () => {});
    await turn();
    const able = this.sessions.filter((session) => this.stateOf(session) === "in");
    for (const [slice, session] of able.entries()) {
      const place = { step, slice: toSliceId(slice), attempt: 0 };
      const piece = { part: 0, offset: 0, ...encodeFloats(Float32Array.of(1, 1), "fp32") };
      const sums = { samples: 6 / able.length, lossSum: 1, correct: 0, ms: {}, io: {}, doneMs: 0 };
      session.deliver({ type: "gradient-chunk", ...place, ...piece });
      session.deliver({ type: "contribution", ...place, ...sums });
    }
    await done;
  }

  /** Has a worker send its whole state, of which each number is `value`. */
  sendState(session: RecordedSession, request: number, value: number, step = 0): void {
    const data = new Uint8Array(Float32Array.of(value, value).buffer);
    for (const kind of ["weight", "velocity"] as const) {
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

/** Lets everything that is ready happen. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Returns the types of the messages that a worker received. */
export const sentTypes = ({ sentMessages: told }: RecordedSession): string[] => told.map(({ type }) => type);

/** Returns the state of a promise after all pending callbacks have run. */
export async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  const pending = turn().then(() => "waits");
  return Promise.race([promise.then(() => "done").catch((error: Error) => error.message), pending]);
}
