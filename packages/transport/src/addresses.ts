/** Where a coordinator listens, and how others reach it there. */
import { isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { LockstepError } from "@lockstep/errors";

/** The hosts that stand for every address of this machine. */
export const ALL_ADDRESSES = ["0.0.0.0", "::"];

/**
 * Returns a host to listen on in its one usual spelling: `0` is 0.0.0.0, IPv6 has no brackets.
 * @throws LockstepError ERR_OPTION if it is neither an address nor a name
 */
export function canonicalHost(host: string): string {
  assertNoZone("--host", host, "listen on all addresses with --host ::, or on another one");
  const url = `http://${bracketed(host)}`;
  if (!/[/\\?#@]|:\d*$/.test(bracketed(host)) && URL.canParse(url)) return unbracketed(new URL(url).hostname);
  throw new LockstepError(
    "ERR_OPTION",
    `Expected --host to be an address or a name, got ${JSON.stringify(host)}; for example --host 0.0.0.0. The port goes to --port.`,
  );
}

/**
 * Makes sure that no network interface of this machine is needed to understand an address; a port may follow it.
 *
 * @param remedy what to do instead of a link-local address
 * @throws LockstepError ERR_OPTION if it is link-local, or has a zone (`%eth0`)
 */
export function assertNoZone(option: string, host: string, remedy: string): void {
  const got = JSON.stringify(host);
  if (/^\[?fe[89ab][\da-f]:/i.test(host)) {
    throw new LockstepError(
      "ERR_OPTION",
      `Expected ${option} with an address that other machines can use, got ${got}, which is link-local: it needs a zone such as %eth0, which each machine names in its own way and no url can hold; ${remedy}.`,
    );
  }
  const [, address = ""] = /^\[?([\da-f:.]+)%/i.exec(host) ?? [];
  if (!isIPv6(address)) return;
  throw new LockstepError(
    "ERR_OPTION",
    `Expected ${option} without a zone, got ${got}: each machine names zones in its own way, and no url can hold one; leave the zone out, as in ${address}.`,
  );
}

/**
 * Returns the addresses at which other machines reach a coordinator that listens on `host`, IPv4 first; this machine's
 * own if it listens on all, which are none where there is no network.
 */
export function reachableAddresses(host: string, interfaces = networkInterfaces()): string[] {
  if (!ALL_ADDRESSES.includes(host)) return [host];
  const outer = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address)) // link-local: only with a zone
    .map(({ address }) => address);
  const others = host === "::" ? outer.filter((address) => !isIPv4(address)) : [];
  return [...outer.filter((address) => isIPv4(address)), ...others];
}

/**
 * Returns what one machine has only few of: an address, but of public IPv6 its first half, since the rest is its own.
 */
export function networkOf(address: string): string {
  if (!isIPv6(address) || /^f[cde]/i.test(address)) return address;
  const [left = "", right] = address.split("::");
  const start = left === "" ? [] : left.split(":");
  const end = right === undefined || right === "" ? [] : right.split(":");
  const groups = [...start, ...Array(Math.max(0, 8 - start.length - end.length)).fill("0"), ...end];
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/** Returns a host as it stands in a url. */
export function bracketed(host: string): string {
  return host.split(":").length > 2 && !host.startsWith("[") ? `[${host}]` : host;
}

function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}
