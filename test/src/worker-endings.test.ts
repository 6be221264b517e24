/** Tests how the program `worker` ends: its messages and its exit status, with coordinators that follow a script. */

import { expect, type TestContext, test } from "vitest";
import { run } from "./testing/program.ts";
import {
  afterReady,
  type Script,
  type Scripted,
  scriptedCoordinator,
  sendState,
  start,
} from "./testing/scripted-coordinator.ts";

/** Runs a worker until it ends. @param drops number of connections that the coordinator drops on `hello` */
async function worker(
  script: Script,
  { task, onTestFinished: onFinished }: TestContext,
  { drops = 0, options = [] }: { drops?: number; options?: string[] } = {},
) {
  const url = await scriptedCoordinator(script, { drops, onFinished });
  return run(["worker", "--coordinator", url, "--backend", "cpu", ...options], {}, task);
}

test.concurrent.for<[string, string, Script]>([
  ["refuses it", "ERR_FULL", { hello: [{ type: "refused", code: "ERR_FULL", reason: "no\u001b[2J\u202e" }] }],
  ["requests five states at once", "ERR_MESSAGE_ORDER", afterReady(start, ...[0, 1, 2, 3, 4].map(sendState))],
])(
  "a worker whose coordinator %s prints one line with %s, no stack trace, and exits with 1",
  async ([_, code, script], context) => {
    const { status, stderr } = await worker(script, context, { options: ["--reconnect-ms", "0"] });
    expect(stderr).toMatch(new RegExp(`^${code}: [^\\u001b\\u202e\\n]+\\n$`));
    expect(status).toBe(1);
  },
);

test.concurrent("a worker leaves a coordinator that is silent for ten heartbeats", async (context) => {
  const { status, stderr } = await worker({}, context, { options: ["--reconnect-ms", "0"] });
  expect(stderr).toMatch(/^ERR_SILENT: Nothing was received from the coordinator for 1\d s.\n$/);
  expect(status).toBe(1);
});

test.concurrent("a worker whose connection is dropped before the welcome tries again, and trains when it is admitted", async (context) => {
  const script = afterReady(start, { type: "finished" });
  const { status, stdout, stderr } = await worker(script, context, { drops: 2 });
  expect([stderr, status]).toEqual(["", 0]);
  expect(stdout).toContain("The coordinator closed the connection. Trying to reconnect for 120 s.");
  expect(stdout).toMatch(/^the coordinator has released this worker after 0 steps$/m);
});

test.concurrent("a worker whose connections are all dropped before the welcome gives up after --reconnect-ms", async (context) => {
  const all = { drops: Number.POSITIVE_INFINITY, options: ["--reconnect-ms", "1000"] };
  const { status, stderr } = await worker({}, context, all);
  expect(stderr).toMatch(
    /^ERR_DISCONNECTED: The coordinator closed the connection\. It could not be reached again within 1 s\./,
  );
  expect(status).toBe(1);
});

test.concurrent("a worker whose team is full for longer than --reconnect-ms gives up with the reason", async (context) => {
  const script = afterReady({ type: "refused", code: "ERR_FULL", reason: "no room" });
  const { status, stdout, stderr } = await worker(script, context, { drops: 1, options: ["--reconnect-ms", "1000"] });
  expect([stderr, status]).toEqual(["ERR_FULL: no room\n", 1]);
  expect(stdout.match(/Trying to reconnect/g)).toHaveLength(1);
  expect(stdout).toContain("\nno room\n");
});

test.concurrent("a worker that is refused with a reason does not reconnect", async (context) => {
  const refused: Scripted = { type: "refused", code: "ERR_PROTOCOL", reason: "another protocol" };
  const { status, stderr } = await worker({ hello: [refused] }, context, { drops: 1 });
  expect([stderr, status]).toEqual(["ERR_PROTOCOL: another protocol\n", 1]);
});
