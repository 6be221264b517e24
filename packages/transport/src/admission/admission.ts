/** Decides who may come in: a pure function of each request, before anything of it is believed. */

import { sameToken } from "../credentials/token.ts";
import type { AuthRateLimit } from "./auth-rate-limit.ts";
import { isKnownHost, isSameOrigin } from "./known-hosts.ts";

/** A request as its headers tell it. */
export interface AdmissionRequest {
  /** `join` asks for a WebSocket, `read` for what a run is doing, `page` for what everyone may see. */
  kind: "join" | "read" | "page";
  /** Remote address. */
  address: string;
  host: string | undefined;
  origin: string | undefined;
  token: string | undefined;
}

/** What is open, and what was refused lately, when a request is decided. */
export interface AdmissionState {
  /** WebSockets that are open. */
  sessions: number;
  rateLimit: AuthRateLimit;
}

/** Whom a server lets in. */
export interface AdmissionOptions {
  /** The token that a join must show, if any. */
  token: string | undefined;
  /** The names of the coordinator, as `knownHosts` gives them. */
  hosts: ReadonlySet<string>;
  secure: boolean;
  refusedJoinsPerMinute: number;
  maxWorkers: number;
}

/** Why a request is refused. */
export interface Refusal {
  verdict: "refuse";
  status: 401 | 403 | 429 | 503;
  /** One line for the person at the other end: what was wrong, and what to do. */
  reason: string;
}

/** The decision on a request. */
export type Admission = { verdict: "accept" } | Refusal;

/**
 * Decides on one request; whoever asks counts each 401 in `state.rateLimit`.
 *
 * An address that has used up its refused joins is answered 429 until a minute has passed, even with the right token:
 * otherwise the answers would still tell a guesser which token is right. Sessions that are open stay as they are.
 */
export function admit(
  nowMs: number,
  { sessions, rateLimit }: AdmissionState,
  { kind, address, host, origin, token }: AdmissionRequest,
  options: AdmissionOptions,
): Admission {
  const { secure, refusedJoinsPerMinute, maxWorkers } = options;
  if (!isKnownHost(options.hosts, host, secure)) {
    const remedy = "Use its address; a coordinator accepts further names with --allow-host";
    return refuse(403, `This server is not known by the name ${printable(host)}. ${remedy}.`);
  }
  if (kind === "page") return { verdict: "accept" };
  if (origin !== undefined && !isSameOrigin(origin, host, secure)) {
    return refuse(403, `Pages of ${printable(origin)} may not connect to this server. Open its own page instead.`);
  }
  if (rateLimit.count(nowMs, address) >= refusedJoinsPerMinute) {
    const remedy = "wait a minute, then join with the right token";
    return refuse(429, `${refusedJoinsPerMinute} joins from ${address} were refused within a minute; ${remedy}.`);
  }
  if (options.token !== undefined && (token === undefined || !sameToken(token, options.token))) {
    const got = token === undefined ? "got none" : "got another";
    return refuse(401, `Expected the token of this coordinator, ${got}.`);
  }
  if (kind === "join" && sessions >= maxWorkers) {
    const remedy = "wait until one leaves, or start the coordinator with a higher --max-workers";
    return refuse(503, `All ${maxWorkers} places for workers are taken; ${remedy}.`);
  }
  return { verdict: "accept" };
}

function refuse(status: Refusal["status"], reason: string): Refusal {
  return { verdict: "refuse", status, reason };
}

/** Makes a header's value safe to print. */
function printable(value: string | undefined): string {
  return value === undefined ? "(none)" : JSON.stringify(value.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 100));
}
