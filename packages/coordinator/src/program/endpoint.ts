/** Derives a coordinator's endpoint, that is where it listens and who may join, from its command-line options. */
import type { ListenCommandOptions } from "@lockstep/config/programs";
import { LockstepError } from "@lockstep/errors";
import { DEFAULT_PORT } from "@lockstep/gradient-sync";
import { isLoopback } from "@lockstep/outbound";
import {
  assertToken,
  type Certificate,
  canonicalHost,
  configDir,
  DEFAULT_LIMITS,
  existingToken,
  type ListenOptions,
  readCertificate,
  storedCertificate,
  storedToken,
} from "@lockstep/transport";

/** The listen options of a coordinator, with what its workers need to know. */
export interface Endpoint {
  listen: ListenOptions;
  /** Whether only this machine can reach it. */
  loopback: boolean;
  /** The fingerprint of its certificate; undefined without TLS. */
  fingerprint: string | undefined;
  /** The file that stores the token; undefined if the user gave the token or none is needed. */
  tokenPath: string | undefined;
}

/**
 * Prepares the endpoint of a coordinator that waits for `workers`. Creates a token and a certificate where they are
 * needed and not given.
 *
 * @param isTerminal whether output goes to a terminal, where a new token may be printed
 * @throws LockstepError ERR_OPTION, ERR_TOKEN, ERR_CERTIFICATE, ERR_SECRET
 */
export async function prepareEndpoint(
  options: ListenCommandOptions,
  workers: number,
  isTerminal: boolean,
): Promise<Endpoint> {
  const host = canonicalHost(options.host);
  const loopback = isLoopback(host);
  const { port, allowHost: allowHosts, refusedJoinsPerMinute, handshakeMs } = options;
  const maxWorkers = maxWorkersFor(workers, options.maxWorkers);
  const { token, path: tokenPath } = await tokenOf(options.token, loopback, isTerminal);
  const certificate = await certificateOf(options, loopback);
  return {
    listen: {
      host,
      port: port ?? DEFAULT_PORT,
      anyPort: port === undefined,
      allowHosts,
      maxWorkers,
      refusedJoinsPerMinute,
      handshakeMs,
      token,
      tls: certificate,
    },
    loopback,
    fingerprint: certificate?.fingerprint,
    tokenPath,
  };
}

function maxWorkersFor(workers: number, maxWorkers = Math.max(workers, DEFAULT_LIMITS.maxWorkers)): number {
  if (maxWorkers >= workers) return maxWorkers;
  throw new LockstepError(
    "ERR_OPTION",
    `Expected --max-workers to be at least --workers (${workers}), got ${maxWorkers}. Raise it, or omit it.`,
  );
}

async function tokenOf(
  token: string | undefined,
  loopback: boolean,
  isTerminal: boolean,
): Promise<{ token?: string; path?: string }> {
  if (token !== undefined) {
    assertToken(token);
    return { token };
  }
  if (loopback) return {};
  if (isTerminal) return storedToken(configDir());
  // Off a terminal, output is a log, in which a secret must not appear; without printing it, nobody would know a new
  // token.
  const earlier = await existingToken(configDir());
  if (earlier !== undefined) return earlier;
  throw new LockstepError(
    "ERR_TOKEN",
    "Expected a token for workers on other machines, got none, and a new one is printed only on a terminal, with --log text; set LOCKSTEP_TOKEN for this coordinator and for its workers (`openssl rand -hex 16` makes one), or start the coordinator on a terminal.",
  );
}

async function certificateOf(options: ListenCommandOptions, loopback: boolean): Promise<Certificate | undefined> {
  const { tlsCert, tlsKey, tls = loopback ? "none" : "self-signed" } = options;
  if (tlsCert !== undefined && tlsKey !== undefined) return readCertificate(tlsCert, tlsKey);
  if (tlsCert !== undefined || tlsKey !== undefined) {
    const [got, missing] = tlsCert === undefined ? ["--tls-key", "--tls-cert"] : ["--tls-cert", "--tls-key"];
    throw new LockstepError("ERR_OPTION", `Expected --tls-cert and --tls-key, got only ${got}; add ${missing}.`);
  }
  return tls === "self-signed" ? storedCertificate(configDir()) : undefined;
}
