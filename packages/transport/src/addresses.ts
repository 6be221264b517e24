/** Checks the addresses on which a coordinator listens and under which others reach it. */
import { isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { LockstepError } from "@lockstep/errors";

/** Wildcard hosts, which stand for all addresses of this machine. */
export const ALL_ADDRESSES = ["0.0.0.0", "::"];

/**
 * Returns a host to listen on in its canonical spelling: `0` becomes 0.0.0.0, and IPv6 addresses have no brackets.
 *
 * @throws LockstepError ERR_OPTION if it is neither an address nor a host name
 */
export function canonicalHost(host: string): string {
  assertNoZone("--host", host, "Listen on all addresses with --host ::, or on another address");
  const url = `http://${bracketed(host)}`;
  if (!/[/\\?#@]|:\d*$/.test(bracketed(host)) && URL.canParse(url)) return unbracketed(new URL(url).hostname);
  throw new LockstepError(
    "ERR_OPTION",
    `Expected --host to be an address or a host name, got ${JSON.stringify(host)}. Give for example --host 0.0.0.0, and the port as --port.`,
  );
}

/**
 * Asserts that an address, optionally with a port, has the same meaning on every machine.
 *
 * @param remedy sentence, without its period, that says what to use instead of a link-local address
 * @throws LockstepError ERR_OPTION if the address is link-local or has a zone (`%eth0`)
 */
export function assertNoZone(option: string, host: string, remedy: string): void {
  const got = JSON.stringify(host);
  if (/^\[?fe[89ab][\da-f]:/i.test(host)) {
    throw new LockstepError(
      "ERR_OPTION",
      `Expected ${option} with an address that other machines can use, got the link-local address ${got}. It needs a zone such as %eth0, which differs between machines and is not allowed in a URL. ${remedy}.`,
    );
  }
  const [, address = ""] = /^\[?([\da-f:.]+)%/i.exec(host) ?? [];
  if (!isIPv6(address)) return;
  throw new LockstepError(
    "ERR_OPTION",
    `Expected ${option} without a zone, got ${got}. Zones differ between machines and are not allowed in a URL. Omit the zone: ${address}.`,
  );
}

/**
 * Returns the addresses at which other machines reach a coordinator that listens on `host`, IPv4 first. For a wildcard
 * host these are all addresses of this machine, or none without a network.
 */
export function reachableAddresses(host: string, interfaces = networkInterfaces()): string[] {
  if (!ALL_ADDRESSES.includes(host)) return [host];
  const outer = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address)) // link-local addresses need a zone
    .map(({ address }) => address);
  const others = host === "::" ? outer.filter((address) => !isIPv4(address)) : [];
  return [...outer.filter((address) => isIPv4(address)), ...others];
}

/**
 * Returns the network to which limits apply: an IPv4 or private address itself, or the /64 prefix of a public IPv6
 * address, because a machine can choose the other half freely.
 */
export function networkOf(address: string): string {
  if (!isIPv6(address) || /^f[cde]/i.test(address)) return address;
  const [left = "", right] = address.split("::");
  const start = left === "" ? [] : left.split(":");
  const end = right === undefined || right === "" ? [] : right.split(":");
  const groups = [...start, ...Array(Math.max(0, 8 - start.length - end.length)).fill("0"), ...end];
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/** Returns a host as it appears in a URL, with brackets around an IPv6 address. */
export function bracketed(host: string): string {
  return host.split(":").length > 2 && !host.startsWith("[") ? `[${host}]` : host;
}

function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}
