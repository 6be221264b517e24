/** Checks the error of a reconnection that fails, on a simulated clock and a port where nothing listens. */
import { type AddressInfo, createServer } from "node:net";
import { LockstepError } from "@lockstep/errors";
import { expect, test } from "vitest";
import { Reconnection, type ReconnectionClock } from "./reconnection.ts";

/** Returns a port on which nothing listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A clock that only pauses move on, at once. */
function simulatedClock(): ReconnectionClock {
  let now = 0;
  return {
    nowMs: () => now,
    async pause(ms) {
      now += ms;
    },
  };
}

test("a failed reconnection ends with the original reason, and not with a refusal in between", async () => {
  const coordinator = `ws://127.0.0.1:${await freePort()}`;
  const disconnectError = new LockstepError("ERR_DISCONNECTED", "The coordinator closed the connection.");
  const refused = new LockstepError("ERR_FULL", "Expected at most 1 workers, and they are here.");
  const reconnection = new Reconnection({ coordinator, join: {}, reconnectMs: 100 }, disconnectError, simulatedClock());
  await expect(reconnection.connect(refused, new AbortController().signal)).rejects.toMatchObject({
    code: "ERR_DISCONNECTED",
    message: expect.stringMatching(
      /^The coordinator closed the connection\. It could not be reached again within 0 s\./,
    ),
  });
});
