/** A dashboard at a port of its own, on this machine's loopback. */

import { LockstepError } from "@lockstep/errors";
import { assertPortFree, assertToken, makeToken, openServer } from "@lockstep/transport";
import { makeSite, type SiteOptions } from "./site.ts";

const LOOPBACK = "127.0.0.1";
const DASHBOARD_PORT = 7080;

/** Nobody guesses a token of so many characters. */
const MIN_TOKEN_LENGTH = 16;

/** The run that a dashboard shows, and the port that it listens on. */
export interface DashboardServerOptions extends SiteOptions {
  /** The port to listen on. @default 7080, or the next that is free */
  port?: number | undefined;
}

/** A dashboard that listens. */
export interface Dashboard {
  url: string;
  close(): Promise<void>;
}

/** Returns the address that a dashboard listens on. */
export function dashboardAddress({ port }: Pick<DashboardServerOptions, "port">): {
  host: string;
  port: number;
  anyPort: boolean;
} {
  return { host: LOOPBACK, port: port ?? DASHBOARD_PORT, anyPort: port === undefined };
}

/** Finds out early whether it can. @throws LockstepError ERR_LISTEN */
export const assertDashboardPortFree = (options: Pick<DashboardServerOptions, "port">) =>
  assertPortFree(dashboardAddress(options));

/** @throws LockstepError ERR_LISTEN */
export async function openDashboard({ port, ...options }: DashboardServerOptions): Promise<Dashboard> {
  const { onRequest, isProtected, close: closeSite } = makeSite(options);
  const server = await openServer({
    ...dashboardAddress({ port }),
    onRequest,
    isProtected,
    // No worker can join.
    maxWorkers: 0,
    maxPayload: 1,
    onSocket: (socket) => socket.terminate(),
  });
  const close = async () => {
    closeSite();
    await server.close();
  };
  return { url: `http://${LOOPBACK}:${server.port}`, close };
}

/** Returns the token that a page must show to command a run: LOCKSTEP_CONTROL_TOKEN, or one made for this process. */
export function controlToken(): string {
  const token = process.env["LOCKSTEP_CONTROL_TOKEN"];
  if (token === undefined) return makeToken();
  assertToken(token);
  if (token.length >= MIN_TOKEN_LENGTH) return token;
  const text = `Expected LOCKSTEP_CONTROL_TOKEN to have at least ${MIN_TOKEN_LENGTH} characters, got ${token.length}`;
  throw new LockstepError("ERR_TOKEN", `${text}; \`openssl rand -hex 16\` makes a good one.`);
}

/**
 * The line that says where a dashboard is. What its reader must know stands behind the #, which no browser sends
 * anywhere; and only where a person alone sees the line, since what catches the output elsewhere is a log.
 */
export function dashboardLine(
  url: string,
  isTerminal: boolean,
  secrets: { token?: string | undefined; control: string },
) {
  const words = Object.entries(secrets).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${encodeURIComponent(value)}`,
  );
  return `dashboard: ${url}/${isTerminal ? `#${words.join("&")}` : ""}`;
}
