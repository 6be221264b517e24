/** What a worker tells its user when it was not let in. */
import type { IncomingMessage } from "node:http";
import { LockstepError } from "@lockstep/errors";

const MAX_REASON_CHARACTERS = 300;
/** What a coordinator with TLS prints for workers, without what is particular to it. */
export const WORKER_LINE = "LOCKSTEP_TOKEN=… pnpm worker --coordinator wss://… --tls-fingerprint …";

/** Reads the coordinator's answer to a join that it refused. @param token is kept out of the message */
export async function refusalOf(response: IncomingMessage, at: string, token: string | undefined) {
  const status = response.statusCode ?? 0;
  const reason = await readReason(response, token);
  const refused = `The coordinator at ${at} refused this worker: ${reason}`;
  switch (status) {
    case 401:
      return new LockstepError(
        "ERR_TOKEN",
        `${refused} Give it as LOCKSTEP_TOKEN=… in the worker's environment; it is in the line that the coordinator printed, or was given to it as LOCKSTEP_TOKEN.`,
      );
    case 403:
      return new LockstepError("ERR_REFUSED", refused);
    case 429:
      return new LockstepError("ERR_LIMITED", refused);
    case 503:
      return new LockstepError("ERR_FULL", refused);
    default: {
      const remedy = "check the address, and that `pnpm coordinator` runs there";
      return new LockstepError("ERR_CONNECT", `Expected a coordinator at ${at}, got HTTP status ${status}; ${remedy}.`);
    }
  }
}

/**
 * Explains why a socket to `url` never opened, for the worker's user: the coordinator's own reasons as they are, the
 * network's in words.
 */
export function explainFailedJoin(error: NodeJS.ErrnoException, url: string): LockstepError {
  if (error instanceof LockstepError) return error;
  const { protocol, origin } = new URL(url);
  if (protocol === "ws:" && error.code === "ECONNRESET") {
    const remedy = `If it speaks TLS, join with the whole line that it printed: ${WORKER_LINE}`;
    return connectError(`Expected a coordinator at ${origin}, got a connection closed without an answer. ${remedy}`);
  }
  if (protocol === "wss:" && error.code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    const remedy = "if the coordinator was started without TLS, name it as ws://";
    return connectError(`Expected TLS at ${origin}, got something else; ${remedy}.`);
  }
  const remedy = "Start `pnpm coordinator` there first, or name its address with --coordinator.";
  return connectError(`Nobody answers at ${origin} (${error.message || error.code}). ${remedy}`);

  function connectError(message: string): LockstepError {
    return new LockstepError("ERR_CONNECT", message, { cause: error });
  }
}

/** Reads the first line of the answer, without what could move the cursor of a terminal. */
async function readReason(response: IncomingMessage, token: string | undefined): Promise<string> {
  let text = "";
  try {
    for await (const chunk of response.setEncoding("utf8")) {
      text += chunk;
      if (text.length > MAX_REASON_CHARACTERS) break;
    }
  } catch {
    // The connection broke: what has come until then is the reason.
  }
  const line = text.replace(/\n.*/s, "").replaceAll(/\p{C}/gu, "").slice(0, MAX_REASON_CHARACTERS);
  return (token === undefined ? line : line.replaceAll(token, "…")) || "(no reason given)";
}
