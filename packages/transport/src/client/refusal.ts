/** The errors that explain to a worker's user why it could not join. */
import type { IncomingMessage } from "node:http";
import { LockstepError } from "@lockstep/errors";

/** Maximum length of a reason from the coordinator. */
const MAX_REASON_CHARACTERS = 300;
/** The command that a coordinator with TLS prints for workers, with placeholders for its values. */
export const WORKER_LINE = "LOCKSTEP_TOKEN=… pnpm worker --coordinator wss://… --tls-fingerprint …";

/** Returns the error for a refused join. @param token is removed from the message */
export async function refusalOf(response: IncomingMessage, at: string, token: string | undefined) {
  const status = response.statusCode ?? 0;
  const reason = await readReason(response, token);
  const refused = `The coordinator at ${at} refused this worker: ${reason}`;
  switch (status) {
    case 401:
      return new LockstepError(
        "ERR_TOKEN",
        `${refused} Set LOCKSTEP_TOKEN in the worker's environment. The token is in the command that the coordinator printed, or is the coordinator's own LOCKSTEP_TOKEN.`,
      );
    case 403:
      return new LockstepError("ERR_REFUSED", refused);
    case 429:
      return new LockstepError("ERR_LIMITED", refused);
    case 503:
      return new LockstepError("ERR_FULL", refused);
    default: {
      const remedy = "Check the address, and that `pnpm coordinator` is running there";
      return new LockstepError("ERR_CONNECT", `Expected a coordinator at ${at}, got HTTP status ${status}. ${remedy}.`);
    }
  }
}

/**
 * Returns the error for a socket to `url` that failed to open: a LockstepError unchanged, and a network error with an
 * explanation for the worker's user.
 */
export function explainFailedJoin(error: NodeJS.ErrnoException, url: string): LockstepError {
  if (error instanceof LockstepError) return error;
  const { protocol, origin } = new URL(url);
  if (protocol === "ws:" && error.code === "ECONNRESET") {
    const remedy = `If it uses TLS, join with the complete command that it printed: ${WORKER_LINE}`;
    return connectError(
      `Expected a coordinator at ${origin}, got a connection that was closed without a response. ${remedy}`,
    );
  }
  if (protocol === "wss:" && error.code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    const remedy = "If the coordinator was started without TLS, use its ws:// address";
    return connectError(`Expected TLS at ${origin}, got another protocol. ${remedy}.`);
  }
  const remedy = "Start `pnpm coordinator` there first, or give its address with --coordinator.";
  return connectError(`No coordinator responds at ${origin} (${error.message || error.code}). ${remedy}`);

  function connectError(message: string): LockstepError {
    return new LockstepError("ERR_CONNECT", message, { cause: error });
  }
}

/** Returns the first line of the response, without characters that control a terminal. */
async function readReason(response: IncomingMessage, token: string | undefined): Promise<string> {
  let text = "";
  try {
    for await (const chunk of response.setEncoding("utf8")) {
      text += chunk;
      if (text.length > MAX_REASON_CHARACTERS) break;
    }
  } catch {
    // the connection broke: use the text that has arrived
  }
  const line = text.replace(/\n.*/s, "").replaceAll(/\p{C}/gu, "").slice(0, MAX_REASON_CHARACTERS);
  return (token === undefined ? line : line.replaceAll(token, "…")) || "(no reason given)";
}
