/** The workers of a run, as the coordinator knows them. */
import { type CoordinatorMessage, encode, type WorkerId } from "@lockstep/gradient-sync";
import type { ReadySession } from "../connections/ready-session.ts";
import { smoothed } from "./balance.ts";
import { INITIAL_ORIGIN, type StateOrigin } from "./state-origin.ts";

/**
 * - `waiting`: has built the model, and has no weights yet
 * - `loading`: the weights and momentum of a step are on their way to it
 * - `replaying`: applies the updates that were made since, and hears of all that is new
 * - `in`: holds the weights that all hold, and may be given slices
 * - `leaving`: as `in`, but is given no more slices
 */
export type MemberState = "waiting" | "loading" | "replaying" | "in" | "leaving";

/** Caps one slow slice at this many times the current estimate, so that an outlier does not dominate. */
const MAX_SLOWDOWN = 4;

/** What a worker says that it computed in less is taken for this: shares of a batch must stay numbers. */
const MIN_COMPUTE_MS = 0.01;

/** One worker of the run, with its state and its measured speed. */
export class Member {
  readonly session: ReadySession;
  /** Name in logs and metrics; unique among the members. */
  readonly name: string;
  #state: MemberState = "waiting";
  /** Whether it has left, was lost or dropped. */
  hasDeparted = false;
  /** Lineage of its replica; replicas of one lineage on like devices are equal to the bit. */
  origin: StateOrigin = INITIAL_ORIGIN;
  readonly joinedMs: number;
  #progressMs: number;
  /** Number of its contributions that were refused. */
  violations = 0;
  /** Computing speed in samples a millisecond; undefined before its first slice. */
  speed: number | undefined;
  /** Time from being given a slice to its contribution, for each sample. */
  msPerSample: number | undefined;
  /** When its last contribution came. */
  contributedMs = 0;

  constructor(session: ReadySession, name: string, nowMs: number) {
    this.session = session;
    this.name = name;
    this.joinedMs = this.#progressMs = nowMs;
  }

  get id(): WorkerId {
    return this.session.workerId;
  }

  get state(): MemberState {
    return this.#state;
  }

  /** The weights of a step are on their way to it. */
  startLoading(): void {
    this.#state = "loading";
  }

  /** It was sent all of them and the updates since, and hears from now on what everyone hears. */
  startReplaying(): void {
    this.#state = "replaying";
  }

  /** It holds the weights that all hold, and may be given slices. */
  activate(): void {
    this.#state = "in";
  }

  /** It has asked to leave, and goes once it owes nothing. */
  leave(): void {
    this.#state = "leaving";
  }

  /** When it last finished something, or was given something while it owed nothing. */
  get progressMs(): number {
    return this.#progressMs;
  }

  /** It has just finished something, or is given something while it owes nothing. */
  noteProgress(nowMs: number): void {
    this.#progressMs = nowMs;
  }

  /** Whether it holds the weights of the step under way, so that what is for all is for it too. */
  get isSubscribed(): boolean {
    return this.state === "replaying" || this.state === "in" || this.state === "leaving";
  }

  send(message: CoordinatorMessage): void {
    this.session.send(encode(message));
  }

  /** Takes in how long a slice took: `computeMs` of it were spent computing. */
  measure(samples: number, { tookMs, computeMs }: { tookMs: number; computeMs: number }): void {
    if (computeMs > 0) this.speed = smoothed(this.speed, samples / Math.max(computeMs, MIN_COMPUTE_MS));
    const mostMs = MAX_SLOWDOWN * (this.msPerSample ?? Number.POSITIVE_INFINITY);
    this.msPerSample = smoothed(this.msPerSample, Math.min(tookMs / samples, mostMs));
  }
}

/** Encoded once, and paced by those who read it. */
export async function sendToAll(members: readonly Member[], bytes: Buffer): Promise<void> {
  for (const { session } of members) session.send(bytes);
  await Promise.all(members.map(({ session }) => session.drained()));
}
