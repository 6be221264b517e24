/** Sends GET requests, through a proxy if there is one, and follows redirects. */
import { type ClientRequest, get as httpGet, type IncomingMessage } from "node:http";
import { get as httpsGet } from "node:https";
import { isIP, type Socket } from "node:net";
import { connect } from "node:tls";
import { type NamedProxy, proxyFor, unbracketed } from "./proxy.ts";
import { openTunnel, refusal, requestTo } from "./tunnel.ts";

/** Maximum number of redirects to follow. */
const MAX_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];

/** Options of `getFollowingRedirects`. */
export interface GetOptions {
  headers: Record<string, string>;
  /** Milliseconds to wait for each response, from a proxy or the server, and then for the next bytes. */
  stallMs: number;
  /** Trusted certificates, in PEM format. @default those of known authorities */
  ca?: string | undefined;
}

/**
 * Requests a URL and returns the response, once its headers have arrived. Follows redirects, but never from https to
 * http. This does not use `fetch`, which would decompress a .gz file that a server such as Apache sends with
 * `Content-Encoding: x-gzip`.
 *
 * @throws LockstepError ERR_PROXY if a proxy refuses
 * @throws Error if the request fails otherwise
 */
export async function getFollowingRedirects(url: string, options: GetOptions): Promise<IncomingMessage> {
  let target = new URL(url);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await getOnce(target, options);
    if (!REDIRECTS.includes(response.statusCode ?? 0)) return response;
    response.destroy();
    target = redirectTarget(response, target);
  }
  throw new Error(`the server redirects more than ${MAX_REDIRECTS} times`);
}

/** Returns a URL without its user, password and query, which may be secret. */
export function redactedUrl(url: string | URL): string {
  if (!URL.canParse(String(url))) return "an invalid URL";
  const { protocol, host, pathname } = new URL(String(url));
  return host === "" ? `${protocol}…` : `${protocol}//${host}${pathname}`;
}

function redirectTarget({ statusCode, headers: { location } }: IncomingMessage, from: URL): URL {
  if (location === undefined || !URL.canParse(location, from.href)) {
    throw new Error(`the server responded with status ${statusCode}, but without a valid URL to redirect to`);
  }
  const to = new URL(location, from);
  if (to.protocol === "https:" || to.protocol === from.protocol) return to;
  throw new Error(`the server redirects to ${redactedUrl(to)}, which is not https`);
}

async function getOnce(target: URL, options: GetOptions): Promise<IncomingMessage> {
  const proxy = proxyFor(target);
  const request = await sendRequest(target, proxy, options);
  return new Promise((resolve, reject) => {
    request.on("timeout", () => request.destroy(new Error(`no data arrived for ${options.stallMs / 1000} s`)));
    request.on("error", reject);
    request.on("response", (response) => {
      if (proxy === undefined || response.statusCode !== 407) return resolve(response);
      response.destroy();
      reject(refusal(proxy, endpointOf(target), 407));
    });
  });
}

async function sendRequest(
  target: URL,
  proxy: NamedProxy | undefined,
  { headers, stallMs, ca }: GetOptions,
): Promise<ClientRequest> {
  const isSecure = target.protocol === "https:";
  const options = { headers, timeout: stallMs };
  if (proxy === undefined) return (isSecure ? httpsGet : httpGet)(target, { ...options, ca, agent: false });
  if (!isSecure) {
    // a proxy for plain HTTP gets the complete URL, and requests it itself
    const proxyOptions = { ...options, path: target.href, headers: { ...headers, host: target.host } };
    return requestTo(proxy, proxyOptions).end();
  }
  const endpoint = endpointOf(target);
  const tunnel = await openTunnel(proxy, endpoint, stallMs);
  return httpsGet(target, { ...options, createConnection: () => overTls(tunnel, endpoint.host, ca) });
}

function overTls(socket: Socket, host: string, ca: string | undefined): Socket {
  return connect({ socket, host, servername: isIP(host) === 0 ? host : "", ...(ca !== undefined && { ca }) });
}

function endpointOf({ protocol, hostname, port }: URL): { host: string; port: number } {
  return { host: unbracketed(hostname), port: Number(port || (protocol === "https:" ? 443 : 80)) };
}
