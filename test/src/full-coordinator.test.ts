/** Tests a coordinator whose memory suffices for one worker only, with real workers. */

import { makeConfig } from "@lockstep/config";
import { Admission, RemoteTeam, serveSessions } from "@lockstep/coordinator";
import { defined } from "@lockstep/testing";
import { test as base, expect } from "vitest";
import tiny from "../fixtures/tiny-model.js";
import packageJson from "../package.json" with { type: "json" };
import { TcpProxy } from "./testing/network/tcp-proxy.ts";
import { type Running, run, start } from "./testing/program.ts";

const config = { ...makeConfig({ model: "tiny", dataset: "shapes" }) };
const limits = { heartbeatMs: 1000, stallMs: 60_000 };
const nowMs = () => performance.now();

/** Serves a run whose memory suffices for one worker. */
async function serveOneWorker() {
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
  const recorded = recordedAdmission(new Admission({ config, team, version: packageJson.version }));
  const server = await serveSessions({
    ...limits,
    nowMs,
    listen: { host: "127.0.0.1", port: 0, anyPort: true, allowHosts: ["127.0.0.1"] },
    welcome: Promise.resolve({ run: "r", config, codeModel: false, spec: tiny }),
    records: Promise.resolve(undefined),
    admission: recorded.admission,
  });
  return { team, server, refused: recorded.refused };
}

/**
 * Starts an admission of one worker that records refusals, and learns of the end of a connection only at the next one.
 */
function recordedAdmission(inner: Admission) {
  /** Codes of the refusals. */
  const refused: string[] = [];
  const unnoticed: (() => void)[] = [];
  const admission: Pick<Admission, "admit" | "onDisconnected"> = {
    admit(session) {
      try {
        return inner.admit(session);
      } catch (error) {
        refused.push((error as { code: string }).code);
        for (const notice of unnoticed.splice(0)) notice();
        throw error;
      }
    },
    onDisconnected: (session, reason) => void unnoticed.push(() => inner.onDisconnected(session, reason)),
  };
  inner.begin({ maxWorkers: 1 });
  return { admission, refused };
}

const test = base
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads a fixture's needs from this pattern
  .extend("coordinator", { scope: "file" }, async ({}, { onCleanup }) => {
    const coordinator = await serveOneWorker();
    onCleanup(() => coordinator.server.close());
    return coordinator;
  })
  .extend("proxy", { scope: "file" }, async ({ coordinator }, { onCleanup }) => {
    const proxy = await TcpProxy.to(coordinator.server.port);
    onCleanup(() => proxy.close());
    return proxy;
  })
  /** The worker that the coordinator has room for. */
  .extend("worker", { scope: "file" }, async ({ coordinator: { team }, proxy }) => {
    const worker = start(["worker", "--coordinator", proxy.url, "--backend", "cpu"], {}, [], "file");
    await memberJoins({ team, worker }, () => true);
    return worker;
  });

/** Waits until a matching worker has joined. */
async function memberJoins({ team, worker }: { team: RemoteTeam; worker: Running }, matches: (id: number) => boolean) {
  const ended = worker.finished.then(({ stderr }) => Promise.reject(new Error(`It has ended: ${stderr}`)));
  await Promise.race([team.until(() => team.members.some(({ id }) => matches(id))), ended]);
}

test("a second worker is refused, and ends with the reason", async ({ proxy, worker }) => {
  const { status, stderr } = await run(["worker", "--coordinator", proxy.url, "--backend", "cpu"]);
  expect(stderr).toMatch(/^ERR_FULL: Expected the number of workers to be at most 1, got one more/);
  expect(status).toBe(1);
  expect(worker.child.exitCode).toBeNull();
});

test("a worker that reconnects before the loss of its connection is noticed tries again, and is admitted", async ({
  coordinator: { team, refused },
  proxy,
  worker,
}) => {
  const before = defined(team.members[0]).id;
  const earlier = refused.length;
  proxy.cut();
  await memberJoins({ team, worker }, (id) => id !== before);
  expect(refused.slice(earlier)).toEqual(["ERR_FULL"]);
  team.finish();
  expect(await worker.finished).toMatchObject({ status: 0, stderr: "" });
});
