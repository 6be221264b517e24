/** Who may join this coordinator, and how: from the options of the command line to those of its door. */

import { portNumber, positiveNumber, timerMs } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { DEFAULT_PORT } from "@lockstep/gradient-sync";
import { isLoopback } from "@lockstep/outbound";
import {
  type Certificate,
  canonicalHost,
  checkToken,
  configDir,
  DEFAULT_LIMITS,
  existingToken,
  type ListenOptions,
  readCertificate,
  storedCertificate,
  storedToken,
} from "@lockstep/transport";
import { type Command, Option } from "commander";

export interface EntranceOptions {
  host: string;
  port?: number;
  token?: string;
  tls?: "self-signed" | "none";
  tlsCert?: string;
  tlsKey?: string;
  allowHost: string[];
  maxWorkers?: number;
  refusedJoinsPerMinute: number;
  handshakeMs: number;
}

/** How workers come in. */
export interface Entrance {
  door: ListenOptions;
  /** Whether only this machine reaches it. */
  loopback: boolean;
  /** Of the certificate, if it speaks TLS. */
  fingerprint: string | undefined;
  /** The file that keeps the token, if it is a made one. */
  tokenPath: string | undefined;
}

export function addEntranceOptions(command: Command): Command {
  const limits = DEFAULT_LIMITS;
  const list = (value: string, before: string[]) => [...before, value];
  const number = (flags: string, help: string) => new Option(flags, help).argParser(positiveNumber);
  return command
    .option(
      "--host <address>",
      "where to listen; 0.0.0.0 opens the run to the network, with token and TLS",
      "127.0.0.1",
    )
    .addOption(
      new Option("--port <n>", `where to listen (default: ${DEFAULT_PORT}, or the next that is free)`).argParser(
        portNumber,
      ),
    )
    .addOption(
      new Option(
        "--token <token>",
        "what workers must show to join; on any address but loopback one is made if none is given. " +
          "This option shows in the list of processes: better give it in the environment",
      ).env("LOCKSTEP_TOKEN"),
    )
    .addOption(
      new Option("--tls <how>", "self-signed or none (default: self-signed on any address but loopback, else none)")
        .choices(["self-signed", "none"])
        .conflicts(["tlsCert", "tlsKey"]),
    )
    .option("--tls-cert <file>", "a certificate of your own, in PEM form")
    .option("--tls-key <file>", "its private key, in PEM form")
    .addOption(
      new Option("--allow-host <name>", "a name by which workers reach the coordinator, if not this machine's own")
        .argParser(list)
        .default([], "none"),
    )
    .addOption(number("--max-workers <n>", `connections at once (default: ${limits.maxWorkers}, or --workers if more)`))
    .addOption(
      number("--refused-joins-per-minute <n>", "joins without the right token that one address may try").default(
        limits.refusedJoinsPerMinute,
      ),
    )
    .addOption(
      new Option("--handshake-ms <ms>", "how long a TLS handshake, and then a request, may take")
        .argParser(timerMs)
        .default(limits.handshakeMs),
    );
}

/**
 * Prepares the entrance of a coordinator that waits for `workers`; makes a token and a certificate where they are
 * needed and not given.
 *
 * @param isTerminal whether what is printed is seen by a person only
 * @throws LockstepError ERR_OPTION, ERR_TOKEN, ERR_CERTIFICATE, ERR_SECRET
 */
export async function prepareEntrance(
  options: EntranceOptions,
  workers: number,
  isTerminal: boolean,
): Promise<Entrance> {
  const host = canonicalHost(options.host);
  const loopback = isLoopback(host);
  const { port, allowHost: allowHosts, refusedJoinsPerMinute, handshakeMs } = options;
  const maxWorkers = placesFor(workers, options.maxWorkers);
  const { token, path: tokenPath } = await tokenOf(options.token, loopback, isTerminal);
  const certificate = await certificateOf(options, loopback);
  const where = { host, port: port ?? DEFAULT_PORT, anyPort: port === undefined, allowHosts };
  const limits = { maxWorkers, refusedJoinsPerMinute, handshakeMs };
  return {
    door: { ...where, ...limits, token, tls: certificate },
    loopback,
    fingerprint: certificate?.fingerprint,
    tokenPath,
  };
}

function placesFor(workers: number, maxWorkers = Math.max(workers, DEFAULT_LIMITS.maxWorkers)): number {
  if (maxWorkers >= workers) return maxWorkers;
  throw new LockstepError(
    "ERR_OPTION",
    `Expected --max-workers to be at least --workers (${workers}), got ${maxWorkers}; raise it, or leave it out.`,
  );
}

async function tokenOf(
  given: string | undefined,
  loopback: boolean,
  isTerminal: boolean,
): Promise<{ token?: string; path?: string }> {
  if (given !== undefined) {
    checkToken(given);
    return { token: given };
  }
  if (loopback) return {};
  if (isTerminal) return storedToken(configDir());
  // Whatever catches the output is a log, where no secret belongs; and unprinted, nobody would know a new token.
  const earlier = await existingToken(configDir());
  if (earlier !== undefined) return earlier;
  throw new LockstepError(
    "ERR_TOKEN",
    "Expected a token for workers of other machines, got none, and a new one is printed on a terminal only, in lines for people; set LOCKSTEP_TOKEN for this coordinator and for its workers (`openssl rand -hex 16` makes one), or start it on a terminal.",
  );
}

async function certificateOf(options: EntranceOptions, loopback: boolean): Promise<Certificate | undefined> {
  const { tlsCert, tlsKey, tls = loopback ? "none" : "self-signed" } = options;
  if (tlsCert !== undefined && tlsKey !== undefined) return readCertificate(tlsCert, tlsKey);
  if (tlsCert !== undefined || tlsKey !== undefined) {
    const [got, missing] = tlsCert === undefined ? ["--tls-key", "--tls-cert"] : ["--tls-cert", "--tls-key"];
    throw new LockstepError("ERR_OPTION", `Expected --tls-cert and --tls-key, got only ${got}; add ${missing}.`);
  }
  return tls === "self-signed" ? storedCertificate(configDir()) : undefined;
}
