/**
 * The host names of this coordinator. A request with another host name may come from a web page that has pointed its
 * own domain at this machine (DNS rebinding) in order to reach the coordinator through a browser.
 */
import { hostname, networkInterfaces } from "node:os";
import { LockstepError } from "@lockstep/errors";
import { ALL_ADDRESSES, bracketed } from "../addresses.ts";

/** The host name and addresses of a machine. */
export interface Machine {
  hostname: string;
  addresses: string[];
}

/** Returns the current host name and addresses of this machine; the addresses change with its networks. */
export function thisMachine(): Machine {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
  return { hostname: hostname(), addresses };
}

/** Options of `knownHosts`. */
export interface KnownHostsOptions {
  /** The host on which the coordinator listens. */
  host: string;
  port: number;
  secure: boolean;
  /** Further host names, as `name` for any port or `name:port`. */
  allowHosts: string[];
  machine: Machine;
}

/**
 * Returns all valid `Host` headers of the coordinator, as `name:port`, or `name:*` for any port.
 *
 * @throws LockstepError ERR_OPTION if an allowed host is not a valid host name
 */
export function knownHosts({ host, port, secure, allowHosts, machine }: KnownHostsOptions): Set<string> {
  const names = ["localhost", "127.0.0.1", "::1", host];
  if (ALL_ADDRESSES.includes(host)) {
    const short = machine.hostname.replace(/\..*/, "");
    names.push(...machine.addresses, machine.hostname, short, `${short}.local`);
  }
  const direct = names.flatMap((name) => authorityOf(`${bracketed(name)}:${port}`, secure) ?? []);
  return new Set([...direct, ...allowHosts.map((allowed) => allowedAuthority(allowed, secure))]);
}

/** Returns whether a `Host` header names the coordinator. */
export function isKnownHost(known: ReadonlySet<string>, header: string | undefined, secure: boolean): boolean {
  const authority = authorityOf(header, secure);
  if (authority === undefined) return false;
  return known.has(authority) || known.has(authority.replace(/\d+$/, "*"));
}

/** Returns whether an `Origin` header names the coordinator's own page, with the same name as the `Host` header. */
export function isSameOrigin(origin: string, host: string | undefined, secure: boolean): boolean {
  const scheme = secure ? "https://" : "http://";
  if (!origin.startsWith(scheme)) return false;
  const authority = authorityOf(origin.slice(scheme.length), secure);
  return authority !== undefined && authority === authorityOf(host, secure);
}

/** Returns `name:port` in its canonical spelling, or undefined if the header is malformed. */
function authorityOf(header: string | undefined, secure: boolean): string | undefined {
  if (header === undefined || /[/\\?#@]/.test(header)) return undefined;
  const url = `${secure ? "https" : "http"}://${header}`;
  if (!URL.canParse(url)) return undefined;
  const { hostname: name, port } = new URL(url);
  return `${name}:${port || (secure ? 443 : 80)}`;
}

function allowedAuthority(allowed: string, secure: boolean): string {
  const host = bracketed(allowed);
  const authority = authorityOf(host, secure);
  if (authority === undefined) {
    throw new LockstepError(
      "ERR_OPTION",
      `Expected --allow-host as name or name:port, got ${JSON.stringify(allowed)}. Give for example train.example.org.`,
    );
  }
  return /:\d+$/.test(host) ? authority : authority.replace(/\d+$/, "*");
}
