/** A TLS connection that is handed on only once the other end has proved who it is, so that nobody else gets a byte. */
import { isIP, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { LockstepError } from "@lockstep/errors";
import { WORKER_LINE } from "./refusal.ts";

/** Where to connect, and which certificate to accept there. */
export interface SecureConnectionOptions {
  host: string;
  port: number;
  /**
   * The SHA-256 of the one certificate to accept, as `readFingerprint` gives it; without it, a known authority vouches.
   */
  pin: string | undefined;
  /** How long connecting and the handshake may take together. */
  handshakeMs: number;
  /** Opens the connection to `host` through a proxy. @default a direct one */
  tunnel?: (() => Promise<Socket>) | undefined;
}

/**
 * Connects, and makes sure that it is to the right one.
 * @throws LockstepError ERR_CERTIFICATE if it is somebody else, or an error of the network
 */
export async function connectSecurely(options: SecureConnectionOptions): Promise<TLSSocket> {
  const { host, port, pin, handshakeMs } = options;
  const startMs = performance.now();
  const tunnel = await options.tunnel?.();
  const socket = connect({
    ...(tunnel && { socket: tunnel }),
    host,
    port,
    servername: isIP(host) === 0 ? host : "",
    // With a pin, who has signed the certificate says nothing more: it is this very certificate or none.
    rejectUnauthorized: pin === undefined,
  });
  return new Promise((resolve, reject) => {
    const onTimeout = () => socket.destroy(new Error(`no TLS handshake within ${handshakeMs} ms`));
    const deadline = setTimeout(onTimeout, handshakeMs - (performance.now() - startMs));
    socket.once("close", () => clearTimeout(deadline));
    socket.once("error", (error) => reject(socket.authorizationError ? untrusted(host, error) : error));
    socket.once("secureConnect", () => {
      clearTimeout(deadline);
      const { fingerprint256 } = socket.getPeerCertificate();
      if (pin === undefined || fingerprint256 === pin) resolve(socket);
      else {
        reject(certificateMismatch(host, pin, fingerprint256));
        socket.destroy();
      }
    });
  });
}

/**
 * Puts a fingerprint into the form `AB:CD:…`; small letters and missing colons will do.
 * @throws LockstepError ERR_OPTION if it is no SHA-256
 */
export function readFingerprint(text: string): string {
  const digits = text.replaceAll(":", "").toUpperCase();
  if (/^[0-9A-F]{64}$/.test(digits)) return [...digits.matchAll(/../g)].join(":");
  throw new LockstepError(
    "ERR_OPTION",
    `Expected a fingerprint of 64 hexadecimal digits, got ${JSON.stringify(text)}; copy it from the line that the coordinator printed.`,
  );
}

function certificateMismatch(host: string, pin: string, fingerprint: string | undefined): LockstepError {
  return new LockstepError(
    "ERR_CERTIFICATE",
    `Expected ${host} to have the certificate ${pin}, got ${fingerprint ?? "none"}; nothing was sent. Look at the fingerprint that the coordinator printed: if it has changed, give the new one; if not, somebody sits in between.`,
  );
}

function untrusted(host: string, cause: Error): LockstepError {
  return new LockstepError(
    "ERR_CERTIFICATE",
    `Expected ${host} to have a certificate from a known authority, got one that is not valid for it (${cause.message}); nothing was sent. If the coordinator made its own, join with the whole line that it printed: ${WORKER_LINE}`,
    { cause },
  );
}
