/** Connections through an HTTP proxy. */
import { type ClientRequest, request as httpRequest, type RequestOptions, STATUS_CODES } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, isIPv6, type Socket } from "node:net";
import { unescape as decodePercents } from "node:querystring";
import { LockstepError } from "@lockstep/errors";
import { describe, type NamedProxy, unbracketed } from "./proxy.ts";

/** The proxy could not reach the target; a retry may succeed. */
const UNREACHED = [502, 503, 504];
const isSuccess = (status: number) => status >= 200 && status < 300;

/**
 * Has the proxy connect to `host`, with the method CONNECT (RFC 9110, section 9.3.6). What goes over the socket then is
 * between the two ends, TLS included.
 *
 * @throws LockstepError ERR_PROXY if the proxy refuses
 * @throws Error if the proxy, or the host behind it, cannot be reached
 */
export function openTunnel(
  proxy: NamedProxy,
  { host, port }: { host: string; port: number },
  timeoutMs: number,
): Promise<Socket> {
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const request = requestTo(proxy, { method: "CONNECT", path: authority, headers: { host: authority } });
  return new Promise((resolve, reject) => {
    const onDeadline = () => request.destroy(new Error(`it did not answer within ${timeoutMs / 1000} s`));
    const deadline = setTimeout(onDeadline, timeoutMs);
    request.on("connect", ({ statusCode = 0 }, socket: Socket, head) => {
      clearTimeout(deadline);
      if (isSuccess(statusCode)) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      } else {
        socket.destroy();
        reject(refusal(proxy, { host, port }, statusCode));
      }
    });
    request.on("error", (cause: NodeJS.ErrnoException) => {
      clearTimeout(deadline);
      reject(new Error(`${describe(proxy)} cannot be reached: ${cause.message || cause.code}`, { cause }));
    });
    request.end();
  });
}

/** Begins a request that goes to the proxy itself, with the user and the password from its address. */
export function requestTo({ url }: NamedProxy, { headers, ...options }: RequestOptions): ClientRequest {
  const host = unbracketed(url.hostname);
  const isSecure = url.protocol === "https:";
  // As in curl, a percent sign that begins no code stands for itself.
  const credentials = [url.username, url.password].map((text) => decodePercents(text)).join(":");
  const authorization = { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
  return (isSecure ? httpsRequest : httpRequest)({
    ...options,
    headers: { ...headers, ...(credentials !== ":" && authorization) },
    host,
    port: url.port || (isSecure ? 443 : 80),
    agent: false,
    // Else Node takes the name from the header `host`, which is that of the other end.
    ...(isSecure && { servername: isIP(host) === 0 ? host : "" }),
  });
}

/** Makes the error for a status with which a proxy answered in place of the other end. */
export function refusal(proxy: NamedProxy, { host, port }: { host: string; port: number }, status: number): Error {
  const statusLine = `${status} ${STATUS_CODES[status] ?? ""}`.trim();
  const direct = `if this machine reaches ${host} without a proxy, add ${host} to NO_PROXY`;
  if (UNREACHED.includes(status))
    return new Error(`${describe(proxy)} could not reach ${host}:${port}, it answered ${statusLine}; ${direct}`);
  const remedy =
    status === 407
      ? `put your user and password into ${proxy.variable}, as in http://user:password@proxy.example.org:3128`
      : `${direct}; else whoever runs the proxy must allow port ${port}`;
  return new LockstepError(
    "ERR_PROXY",
    `Expected a connection to ${host}:${port} from ${describe(proxy)}, got ${statusLine}; ${remedy}.`,
  );
}
