/**
 * The names by which this coordinator is called. A request to any other name comes from a page that has pointed a name
 * of its own at this machine (DNS rebinding), to speak to the coordinator in a browser's stead.
 */
import { hostname, networkInterfaces } from "node:os";
import { LockstepError } from "@lockstep/errors";
import { ALL_ADDRESSES, bracketed } from "../addresses.ts";

/** The names and addresses of a machine. */
export interface Machine {
  hostname: string;
  addresses: string[];
}

/** Returns the names and addresses of this machine now; its addresses change as networks come and go. */
export function thisMachine(): Machine {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
  return { hostname: hostname(), addresses };
}

/** Where a coordinator listens, on which machine, and the names that the user adds. */
export interface KnownHostsOptions {
  /** Where the coordinator listens. */
  host: string;
  port: number;
  secure: boolean;
  /** Names by which others reach it, as `name` for any port or `name:port`. */
  allowHosts: string[];
  machine: Machine;
}

/**
 * Returns all `name:port` by which the coordinator may be called, and `name:*` for those with any port.
 * @throws LockstepError ERR_OPTION if an allowed host is no name
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

/** Tells whether the coordinator goes by the name in a `Host` header. */
export function isKnownHost(known: ReadonlySet<string>, header: string | undefined, secure: boolean): boolean {
  const authority = authorityOf(header, secure);
  if (authority === undefined) return false;
  return known.has(authority) || known.has(authority.replace(/\d+$/, "*"));
}

/** Tells whether an `Origin` header names a page of the coordinator that goes by the name in the `Host` header. */
export function isSameOrigin(origin: string, host: string | undefined, secure: boolean): boolean {
  const scheme = secure ? "https://" : "http://";
  if (!origin.startsWith(scheme)) return false;
  const authority = authorityOf(origin.slice(scheme.length), secure);
  return authority !== undefined && authority === authorityOf(host, secure);
}

/** Returns `name:port` in its one usual spelling; undefined for what is none. */
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
      `Expected --allow-host as name or name:port, got ${JSON.stringify(allowed)}; for example train.example.org.`,
    );
  }
  return /:\d+$/.test(host) ? authority : authority.replace(/\d+$/, "*");
}
