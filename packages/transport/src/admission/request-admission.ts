/** Decides on the requests to a server, and counts and reports refusals. */
import type { IncomingMessage } from "node:http";
import { assertToken, bearerToken } from "../credentials/token.ts";
import { DEFAULT_LIMITS, type ListenOptions } from "../server-options.ts";
import { type AdmissionRequest, type AdmissionVerdict, admit } from "./admission.ts";
import { AuthRateLimit } from "./auth-rate-limit.ts";
import { knownHosts, thisMachine } from "./known-hosts.ts";
import { remoteEndpointOf } from "./pending-connections.ts";

/** Applies `admit` to the requests of one server. */
export class RequestAdmission {
  readonly #options: ListenOptions;
  readonly #rateLimit: AuthRateLimit;
  readonly #refusedJoinsPerMinute: number;
  readonly #nowMs: () => number;

  /** @throws LockstepError ERR_TOKEN if a header cannot carry the token, ERR_OPTION if an allowed host is invalid */
  constructor(options: ListenOptions) {
    const { token, refusedJoinsPerMinute = DEFAULT_LIMITS.refusedJoinsPerMinute } = options;
    this.#options = options;
    this.#refusedJoinsPerMinute = refusedJoinsPerMinute;
    this.#rateLimit = new AuthRateLimit(refusedJoinsPerMinute);
    this.#nowMs = options.nowMs ?? (() => performance.now());
    if (token !== undefined) assertToken(token);
    this.#hostsAt(options.port);
  }

  /** Decides on a request. @param server the port of the server, and its number of open WebSockets */
  decide(
    kind: AdmissionRequest["kind"],
    request: IncomingMessage,
    { port, sessions }: { port: number; sessions: number },
  ): AdmissionVerdict {
    const { token, tls, maxWorkers = DEFAULT_LIMITS.maxWorkers, onRefused } = this.#options;
    const { host, origin } = request.headers;
    const { address } = remoteEndpointOf(request.socket);
    const limits = { refusedJoinsPerMinute: this.#refusedJoinsPerMinute, maxWorkers };
    const admission = admit(
      this.#nowMs(),
      { sessions, rateLimit: this.#rateLimit },
      { kind, address, host, origin, token: tokenOf(kind, request) },
      { token, hosts: this.#hostsAt(port), secure: tls !== undefined, ...limits },
    );
    if (admission.verdict === "refuse") {
      if (admission.status === 401) this.#rateLimit.add(this.#nowMs(), address);
      onRefused?.({ address, status: admission.status, reason: admission.reason });
    }
    return admission;
  }

  /**
   * Returns the current host names of the coordinator, which change with the networks of this machine.
   */
  #hostsAt(port: number): Set<string> {
    const { host, tls, allowHosts = [] } = this.#options;
    return knownHosts({ host, port, secure: tls !== undefined, allowHosts, machine: thisMachine() });
  }
}

/** Returns the token of a request. An EventSource in a browser cannot set headers, so its token is in the URL. */
function tokenOf(kind: AdmissionRequest["kind"], { url = "", headers }: IncomingMessage): string | undefined {
  const token = bearerToken(headers.authorization);
  if (token !== undefined || kind !== "read") return token;
  return new URLSearchParams(/\?.*/.exec(url)?.[0]).get("token") ?? undefined;
}
