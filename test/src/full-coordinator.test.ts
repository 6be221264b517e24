/** Tests a coordinator whose memory suffices for one worker only, with real workers. */

import { makeConfig } from "@lockstep/config";
import { Admission, RemoteTeam, serveSessions } from "@lockstep/coordinator";
import { defined } from "@lockstep/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import tiny from "../fixtures/tiny-model.js";
import packageJson from "../package.json" with { type: "json" };
import { TcpProxy } from "./testing/network/tcp-proxy.ts";
import { type Running, run, start } from "./testing/program.ts";

const config = { ...makeConfig({ model: "tiny", dataset: "shapes" }) };
const limits = { heartbeatMs: 1000, stallMs: 60_000 };
const nowMs = () => performance.now();

const team = new RemoteTeam({
  ...limits,
  workers: 1,
  minWorkers: 1,
  balance: "even",
  runId: "r",
  maxLogBytes: 1,
  log: () => {},
  nowMs,
});
const admission = new Admission({ config, team, version: packageJson.version });
/** Codes of the refusals. */
const refused: string[] = [];
/** Ends of connections that the coordinator learns of after its next refusal. */
const unnoticed: (() => void)[] = [];
let proxy: TcpProxy;
let close: () => Promise<void>;
let worker: Running;

beforeAll(async () => {
  const server = await serveSessions({
    ...limits,
    nowMs,
    listen: { host: "127.0.0.1", port: 0, anyPort: true, allowHosts: ["127.0.0.1"] },
    welcome: Promise.resolve({ run: "r", config, codeModel: false, spec: tiny }),
    records: Promise.resolve(undefined),
    admission: {
      admit(session) {
        try {
          return admission.admit(session);
        } catch (error) {
          refused.push((error as { code: string }).code);
          for (const notice of unnoticed.splice(0)) notice();
          throw error;
        }
      },
      onDisconnected: (session, reason) => void unnoticed.push(() => admission.onDisconnected(session, reason)),
    },
  });
  close = () => server.close();
  proxy = await TcpProxy.to(server.port);
  admission.begin({ mostWorkers: 1 });
  worker = start(["worker", "--coordinator", proxy.url, "--backend", "cpu"]);
  await memberJoins(() => true);
});
afterAll(async () => {
  proxy.close();
  await close();
});

/** Waits until a matching worker has joined. */
async function memberJoins(matches: (id: number) => boolean): Promise<void> {
  const ended = worker.finished.then(({ stderr }) => Promise.reject(new Error(`It has ended: ${stderr}`)));
  await Promise.race([team.until(() => team.members.some(({ id }) => matches(id))), ended]);
}

test("a second worker is refused, and ends with the reason", async () => {
  const { status, stderr } = await run(["worker", "--coordinator", proxy.url, "--backend", "cpu"]);
  expect(stderr).toMatch(/^ERR_FULL: Expected the number of workers to be at most 1, got one more/);
  expect(status).toBe(1);
});

test("a worker that reconnects before the loss of its connection is noticed tries again, and is admitted", async () => {
  const before = defined(team.members[0]).id;
  refused.length = 0;
  proxy.cut();
  await memberJoins((id) => id !== before);
  expect(refused).toEqual(["ERR_FULL"]);
  team.finish();
  expect(await worker.finished).toMatchObject({ status: 0, stderr: "" });
});
