/** What a worker tells its user when it was not let in. */
import type { IncomingMessage } from "node:http";
import { LockstepError } from "@lockstep/errors";

const MAX_REASON_CHARACTERS = 300;

/** Reads the coordinator's answer to a join that it refused. @param token is kept out of the message */
export async function refusalOf(response: IncomingMessage, at: string, token: string | undefined) {
  const status = response.statusCode ?? 0;
  const reason = await readReason(response, token);
  const refused = `The coordinator at ${at} refused this worker: ${reason}`;
  switch (status) {
    case 401:
      return new LockstepError(
        "ERR_TOKEN",
        `${refused} Give that token as LOCKSTEP_TOKEN=… in the worker's environment.`,
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

/** The first line of the answer, without what could move the cursor of a terminal. */
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
  const line = text.split("\n")[0]!.replaceAll(/\p{C}/gu, "").slice(0, MAX_REASON_CHARACTERS);
  return (token === undefined ? line : line.replaceAll(token, "…")) || "(no reason given)";
}
