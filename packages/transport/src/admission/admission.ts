/** Decides whether to accept a request: a pure function of its headers and the state of the server. */

import { sameToken } from "../credentials/token.ts";
import type { AuthRateLimit } from "./auth-rate-limit.ts";
import { isKnownHost, isSameOrigin } from "./known-hosts.ts";

/** The facts of a request that its headers claim. */
export interface AdmissionRequest {
  /** `join` opens a WebSocket, `read` requests protected facts of the run, `page` requests public content. */
  kind: "join" | "read" | "page";
  /** Remote address. */
  address: string;
  host: string | undefined;
  origin: string | undefined;
  token: string | undefined;
}

/** The state of the server when it decides on a request. */
export interface AdmissionState {
  /** Number of open WebSockets. */
  sessions: number;
  rateLimit: AuthRateLimit;
}

/** The rules by which a server accepts requests. */
export interface AdmissionRules {
  /** The token that `join` and `read` requests need, if any. */
  token: string | undefined;
  /** The host names of the coordinator, from `knownHosts`. */
  hosts: ReadonlySet<string>;
  secure: boolean;
  refusedJoinsPerMinute: number;
  maxWorkers: number;
}

/** The refusal of a request. */
export interface Refusal {
  verdict: "refuse";
  status: 401 | 403 | 429 | 503;
  /** One line for the remote user: the reason, and what to do. */
  reason: string;
}

/** The decision on a request. */
export type AdmissionVerdict = { verdict: "accept" } | Refusal;

/**
 * Decides on one request. The caller counts each refusal with status 401 in `state.rateLimit`.
 *
 * An address over the limit of refused joins gets status 429 for a minute, even with the right token. Otherwise the
 * responses would still reveal which guess is right. Open sessions are not affected.
 */
export function admit(
  nowMs: number,
  { sessions, rateLimit }: AdmissionState,
  { kind, address, host, origin, token }: AdmissionRequest,
  options: AdmissionRules,
): AdmissionVerdict {
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
    const remedy = "Wait a minute, then join with the right token";
    return refuse(429, `${refusedJoinsPerMinute} joins from ${address} were refused within a minute. ${remedy}.`);
  }
  if (options.token !== undefined && (token === undefined || !sameToken(token, options.token))) {
    const got = token === undefined ? "none" : "another one";
    return refuse(401, `Expected the token of this coordinator, got ${got}.`);
  }
  if (kind === "join" && sessions >= maxWorkers) {
    const remedy = "Wait until a worker leaves, or start the coordinator with a higher --max-workers";
    return refuse(503, `The coordinator already has its maximum of ${maxWorkers} workers. ${remedy}.`);
  }
  return { verdict: "accept" };
}

function refuse(status: Refusal["status"], reason: string): Refusal {
  return { verdict: "refuse", status, reason };
}

/** Returns a header's value in a form that is safe to print. */
function printable(value: string | undefined): string {
  return value === undefined ? "(none)" : JSON.stringify(value.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 100));
}
