/** Where the coordinator is, if nobody says: on this machine, else on the local network. */
import { once } from "node:events";
import { connect } from "node:net";
import { discover } from "@lockstep/discovery";
import { LockstepError } from "@lockstep/errors";
import { DEFAULT_PORT } from "@lockstep/gradient-sync";

const DISCOVERY_MS = 3000;

/**
 * The url of the coordinator: the given one, else one that listens on this machine, else the only one that announces
 * itself on the local network.
 *
 * @throws LockstepError ERR_NO_COORDINATOR if there is none, or more than one
 */
export async function findCoordinator(given: string | undefined, log: (line: string) => void): Promise<string> {
  if (given !== undefined) return given;
  if (await listensHere(DEFAULT_PORT)) return `ws://127.0.0.1:${DEFAULT_PORT}`;
  log("no coordinator on this machine's default port; looking on the local network");
  const found = await discover({ timeoutMs: DISCOVERY_MS });
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const what = found.length === 0 ? "found none" : `found ${found.join(" and ")}`;
  throw new LockstepError(
    "ERR_NO_COORDINATOR",
    `Expected one coordinator on port ${DEFAULT_PORT} of this machine or on the local network, ${what}; start \`pnpm coordinator\`, or name one with --coordinator ws://<host>:<port>.`,
  );
}

async function listensHere(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
