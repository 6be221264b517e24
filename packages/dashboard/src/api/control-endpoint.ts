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
export interface ControlEndpoint {
  token: string;
  /** Does what it says, or rejects with the reason why not. */
  command: (command: Command) => Promise<void>;
}

const MAX_BYTES = 4096;

/** Answers a request that gives a command: checks its token, reads the command and obeys it. */
export async function handleCommand(
  { token, command }: ControlEndpoint,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const respond = (status: number, text = STATUS_CODES[status]!) =>
    void response
      .writeHead(status, { ...PAGE_HEADERS, "content-type": "text/plain; charset=utf-8", connection: "close" })
      .end(`${text}\n`);
  const shown = request.headers["x-lockstep-control"];
  if (request.method !== "POST") return respond(405);
  if (typeof shown !== "string" || !sameToken(shown, token)) return respond(401, "Expected the token for controls.");
  const text = await textOf(request);
  if (text === undefined) return respond(413);
  try {
    await command(parseCommand(text));
    respond(200);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    respond(409, error.message);
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
