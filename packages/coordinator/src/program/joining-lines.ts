/** What a coordinator prints for those who are to join it. */

import { shellWord } from "@lockstep/config";
import { bracketed, reachableAddresses } from "@lockstep/transport";
import type { Entrance } from "./entrance.ts";

const WARNING =
  "WARNING: without TLS, whoever is on the network in between can read and change all that is sent, the token too";

const GIVEN_TOKEN = "the token that this coordinator was given";
const ON_TERMINAL = "it is printed on a terminal only";
const COPY_OF_MODEL =
  "the model is made by code, which is never sent: --model names each machine's own copy of the file";

export interface Joining {
  entrance: Entrance;
  /** How others call it, as `name` or `name:port`; the first is the one to use. */
  addresses: string[];
  /** Where it listens. */
  port: number;
  /** Whether a person alone sees the lines: the token stands in them only then. */
  isTerminal: boolean;
  /** What this coordinator was started with. */
  words: readonly string[];
  /** The file of a model that is made by code, which each worker needs a copy of. @default the model is sent as data */
  codeModel?: string | undefined;
}

/** The command that a worker is started with, to be pasted, and what there is to know about it. */
export function joiningLines({ entrance, addresses, port, isTerminal, words, codeModel }: Joining): string[] {
  const { door, loopback, fingerprint, tokenPath } = entrance;
  const [first, ...others] = addresses.map((name) => authority(name, port));
  const command = [
    ...(door.token === undefined ? [] : [tokenWord(door.token, isTerminal)]),
    `pnpm worker --coordinator ${fingerprint === undefined ? "ws" : "wss"}://${first}`,
    ...(fingerprint === undefined ? [] : [`--tls-fingerprint ${fingerprint}`]),
    ...(door.token !== undefined && fingerprint === undefined && !loopback ? ["--insecure"] : []),
    ...(codeModel === undefined ? [] : [`--model ${shellWord(codeModel)}`]),
  ];
  const hidden = door.token !== undefined && !isTerminal;
  return [
    `  ${command.join(" ")}`,
    ...(others.length > 0 ? [`other addresses of this machine: ${others.join(", ")}`] : []),
    ...(codeModel === undefined || loopback ? [] : [COPY_OF_MODEL]),
    ...(hidden ? [`… is ${tokenPath === undefined ? GIVEN_TOKEN : `the token in ${tokenPath}`}; ${ON_TERMINAL}`] : []),
    ...(tokenPath === undefined ? [] : [`the next start has the same token; to have a new one, delete ${tokenPath}`]),
    ...(loopback ? openingLines(words) : []),
    ...(loopback || fingerprint !== undefined ? [] : [WARNING]),
  ];
}

/** How a coordinator is called: by the names that its user gave it, and where it listens. */
export function addressesOf({ door, loopback }: Entrance): string[] {
  if (loopback) return [door.host];
  const addresses = [...(door.allowHosts ?? []), ...reachableAddresses(door.host)];
  return addresses.length > 0 ? addresses : ["127.0.0.1"]; // No network: for now, only this machine reaches it.
}

/** How to start this coordinator so that other machines reach it, too. */
function openingLines(words: readonly string[]): string[] {
  const command = ["pnpm coordinator", ...withoutToken(words).map(shellWord), "--host 0.0.0.0"];
  return ["only this machine can join; to let others in, with a token and TLS:", `  ${command.join(" ")}`];
}

/** Gives a program the token; on a line that is kept somewhere, with a gap in its place. */
export function tokenWord(token: string, isTerminal: boolean): string {
  return `LOCKSTEP_TOKEN=${isTerminal ? token : "…"}`;
}

/** `name:port`, where the name may bring a port of its own. */
export function authority(name: string, port: number): string {
  const host = bracketed(name);
  return /:\d+$/.test(host) ? host : `${host}:${port}`;
}

function withoutToken(words: readonly string[]): string[] {
  return words.filter((word, index) => !/^--token(=|$)/.test(word) && words[index - 1] !== "--token");
}
