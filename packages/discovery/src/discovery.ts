/**
 * Discovers coordinators on the local network, by multicast DNS over IPv4. Responses are hints, not proofs of identity:
 * a worker trusts a coordinator only by its token or a pinned certificate.
 */
import { randomBytes } from "node:crypto";
import { isIPv4 } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { PROTOCOL_VERSION } from "@lockstep/gradient-sync";
import type { Service } from "bonjour-service";
import { end, openResponders, SERVICE_TYPE, withdraw } from "./responders.ts";

/** Number of queries that `discover` sends, spread over its timeout, because datagrams can be lost. */
const QUERIES = 4;
/** Maximum bytes of the name in a DNS label of at most 63 bytes, which also contains a random suffix. */
const NAME_BYTES = 40;

/** Options of `announce`. */
export interface AnnounceOptions {
  /** Port on which the coordinator listens, on all addresses of this machine. */
  port: number;
  /** Human-readable name of the coordinator. Characters other than letters, digits, spaces and dashes become dashes. */
  name: string;
  /** Whether the coordinator uses TLS. */
  secure: boolean;
  /**
   * Called at most once, with the reason, if no network interface supports multicast. The coordinator then cannot be
   * discovered; everything else works.
   */
  onProblem?: ((reason: string) => void) | undefined;
}

/** An announcement, active until it is closed. */
export interface Announcement {
  /** Withdraws the announcement and closes all sockets. A second call does nothing. */
  close(): Promise<void>;
}

/** Options of `discover`. */
export interface DiscoverOptions {
  /** Milliseconds that `discover` takes. Responses usually arrive within 500 ms. */
  timeoutMs: number;
}

/** Announces a coordinator on the local network until closed. Never throws. */
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
      probe: false, // the label is random, so it is not in use
    });
  }
  return {
    close: async () => {
      await Promise.all(responders.map(withdraw));
    },
  };
}

/**
 * Discovers coordinators on the local network, including this machine, for `timeoutMs`. Never throws.
 *
 * @returns their distinct URLs, `ws://address:port` or `wss://…`; without multicast, none. Coordinators with another
 *   protocol version are included only if there are no others, so that joining one reports the difference
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
  // The source address of a response is reachable, unless a repeater between two networks forwarded the response.
  const from = referer?.address;
  const direct = from !== undefined && (addresses.length === 0 || addresses.includes(from)) ? from : undefined;
  const address = direct ?? addresses.find(isIPv4) ?? addresses[0];
  if (address === undefined) return [];
  return [`${txt?.secure === "true" ? "wss" : "ws"}://${isIPv4(address) ? address : `[${address}]`}:${port}`];
}
