/** Opens connections through an HTTP proxy. */
import { type ClientRequest, request as httpRequest, type RequestOptions, STATUS_CODES } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, isIPv6, type Socket } from "node:net";
import { unescape as decodePercents } from "node:querystring";
import { LockstepError } from "@lockstep/errors";
import { describe, type NamedProxy, unbracketed } from "./proxy.ts";

/** Statuses that say that the proxy could not reach the target; a retry may succeed. */
const UNREACHED = [502, 503, 504];
const isSuccess = (status: number) => status >= 200 && status < 300;

/**
 * Opens a tunnel to `host` through the proxy, with the method CONNECT (RFC 9110, section 9.3.6). The bytes on the
 * returned socket are end to end, so TLS can run over it.
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
    const onDeadline = () => request.destroy(new Error(`it did not respond within ${timeoutMs / 1000} s`));
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

/** Creates a request to the proxy itself, with the user and password from its URL. */
export function requestTo({ url }: NamedProxy, { headers, ...options }: RequestOptions): ClientRequest {
  const host = unbracketed(url.hostname);
  const isSecure = url.protocol === "https:";
  // As in curl, a percent sign that starts no escape sequence stands for itself.
  const credentials = [url.username, url.password].map((text) => decodePercents(text)).join(":");
  const authorization = { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
  return (isSecure ? httpsRequest : httpRequest)({
    ...options,
    headers: { ...headers, ...(credentials !== ":" && authorization) },
    host,
    port: url.port || (isSecure ? 443 : 80),
    agent: false,
    // otherwise Node takes the name from the header `host`, which names the target
    ...(isSecure && { servername: isIP(host) === 0 ? host : "" }),
  });
}

/** Returns the error for a status with which a proxy responded instead of the target. */
export function refusal(proxy: NamedProxy, { host, port }: { host: string; port: number }, status: number): Error {
  const statusLine = `${status} ${STATUS_CODES[status] ?? ""}`.trim();
  const direct = `if this machine reaches ${host} without a proxy, add ${host} to NO_PROXY`;
  if (UNREACHED.includes(status))
    return new Error(`${describe(proxy)} could not reach ${host}:${port}, and responded ${statusLine}; ${direct}`);
  const remedy =
    status === 407
      ? `put your user and password into ${proxy.variable}, as in http://user:password@proxy.example.org:3128`
      : `${direct}; otherwise ask the administrator of the proxy to allow port ${port}`;
  return new LockstepError(
    "ERR_PROXY",
    `Expected a connection to ${host}:${port} from ${describe(proxy)}, got ${statusLine}; ${remedy}.`,
  );
}
