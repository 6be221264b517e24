/** The lines that a coordinator prints for the people who start its workers. */
import { shellWord } from "@lockstep/config";
import { bracketed, reachableAddresses } from "@lockstep/transport";
import type { Endpoint } from "./endpoint.ts";

const WARNING =
  "WARNING: without TLS, anyone on the network path can read and change everything that is sent, including the token";

const GIVEN_TOKEN = "the token that this coordinator was started with";
const ON_TERMINAL = "it is printed only on a terminal";
const COPY_OF_MODEL =
  "the model is a code file, which is never sent: --model names each machine's own copy of the file";

/** The addresses at which workers reach a coordinator: the one to use first, then alternatives. */
export type Addresses = readonly [first: string, ...others: string[]];

/** Inputs of `joiningLines`. */
export interface Joining {
  endpoint: Endpoint;
  /** Addresses of the coordinator, each as `name` or `name:port`. */
  addresses: Addresses;
  /** The port on which it listens. */
  port: number;
  /** Whether the lines go to a terminal; only then do they contain the token. */
  isTerminal: boolean;
  /** The arguments of this coordinator. */
  args: readonly string[];
  /** The code file of the model, of which each worker needs a copy. @default the model is sent as data */
  codeModel?: string | undefined;
}

/** Returns the command that starts a worker, followed by notes on it. */
export function joiningLines(joining: Joining): string[] {
  const { endpoint, addresses, port, isTerminal, args, codeModel } = joining;
  const { listen, loopback, fingerprint, tokenPath } = endpoint;
  const [first, ...others] = addresses;
  const otherAddresses = others.map((name) => authority(name, port)).join(", ");
  const hidden = listen.token !== undefined && !isTerminal;
  return [
    `  ${workerCommand(authority(first, port), joining)}`,
    ...(others.length > 0 ? [`other addresses of this machine: ${otherAddresses}`] : []),
    ...(codeModel === undefined || loopback ? [] : [COPY_OF_MODEL]),
    ...(hidden ? [`… is ${tokenPath === undefined ? GIVEN_TOKEN : `the token in ${tokenPath}`}; ${ON_TERMINAL}`] : []),
    ...(tokenPath === undefined ? [] : [`later starts reuse this token; to get a new one, delete ${tokenPath}`]),
    ...(loopback ? remoteAccessLines(args) : []),
    ...(loopback || fingerprint !== undefined ? [] : [WARNING]),
  ];
}

/** Returns the command that starts a worker for the coordinator at this address. */
function workerCommand(address: string, { endpoint, isTerminal, codeModel }: Joining): string {
  const { listen, loopback, fingerprint } = endpoint;
  const words = [
    ...(listen.token === undefined ? [] : [tokenWord(listen.token, isTerminal)]),
    `pnpm worker --coordinator ${fingerprint === undefined ? "ws" : "wss"}://${address}`,
    ...(fingerprint === undefined ? [] : [`--tls-fingerprint ${fingerprint}`]),
    ...(listen.token !== undefined && fingerprint === undefined && !loopback ? ["--insecure"] : []),
    ...(codeModel === undefined ? [] : [`--model ${shellWord(codeModel)}`]),
  ];
  return words.join(" ");
}

/**
 * Returns the addresses at which workers reach a coordinator: the names from `--allow-host`,
 * then those of its interfaces.
 */
export function addressesOf({ listen, loopback }: Endpoint): Addresses {
  if (loopback) return [listen.host];
  // Without a network, only this machine can reach it.
  const [first = "127.0.0.1", ...others] = [...(listen.allowHosts ?? []), ...reachableAddresses(listen.host)];
  return [first, ...others];
}

/** Returns the command that restarts this coordinator so that other machines can reach it too. */
function remoteAccessLines(args: readonly string[]): string[] {
  const command = ["pnpm coordinator", ...withoutToken(args).map(shellWord), "--host 0.0.0.0"];
  return [
    "only workers on this machine can join; to let other machines join, with a token and TLS, start it with:",
    `  ${command.join(" ")}`,
  ];
}

/** Returns the variable that gives a command the token; off a terminal, `…` stands for the token. */
export function tokenWord(token: string, isTerminal: boolean): string {
  return `LOCKSTEP_TOKEN=${isTerminal ? token : "…"}`;
}

/** Returns `name:port`; a port in the name takes precedence. */
export function authority(name: string, port: number): string {
  const host = bracketed(name);
  return /:\d+$/.test(host) ? host : `${host}:${port}`;
}

function withoutToken(args: readonly string[]): string[] {
  return args.filter((arg, index) => !/^--token(=|$)/.test(arg) && args[index - 1] !== "--token");
}
