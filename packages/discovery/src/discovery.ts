/**
 * Finding coordinators on the local network, by multicast DNS over IPv4. What is found is a hint from whoever answers,
 * not a proof of who that is: a token or a pinned certificate decides whom a worker trusts.
 */
import { randomBytes } from "node:crypto";
import { isIPv4 } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { PROTOCOL_VERSION } from "@lockstep/gradient-sync";
import type { Service } from "bonjour-service";
import { end, openResponders, SERVICE_TYPE, withdraw } from "./responders.ts";

/** The number of queries that `discover` sends, spread over its time: a datagram may be lost. */
const QUERIES = 4;
/** A DNS label holds 63 bytes; the rest is for the suffix that tells two coordinators of one name apart. */
const NAME_BYTES = 40;

/** The facts of a coordinator that are announced. */
export interface AnnounceOptions {
  /** The port that the coordinator listens on, on every address of this machine. */
  port: number;
  /** The coordinator's name for people; each character but letters, digits, spaces and dashes becomes a dash. */
  name: string;
  /** Whether it speaks TLS. */
  secure: boolean;
  /**
   * Told at most once, with the reason, if no network interface of this machine takes multicast: nobody will discover
   * this coordinator, and everything else works.
   * @default nobody is told
   */
  onProblem?: ((reason: string) => void) | undefined;
}

/** An announcement that goes on until it is closed. */
export interface Announcement {
  /** Tells the network that the coordinator is gone, and ends every socket. A second call does nothing. */
  close(): Promise<void>;
}

/** Options of `discover`. */
export interface DiscoverOptions {
  /** The time that `discover` listens for answers, and takes. Answers usually come within 500 ms. */
  timeoutMs: number;
}

/** Tells the local network that a coordinator listens here, until closed. Never throws. */
export function announce({ port, name, secure, onProblem }: AnnounceOptions): Announcement {
  const id = randomBytes(4).toString("hex");
  const label = `${name.replaceAll(/[^\w -]/g, "-").slice(0, NAME_BYTES)}-${id}`;
  const responders = openResponders(onProblem);
  for (const responder of responders) {
    responder.publish({
      name: label,
      type: SERVICE_TYPE,
      port,
      host: `${SERVICE_TYPE}-${id}.local`,
      txt: { protocol: PROTOCOL_VERSION, secure },
      probe: false, // The label is random, so nobody else has it.
    });
  }
  return {
    close: async () => {
      await Promise.all(responders.map(withdraw));
    },
  };
}

/**
 * Listens for `timeoutMs` for coordinators on the local network, this machine among it. Never throws.
 * @returns their urls, `ws://address:port` or `wss://…`, each once; those of another protocol version only if there are
 * no others, so that joining one tells of the difference. Nothing where there is no multicast.
 */
export async function discover({ timeoutMs }: DiscoverOptions): Promise<string[]> {
  const responders = openResponders();
  const browsers = responders.map((responder) => responder.find({ type: SERVICE_TYPE }));
  const queryTimer = setInterval(() => {
    for (const browser of browsers) browser.update();
  }, timeoutMs / QUERIES);
  try {
    await sleep(timeoutMs);
  } finally {
    clearInterval(queryTimer);
    await Promise.all(responders.map(end));
  }
  const found = browsers.flatMap((browser) => browser.services);
  const compatible = found.filter(({ txt }) => txt?.protocol === String(PROTOCOL_VERSION));
  return [...new Set((compatible.length > 0 ? compatible : found).flatMap(urlOf))];
}

function urlOf({ port, txt, addresses = [], referer }: Service): string[] {
  // The address that an answer came from is surely reachable, unless a repeater between two networks sent it on.
  const from = referer?.address;
  const direct = from !== undefined && (addresses.length === 0 || addresses.includes(from)) ? from : undefined;
  const address = direct ?? addresses.find(isIPv4) ?? addresses[0];
  if (address === undefined) return [];
  return [`${txt?.secure === "true" ? "wss" : "ws"}://${isIPv4(address) ? address : `[${address}]`}:${port}`];
}
