/** The workers of a run as the coordinator sees them. */
import type { ErrorCode } from "@lockstep/errors";
import { type CoordinatorMessage, encode, type WorkerId } from "@lockstep/gradient-sync";
import type { ReadySession } from "../connections/ready-session.ts";
import { smoothed } from "./balance.ts";
import { INITIAL_ORIGIN, type StateOrigin } from "./state-origin.ts";

/**
 * - `waiting`: it has built the model and has no weights yet
 * - `loading`: it is being sent the weights and momentum of a step
 * - `replaying`: it applies the updates made since that step, and receives every new one
 * - `in`: it holds the current weights and may be assigned slices
 * - `leaving`: as `in`, but it is assigned no more slices
 */
export type MemberState = "waiting" | "loading" | "replaying" | "in" | "leaving";

/** Caps one slow slice at this many times the current estimate, so that an outlier does not dominate. */
const MAX_SLOWDOWN = 4;

/** Lower bound on a reported compute time, so that speeds and shares stay finite. */
const MIN_COMPUTE_MS = 0.01;

/** Drops a member and sends it the reason. */
export type Drop = (member: Member, code: ErrorCode, reason: string) => void;

/** One worker of the run, with its state and its measured speed. */
export class Member {
  readonly session: ReadySession;
  /** Name in logs and metrics; unique among the members. */
  readonly name: string;
  #state: MemberState = "waiting";
  /** Whether it has left, disconnected or been dropped. */
  hasDeparted = false;
  /** Origin of its replica; replicas of one origin on devices of one kind are equal to the bit. */
  origin: StateOrigin = INITIAL_ORIGIN;
  readonly joinedMs: number;
  #progressMs: number;
  /** Number of its contributions that were refused. */
  violations = 0;
  /** Computing speed in samples per millisecond; undefined before its first slice. */
  speed: number | undefined;
  /** Milliseconds per sample, from the assignment of a slice to its contribution. */
  msPerSample: number | undefined;
  /** Time of its last contribution, in milliseconds. */
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

  /** Enters `loading`: it is being sent the weights of a step. */
  startLoading(): void {
    this.#state = "loading";
  }

  /** Enters `replaying`: it was sent the weights and the updates since, and receives all messages from now on. */
  startReplaying(): void {
    this.#state = "replaying";
  }

  /** Enters `in`: it holds the current weights and may be assigned slices. */
  activate(): void {
    this.#state = "in";
  }

  /** Enters `leaving`: it has asked to leave, and is released once it owes nothing. */
  leave(): void {
    this.#state = "leaving";
  }

  /** Time at which it last finished something, or got work while it had none. */
  get progressMs(): number {
    return this.#progressMs;
  }

  /** Records that it has finished something, or gets work while it has none. */
  noteProgress(nowMs: number): void {
    this.#progressMs = nowMs;
  }

  /**
   * Whether it receives the messages that are for all: it holds the weights of the current
   * step, or is catching up to it.
   */
  get isSubscribed(): boolean {
    return this.state === "replaying" || this.state === "in" || this.state === "leaving";
  }

  /** Encodes and sends a message. */
  send(message: CoordinatorMessage): void {
    this.session.send(encode(message));
  }

  /** Updates its measured speeds with one slice, of whose `tookMs` it spent `computeMs` computing. */
  measure(samples: number, { tookMs, computeMs }: { tookMs: number; computeMs: number }): void {
    if (computeMs > 0) this.speed = smoothed(this.speed, samples / Math.max(computeMs, MIN_COMPUTE_MS));
    const mostMs = MAX_SLOWDOWN * (this.msPerSample ?? Number.POSITIVE_INFINITY);
    this.msPerSample = smoothed(this.msPerSample, Math.min(tookMs / samples, mostMs));
  }
}

/** Sends an encoded message to all members, and resolves when each of them has read enough for the next one. */
export async function sendToAll(members: readonly Member[], bytes: Buffer): Promise<void> {
  for (const { session } of members) session.send(bytes);
  await Promise.all(members.map(({ session }) => session.drained()));
}
