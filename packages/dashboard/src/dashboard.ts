/** Serves a dashboard on a separate port of the loopback interface. */

import { LockstepError } from "@lockstep/errors";
import { assertPortFree, assertToken, makeToken, openServer } from "@lockstep/transport";
import { makeSite, type SiteOptions } from "./site.ts";

const LOOPBACK = "127.0.0.1";
const DASHBOARD_PORT = 7080;

/** Shortest control token that is accepted, in characters: too long to guess. */
const MIN_TOKEN_LENGTH = 16;

/** The run that a dashboard shows, and the port that it listens on. */
export interface DashboardServerOptions extends SiteOptions {
  /** Port to listen on. @default 7080, or the next free one */
  port?: number | undefined;
}

/** A dashboard that is being served. */
export interface Dashboard {
  url: string;
  close(): Promise<void>;
}

/** Returns the address that a dashboard listens on: the given port, or 7080 or the next free one. */
export function dashboardAddress({ port }: Pick<DashboardServerOptions, "port">): {
  host: string;
  port: number;
  anyPort: boolean;
} {
  return { host: LOOPBACK, port: port ?? DASHBOARD_PORT, anyPort: port === undefined };
}

/** Throws if the dashboard's port is in use, before a run starts. @throws LockstepError ERR_LISTEN */
export const assertDashboardPortFree = (options: Pick<DashboardServerOptions, "port">) =>
  assertPortFree(dashboardAddress(options));

/** Starts to serve a dashboard. @throws LockstepError ERR_LISTEN */
export async function openDashboard({ port, ...options }: DashboardServerOptions): Promise<Dashboard> {
  const { onRequest, isProtected, close } = makeSite(options);
  const server = await openServer({
    ...dashboardAddress({ port }),
    onRequest,
    isProtected,
    onClosing: close,
    // No WebSocket can connect.
    maxWorkers: 0,
    maxPayload: 1,
    onSocket: (socket) => socket.terminate(),
  });
  return { url: `http://${LOOPBACK}:${server.port}`, close: () => server.close() };
}

/** Returns the token that a page needs to control a run: LOCKSTEP_CONTROL_TOKEN, or a new random one. */
export function controlToken(): string {
  const token = process.env["LOCKSTEP_CONTROL_TOKEN"] ?? "";
  if (token === "") return makeToken();
  assertToken(token);
  if (token.length >= MIN_TOKEN_LENGTH) return token;
  const text = `Expected LOCKSTEP_CONTROL_TOKEN to have at least ${MIN_TOKEN_LENGTH} characters, got ${token.length}`;
  throw new LockstepError("ERR_TOKEN", `${text}; \`openssl rand -hex 16\` makes a good one.`);
}

/**
 * Returns the line that tells the dashboard's URL. The secrets follow the #, which browsers do not send. Output that is
 * not a terminal may be a log, so it gets the URL without them.
 */
export function dashboardLine(
  url: string,
  isTerminal: boolean,
  secrets: { token?: string | undefined; control: string },
) {
  const parameters = Object.entries(secrets).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${encodeURIComponent(value)}`,
  );
  return `dashboard: ${url}/${isTerminal ? `#${parameters.join("&")}` : ""}`;
}
