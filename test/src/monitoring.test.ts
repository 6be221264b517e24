/** Tests the API of a running coordinator, with its token and over TLS. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { type MetricsRow, parseEventLog, readMetrics } from "@lockstep/run";
import { defined, test } from "@lockstep/testing";
import { expect } from "vitest";
import { type Running, start, tinyModel } from "./testing/program.ts";

const TOKEN = "the-token";
const STEPS = 6;
const model = ["--model", tinyModel, "--dataset", "shapes", "--train-fraction", "1", "--no-test"];
const trusted = { authorization: `Bearer ${TOKEN}` };

/** A coordinator that stays after its run, and requests to its API. */
async function startCoordinator(folder: string) {
  const env = { LOCKSTEP_TOKEN: TOKEN, XDG_CONFIG_HOME: join(folder, "config") };
  const out = join(folder, "run");
  const listenOptions = ["--workers", "1", "--port", "0", "--tls", "self-signed", "--keep-open", "--out", out];
  const coordinator = start(["coordinator", ...model, "--max-steps", String(STEPS), ...listenOptions], env);
  await coordinator.prints(/wss:.* --tls-fingerprint \S+/);
  const [, url, fingerprint] = defined(/(wss:\S+) --tls-fingerprint (\S+)/.exec(coordinator.stdout()));
  const ca = new X509Certificate(readFileSync(join(folder, "config", "lockstep", "certificate.pem"))).toString();
  const ask = (path: string, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const address = `${defined(url).replace("wss", "https")}${path}`;
      get(address, { ca, servername: "localhost", headers }, async (response) => {
        const text = Buffer.concat(await response.toArray()).toString();
        resolve({ status: defined(response.statusCode), text });
      }).on("error", reject);
    });
  const connect = ["--coordinator", defined(url), "--tls-fingerprint", defined(fingerprint)];
  const startWorker = () => start(["worker", ...connect, "--name", "w", "--threads", "1"], env);
  return { coordinator, ask, startWorker, out };
}

/** Resolves when the run is over and the worker has left. */
async function finished(coordinator: Running, worker: Running): Promise<void> {
  await coordinator.prints("the run is over; --keep-open keeps the coordinator");
  expect((await worker.finished).status).toBe(0);
}

/** Returns the bytes that the only worker sent in all steps. */
const bytesUpIn = (rows: readonly MetricsRow[]) =>
  rows
    .flatMap((row) => (row.type === "step" ? defined(row.workers) : []))
    .reduce((sum, { bytesUp }) => sum + bytesUp, 0);

test("the API of a coordinator reports the figures of metrics.jsonl, and needs the token", async ({ folder }) => {
  const { coordinator, ask, startWorker, out } = await startCoordinator(folder);
  expect(await ask("/healthz")).toEqual({ status: 200, text: "ok\n" });
  expect((await ask("/metrics")).status).toBe(401);
  const waiting = { state: "waiting", phase: "gathering", step: 0, workers: [] };
  expect(JSON.parse((await ask("/api/run", trusted)).text)).toMatchObject(waiting);

  await finished(coordinator, startWorker());
  const rows = readMetrics(join(out, "metrics.jsonl"));
  const last = defined(rows.findLast((row) => row.type === "step"));
  const { ms, io } = defined(defined(last.workers)[0]);
  expect(JSON.parse((await ask("/api/run", trusted)).text)).toMatchObject({
    state: "finished",
    phase: "over",
    step: STEPS,
    steps: STEPS,
    loss: last.loss,
    stepMs: last.ms.step,
    model: "Tiny",
    workers: [{ name: "w", backend: "native", state: "left", ms, io }],
  });
  const { text } = await ask("/metrics", trusted);
  expect(text).toContain(`\nlockstep_step ${STEPS}\n`);
  expect(text).toContain(`\nlockstep_loss ${last.loss}\n`);
  expect(text).toContain(`lockstep_bytes_total{worker="w",direction="up"} ${bytesUpIn(rows)}\n`);

  const updates = parseEventLog(readFileSync(join(out, "events.jsonl"), "utf8"));
  const phases = updates.flatMap((update) => (update.type === "phase" ? update.phase.name : []));
  expect(phases).toEqual(["gathering", "starting", "stepping", "over"]);
  coordinator.child.kill("SIGINT");
  expect((await coordinator.finished).status).toBe(0);
});
