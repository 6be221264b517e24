/**
 * Chooses the proxy of a connection by the environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in lower or
 * upper case. ALL_PROXY is ignored.
 */
import { BlockList, isIP } from "node:net";
import { LockstepError } from "@lockstep/errors";

/** A proxy from the environment. */
export interface NamedProxy {
  /** An `http:` or `https:` URL. It may contain a password, so it is never printed. */
  url: URL;
  /** The environment variable that contains it. */
  variable: string;
}

/**
 * Returns the proxy for a connection to `target`, or undefined for a direct connection. HTTPS_PROXY applies to https
 * and wss, HTTP_PROXY to http and ws. Loopback is never proxied.
 *
 * @throws LockstepError ERR_PROXY if the variable does not contain the address of an HTTP proxy
 */
export function proxyFor(target: URL, env: NodeJS.ProcessEnv = process.env): NamedProxy | undefined {
  const isSecure = ["https:", "wss:"].includes(target.protocol);
  if (isLoopback(target.hostname)) return undefined;
  if (isExempt(target, isSecure ? 443 : 80, readVariable(env, "NO_PROXY")?.value ?? "")) return undefined;
  const found = readVariable(env, isSecure ? "HTTPS_PROXY" : "HTTP_PROXY");
  return found && { variable: found.variable, url: readAddress(found) };
}

/** Returns whether a host, in its canonical spelling with or without brackets, is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return ["localhost", "::1"].includes(unbracketed(host)) || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Removes the brackets of an IPv6 address in a URL. */
export function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

/** Describes a proxy without the user and password of its URL. */
export function describe({ url, variable }: NamedProxy): string {
  return `the proxy ${url.protocol}//${url.host} (${variable})`;
}

/** Returns the value of a variable; lower case takes precedence, as in curl. */
function readVariable(env: NodeJS.ProcessEnv, name: string): { variable: string; value: string } | undefined {
  for (const variable of [name.toLowerCase(), name]) {
    const value = env[variable]?.trim();
    if (value) return { variable, value };
  }
  return undefined;
}

function readAddress({ variable, value }: { variable: string; value: string }): URL {
  const [scheme] = /^[a-z][\w+.-]*:\/\//i.exec(value) ?? [];
  const text = scheme === undefined ? `http://${value}` : value;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && ["http:", "https:"].includes(url.protocol)) return url;
  const got = scheme === undefined ? "another value" : `${scheme}…`;
  throw new LockstepError(
    "ERR_PROXY",
    `Expected ${variable} to be the address of an HTTP proxy, such as http://proxy.example.org:3128, got ${got}. Correct the variable or unset it.`,
  );
}

/** Returns whether NO_PROXY contains a host, its domain or its network, each with or without a port, or `*` for all. */
function isExempt({ hostname, port }: URL, defaultPort: number, list: string): boolean {
  const host = unbracketed(hostname.toLowerCase());
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === "*") return true;
      const [, named = entry, itsPort] = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
      if (itsPort !== undefined && itsPort !== (port || String(defaultPort))) return false;
      const name = unbracketed(named.replace(/^\*?\./, ""));
      return name !== "" && (host === name || host.endsWith(`.${name}`) || isInNetwork(host, name));
    });
}

/**
 * Returns whether `host` is in a network such as `10.0.0.0/8`. An address without a prefix length matches only itself.
 */
function isInNetwork(host: string, network: string): boolean {
  const [address = "", length, ...rest] = network.split("/");
  const family = isIP(unbracketed(address));
  if (family === 0 || isIP(host) !== family || rest.length > 0) return false;
  const longest = family === 4 ? 32 : 128;
  const bits = length === undefined ? longest : /^\d+$/.test(length) ? Number(length) : Number.POSITIVE_INFINITY;
  if (bits > longest) return false;
  const addresses = new BlockList();
  const type = family === 4 ? "ipv4" : "ipv6";
  addresses.addSubnet(unbracketed(address), bits, type);
  return addresses.check(host, type);
}
