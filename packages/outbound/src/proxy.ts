/**
 * Chooses the proxy of a connection by the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in small or capital letters.
 * ALL_PROXY is not read.
 */
import { BlockList, isIP } from "node:net";
import { LockstepError } from "@lockstep/errors";

/** A proxy that the environment names. */
export interface NamedProxy {
  /** `http:` or `https:`; it may hold a user and a password, so it is never shown. */
  url: URL;
  /** The variable that names it. */
  variable: string;
}

/**
 * Returns the proxy for a connection to `target`, or undefined for a direct one: HTTPS_PROXY serves https and wss,
 * HTTP_PROXY serves http and ws. Loopback is never proxied.
 *
 * @throws LockstepError ERR_PROXY if the variable holds something else than the address of an HTTP proxy
 */
export function proxyFor(target: URL, env: NodeJS.ProcessEnv = process.env): NamedProxy | undefined {
  const isSecure = ["https:", "wss:"].includes(target.protocol);
  if (isLoopback(target.hostname)) return undefined;
  if (isExempt(target, isSecure ? 443 : 80, readVariable(env, "NO_PROXY")?.value ?? "")) return undefined;
  const found = readVariable(env, isSecure ? "HTTPS_PROXY" : "HTTP_PROXY");
  return found && { variable: found.variable, url: readAddress(found) };
}

/** Returns whether only this machine reaches a host, which is in its usual spelling, with or without brackets. */
export function isLoopback(host: string): boolean {
  return ["localhost", "::1"].includes(unbracketed(host)) || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Strips the brackets that an IPv6 address has in a url. */
export function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

/** Describes a proxy without the user and the password in its address. */
export function describe({ url, variable }: NamedProxy): string {
  return `the proxy ${url.protocol}//${url.host} (${variable})`;
}

/** The small letters come first, as in curl. */
function readVariable(env: NodeJS.ProcessEnv, name: string): { variable: string; value: string } | undefined {
  const variable = [name.toLowerCase(), name].find((spelling) => env[spelling]?.trim());
  return variable === undefined ? undefined : { variable, value: env[variable]!.trim() };
}

function readAddress({ variable, value }: { variable: string; value: string }): URL {
  const [scheme] = /^[a-z][\w+.-]*:\/\//i.exec(value) ?? [];
  const text = scheme === undefined ? `http://${value}` : value;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && ["http:", "https:"].includes(url.protocol)) return url;
  const got = scheme === undefined ? "something else" : `${scheme}…`;
  throw new LockstepError(
    "ERR_PROXY",
    `Expected ${variable} to be the address of an HTTP proxy, such as http://proxy.example.org:3128, got ${got}; correct it, or unset it.`,
  );
}

/** Returns whether NO_PROXY names a host, its domain or its network, each with a port or without, or `*` for all. */
function isExempt({ hostname, port }: URL, defaultPort: number, list: string): boolean {
  const host = unbracketed(hostname.toLowerCase());
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === "*") return true;
      const [, named, itsPort] = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry) ?? [undefined, entry, undefined];
      if (itsPort !== undefined && itsPort !== (port || String(defaultPort))) return false;
      const name = unbracketed(named!.replace(/^\*?\./, ""));
      return name !== "" && (host === name || host.endsWith(`.${name}`) || isInNetwork(host, name));
    });
}

/** Returns whether `host` lies in a network such as `10.0.0.0/8`. An address without a length is a network of one. */
function isInNetwork(host: string, network: string): boolean {
  const [address = "", length, ...rest] = network.split("/");
  const family = isIP(unbracketed(address));
  if (family === 0 || isIP(host) !== family || rest.length > 0) return false;
  const longest = family === 4 ? 32 : 128;
  const bits = length === undefined ? longest : /^\d+$/.test(length) ? Number(length) : Number.POSITIVE_INFINITY;
  if (bits > longest) return false;
  const addresses = new BlockList();
  addresses.addSubnet(unbracketed(address), bits, `ipv${family as 4 | 6}`);
  return addresses.check(host, `ipv${family as 4 | 6}`);
}
