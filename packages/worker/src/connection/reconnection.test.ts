/** Tests the outcomes of a reconnection on a simulated clock, with a coordinator that is a list of outcomes. */

import { LockstepError } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import { expect, test, vi } from "vitest";
import type { Connection } from "./connection.ts";
import { Dismissed } from "./inbox.ts";
import { Reconnection, type ReconnectionEnvironment } from "./reconnection.ts";

const disconnectError = new LockstepError("ERR_DISCONNECTED", "The coordinator closed the connection.");
const unreachable = new LockstepError("ERR_CONNECT", "Expected a coordinator, got nothing.");
const full = new LockstepError("ERR_FULL", "Expected at most 1 workers, and they are here.");

/** A clock that only pauses move on, at once, and a coordinator whose attempts end as listed; the last outcome repeats. */
class SimulatedEnvironment implements ReconnectionEnvironment {
  readonly pauses: number[] = [];
  readonly #outcomes: (Connection | LockstepError)[];
  #nowMs = 0;

  constructor(...outcomes: (Connection | LockstepError)[]) {
    this.#outcomes = outcomes;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  async pause(ms: number): Promise<void> {
    this.pauses.push(ms);
    this.#nowMs += ms;
  }

  async connect(): Promise<Connection> {
    const outcome = defined(this.#outcomes.length > 1 ? this.#outcomes.shift() : this.#outcomes[0]);
    if (outcome instanceof LockstepError) throw outcome;
    return outcome;
  }
}

/** A connection that can only be closed. */
const fakeConnection = (close = async () => {}) => ({ close }) as Connection;

function reconnection(environment: ReconnectionEnvironment, reconnectMs = 10_000): Reconnection {
  return new Reconnection({ coordinator: "ws://127.0.0.1:1", join: {}, reconnectMs }, disconnectError, environment);
}

const staying = new AbortController().signal;

test("a reconnection resolves with the connection of the first attempt that is accepted", async () => {
  const connection = fakeConnection();
  const environment = new SimulatedEnvironment(unreachable, full, connection);
  await expect(reconnection(environment).connect(disconnectError, staying)).resolves.toBe(connection);
  expect(environment.pauses).toHaveLength(3);
});

test.each([
  ["half of it", 0, 0.5],
  ["all of it", 1, 1],
])(
  "the wait before an attempt doubles up to two seconds, of which a worker waits at random %s",
  async (_, drawn, share) => {
    const random = vi.spyOn(Math, "random").mockReturnValue(drawn);
    const environment = new SimulatedEnvironment(unreachable, unreachable, unreachable, unreachable, fakeConnection());
    await reconnection(environment).connect(disconnectError, staying);
    random.mockRestore();
    expect(environment.pauses).toEqual([250, 500, 1000, 2000, 2000].map((ms) => share * ms));
  },
);

test("the wait doubles from one connection to the next until the coordinator sends welcome", async () => {
  const random = vi.spyOn(Math, "random").mockReturnValue(1);
  const environment = new SimulatedEnvironment(fakeConnection());
  const attempts = reconnection(environment);
  for (let connections = 0; connections < 3; connections++) await attempts.connect(disconnectError, staying);
  random.mockRestore();
  expect(environment.pauses).toEqual([250, 500, 1000]);
});

test("a worker that is to leave during a wait makes no further attempt", async () => {
  const leave = new AbortController();
  const environment = new SimulatedEnvironment(fakeConnection());
  const connect = vi.spyOn(environment, "connect");
  vi.spyOn(environment, "pause").mockImplementation(async () => leave.abort());
  await expect(reconnection(environment).connect(disconnectError, leave.signal)).rejects.toBeInstanceOf(Dismissed);
  expect(connect).not.toHaveBeenCalled();
});

test("a worker that is to leave while it connects closes the new connection", async () => {
  const leave = new AbortController();
  const close = vi.fn(async () => {});
  const environment = new SimulatedEnvironment();
  vi.spyOn(environment, "connect").mockImplementation(async () => {
    leave.abort();
    return fakeConnection(close);
  });
  await expect(reconnection(environment).connect(disconnectError, leave.signal)).rejects.toBeInstanceOf(Dismissed);
  expect(close).toHaveBeenCalledOnce();
});

test("at the deadline the error has the original reason, and the last one as its cause", async () => {
  const reconnecting = reconnection(new SimulatedEnvironment(full, unreachable)).connect(disconnectError, staying);
  await expect(reconnecting).rejects.toMatchObject({
    code: "ERR_DISCONNECTED",
    message: expect.stringMatching(
      /^The coordinator closed the connection\. It could not be reached again within 10 s\. Resume the run /,
    ),
    cause: unreachable,
  });
});

test("a failed reconnection ends with the original reason, and not with a refusal in between", async () => {
  const reconnecting = reconnection(new SimulatedEnvironment(unreachable), 100).connect(full, staying);
  await expect(reconnecting).rejects.toMatchObject({
    code: "ERR_DISCONNECTED",
    message: expect.stringMatching(
      /^The coordinator closed the connection\. It could not be reached again within 0 s\./,
    ),
  });
});

test.each(["ERR_FULL", "ERR_LIMITED"] as const)(
  "at the deadline the error is that of the limit which refused the last attempt: %s",
  async (code) => {
    const refusal = new LockstepError(code, "Try later.");
    const environment = new SimulatedEnvironment(unreachable, refusal);
    await expect(reconnection(environment).connect(disconnectError, staying)).rejects.toBe(refusal);
  },
);

test("with reconnectMs 0 there is no attempt, and the error is that of the disconnect", async () => {
  const environment = new SimulatedEnvironment(fakeConnection());
  const connect = vi.spyOn(environment, "connect");
  await expect(reconnection(environment, 0).connect(disconnectError, staying)).rejects.toBe(disconnectError);
  expect(connect).not.toHaveBeenCalled();
});

test("a refusal that is final ends the attempts", async () => {
  const refusal = new LockstepError("ERR_TOKEN", "Expected the token.");
  const environment = new SimulatedEnvironment(unreachable, refusal);
  await expect(reconnection(environment).connect(disconnectError, staying)).rejects.toBe(refusal);
  expect(environment.pauses).toHaveLength(2);
});
