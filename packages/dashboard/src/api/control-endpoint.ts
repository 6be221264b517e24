/**
 * Accepts commands from the page. A request needs the control token in a custom header: a page of another site can
 * neither send that header nor read the token from this page's address.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { LockstepError } from "@lockstep/errors";
import { PAGE_HEADERS } from "@lockstep/pages";
import type { Command } from "@lockstep/run";
import { sameToken } from "@lockstep/transport";

/** Carries out the commands of a page that has the token. */
export interface ControlEndpoint {
  token: string;
  /** Carries out a command. Rejects with the reason if it is refused. */
  command: (command: Command) => Promise<void>;
}

const MAX_BYTES = 4096;

/** Answers a request with a command: checks its token, parses the command and carries it out. */
export async function handleCommand(
  { token, command }: ControlEndpoint,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const respond = (status: number, text = STATUS_CODES[status] ?? "") =>
    void response
      .writeHead(status, { ...PAGE_HEADERS, "content-type": "text/plain; charset=utf-8", connection: "close" })
      .end(`${text}\n`);
  const received = request.headers["x-lockstep-control"];
  if (request.method !== "POST") return respond(405);
  if (typeof received !== "string" || !sameToken(received, token))
    return respond(
      401,
      "Expected the control token in x-lockstep-control. Open the link that the run printed when it started.",
    );
  const text = await textOf(request);
  if (text === undefined) return respond(413);
  const { parseCommand } = await import("@lockstep/run"); // loaded here, since a thread needs nothing else of it
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
