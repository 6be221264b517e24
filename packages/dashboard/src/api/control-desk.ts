/**
 * Takes commands from the page. Whoever sends one must know the control token, and show it in a header of its own: no
 * page of another site can send that header, nor read the token from this page's address.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { LockstepError } from "@lockstep/errors";
import { PAGE_HEADERS } from "@lockstep/pages";
import { type Command, parseCommand } from "@lockstep/run";
import { sameToken } from "@lockstep/transport";

/** The commands that a page may give, and the token that it must show. */
export interface ControlDesk {
  token: string;
  /** Does what it says, or rejects with the reason why not. */
  command: (command: Command) => Promise<void>;
}

const MAX_BYTES = 4096;

/** Answers a request that gives a command: checks its token, reads the command and obeys it. */
export async function takeCommand(
  { token, command }: ControlDesk,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = (status: number, text = STATUS_CODES[status]!) =>
    void response
      .writeHead(status, { ...PAGE_HEADERS, "content-type": "text/plain; charset=utf-8", connection: "close" })
      .end(`${text}\n`);
  const shown = request.headers["x-lockstep-control"];
  if (request.method !== "POST") return answer(405);
  if (typeof shown !== "string" || !sameToken(shown, token)) return answer(401, "Expected the token for controls.");
  const text = await textOf(request);
  if (text === undefined) return answer(413);
  try {
    await command(parseCommand(text));
    answer(200);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    answer(409, error.message);
  }
}

async function textOf(request: IncomingMessage): Promise<string | undefined> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > MAX_BYTES) return undefined;
  }
  return text;
}
