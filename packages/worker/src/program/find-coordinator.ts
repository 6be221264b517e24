/** Finds the coordinator if no option names it: on this machine, else on the local network. */
import { once } from "node:events";
import { connect } from "node:net";
import { discover } from "@lockstep/discovery";
import { LockstepError } from "@lockstep/errors";
import { DEFAULT_PORT } from "@lockstep/gradient-sync";
import { bracketed, type JoinOptions, WORKER_LINE } from "@lockstep/transport";

const DISCOVERY_MS = 3000;

/**
 * Returns the URL of the coordinator that listens on this machine, else of the only one that announces itself on the
 * local network.
 *
 * @param port the port to try on this machine
 * @param findOnNetwork returns the URLs of the coordinators that announce themselves
 * @throws LockstepError ERR_NO_COORDINATOR if there is none or more than one, ERR_UNPROVED if joining requires a
 *   fingerprint or a token that was not given, or would reveal the token to a coordinator without proof of its identity
 */
export async function findCoordinator(
  join: JoinOptions,
  log: (line: string) => void,
  port: number = DEFAULT_PORT,
  findOnNetwork: () => Promise<string[]> = () => discover({ timeoutMs: DISCOVERY_MS }),
): Promise<string> {
  const host = await listeningHost(port);
  if (host !== undefined) {
    const scheme = join.tlsFingerprint === undefined ? "ws" : "wss";
    return assertFingerprintProved(`${scheme}://${bracketed(host)}:${port}`, join);
  }
  log("no coordinator listens on this machine's default port; searching the local network");
  const found = await findOnNetwork();
  const [url] = found;
  if (url !== undefined && found.length === 1) {
    log(`found ${url}`);
    return assertFingerprintProved(url, join);
  }
  const finding = found.length === 0 ? "found none" : `found ${found.join(" and ")}`;
  throw new LockstepError(
    "ERR_NO_COORDINATOR",
    `Expected one coordinator on port ${port} of this machine or on the local network, ${finding}. Start \`pnpm coordinator\`, or give its address with --coordinator ws://HOST:PORT.`,
  );
}

/** Throws unless the fingerprint proves the coordinator's identity, or none is needed: ws:// without a token. */
function assertFingerprintProved(url: string, join: JoinOptions): string {
  if (join.tlsFingerprint !== undefined) return url;
  if (url.startsWith("wss:")) throw missingProofError(url, join);
  if (join.token !== undefined) throw withheldTokenError(url);
  return url;
}

/** Makes the error for TLS without a fingerprint: anyone can announce anything, and a CA vouches only for names. */
function missingProofError(url: string, { token }: JoinOptions): LockstepError {
  const missing = [
    "its fingerprint (--tls-fingerprint)",
    ...(token === undefined ? ["its token (LOCKSTEP_TOKEN)"] : []),
  ];
  return new LockstepError(
    "ERR_UNPROVED",
    `Found a coordinator with TLS at ${url}; to join it, the worker needs ${missing.join(" and ")}. Use the complete command that the coordinator printed: ${WORKER_LINE}`,
  );
}

function withheldTokenError(url: string): LockstepError {
  return new LockstepError(
    "ERR_UNPROVED",
    `Found ${url}, but the token is sent only to a coordinator that you name or that proves its identity with a fingerprint. If it is yours, add --coordinator ${url}; if it needs no token, unset LOCKSTEP_TOKEN.`,
  );
}

/** Returns the loopback address on which something listens; `--host localhost` may mean either one. */
async function listeningHost(port: number): Promise<string | undefined> {
  const hosts = ["127.0.0.1", "::1"];
  const listening = await Promise.all(hosts.map((host) => isListening(host, port)));
  return hosts.find((_, index) => listening[index]);
}

async function isListening(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
