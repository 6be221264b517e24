/** The lines that a coordinator prints for the people who start its workers. */
import { shellWord } from "@lockstep/config";
import { bracketed, reachableAddresses } from "@lockstep/transport";
import type { Endpoint } from "./endpoint.ts";

const WARNING =
  "WARNING: without TLS, whoever is on the network in between can read and change all that is sent, the token too";

const GIVEN_TOKEN = "the token that this coordinator was given";
const ON_TERMINAL = "it is printed on a terminal only";
const COPY_OF_MODEL =
  "the model is made by code, which is never sent: --model names each machine's own copy of the file";

/** The names by which workers reach a coordinator: the one to use, and others. */
export type Addresses = readonly [first: string, ...others: string[]];

/** What the lines depend on. */
export interface Joining {
  endpoint: Endpoint;
  /** Each as `name` or `name:port`. */
  addresses: Addresses;
  /** The port on which it listens. */
  port: number;
  /** Whether a person alone sees the lines: the token stands in them only then. */
  isTerminal: boolean;
  /** The command line of this coordinator. */
  words: readonly string[];
  /** The file of a model that is made by code, which each worker needs a copy of. @default the model is sent as data */
  codeModel?: string | undefined;
}

/** Returns the command that starts a worker, to be pasted, and notes on it. */
export function joiningLines(joining: Joining): string[] {
  const { endpoint, addresses, port, isTerminal, words, codeModel } = joining;
  const { listen, loopback, fingerprint, tokenPath } = endpoint;
  const [first, ...others] = addresses;
  const otherAddresses = others.map((name) => authority(name, port)).join(", ");
  const hidden = listen.token !== undefined && !isTerminal;
  return [
    `  ${workerCommand(authority(first, port), joining)}`,
    ...(others.length > 0 ? [`other addresses of this machine: ${otherAddresses}`] : []),
    ...(codeModel === undefined || loopback ? [] : [COPY_OF_MODEL]),
    ...(hidden ? [`… is ${tokenPath === undefined ? GIVEN_TOKEN : `the token in ${tokenPath}`}; ${ON_TERMINAL}`] : []),
    ...(tokenPath === undefined ? [] : [`the next start has the same token; to have a new one, delete ${tokenPath}`]),
    ...(loopback ? openingLines(words) : []),
    ...(loopback || fingerprint !== undefined ? [] : [WARNING]),
  ];
}

/** Returns the command that starts a worker of the coordinator at this address. */
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

/** Returns the names by which workers reach a coordinator: those that its user gave, then its addresses. */
export function addressesOf({ listen, loopback }: Endpoint): Addresses {
  if (loopback) return [listen.host];
  // Without a network only this machine reaches it, for now.
  const [first = "127.0.0.1", ...others] = [...(listen.allowHosts ?? []), ...reachableAddresses(listen.host)];
  return [first, ...others];
}

/** Returns the command that starts this coordinator so that other machines reach it, too. */
function openingLines(words: readonly string[]): string[] {
  const command = ["pnpm coordinator", ...withoutToken(words).map(shellWord), "--host 0.0.0.0"];
  return ["only this machine can join; to let others in, with a token and TLS:", `  ${command.join(" ")}`];
}

/** Returns the word of a command that gives a program the token; a gap is in its place where lines are kept. */
export function tokenWord(token: string, isTerminal: boolean): string {
  return `LOCKSTEP_TOKEN=${isTerminal ? token : "…"}`;
}

/** Returns `name:port`; a port that the name brings along wins. */
export function authority(name: string, port: number): string {
  const host = bracketed(name);
  return /:\d+$/.test(host) ? host : `${host}:${port}`;
}

function withoutToken(words: readonly string[]): string[] {
  return words.filter((word, index) => !/^--token(=|$)/.test(word) && words[index - 1] !== "--token");
}
