/** Opens a TLS connection and verifies the certificate before anything is sent over it. */
import { isIP, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { LockstepError } from "@lockstep/errors";
import { WORKER_LINE } from "./refusal.ts";

/** Options of `connectSecurely`. */
export interface SecureConnectionOptions {
  host: string;
  port: number;
  /**
   * The SHA-256 fingerprint of the only certificate to accept, from `readFingerprint`. Without it, a known authority
   * must have issued the certificate.
   */
  pin: string | undefined;
  /** Milliseconds that connecting and the handshake may take together. */
  handshakeMs: number;
  /** Opens the connection to `host` through a proxy. @default a direct connection */
  tunnel?: (() => Promise<Socket>) | undefined;
}

/**
 * Connects, and verifies the certificate of the other end.
 *
 * @throws LockstepError ERR_CERTIFICATE if the certificate is not the expected one
 * @throws Error if the network fails
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
    // with a pin, the issuer does not matter: only this certificate is accepted
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
 * Returns a fingerprint in the form `AB:CD:…`. Lower case and missing colons are accepted.
 *
 * @throws LockstepError ERR_OPTION if it is not a SHA-256 fingerprint
 */
export function readFingerprint(text: string): string {
  const digits = text.replaceAll(":", "").toUpperCase();
  if (/^[0-9A-F]{64}$/.test(digits)) return [...digits.matchAll(/../g)].join(":");
  throw new LockstepError(
    "ERR_OPTION",
    `Expected a fingerprint of 64 hexadecimal digits, got ${JSON.stringify(text)}. Copy it from the command that the coordinator printed.`,
  );
}

function certificateMismatch(host: string, pin: string, fingerprint: string | undefined): LockstepError {
  return new LockstepError(
    "ERR_CERTIFICATE",
    `Expected ${host} to have the certificate ${pin}, got ${fingerprint ?? "none"}; nothing was sent. Compare with the fingerprint that the coordinator printed: if it has changed, give the new one; otherwise another machine is intercepting the connection.`,
  );
}

function untrusted(host: string, cause: Error): LockstepError {
  return new LockstepError(
    "ERR_CERTIFICATE",
    `Expected ${host} to have a certificate from a known authority, got one that is not valid for it (${cause.message}); nothing was sent. If the coordinator has a self-signed certificate, join with the complete command that it printed: ${WORKER_LINE}`,
    { cause },
  );
}
