/** Tests the API of a running coordinator, with its token and over TLS. */

import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEventLog, readMetrics } from "@lockstep/run";
import { defined } from "@lockstep/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { start, tinyModel } from "./testing/program.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-monitoring-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const STEPS = 6;

test("the API of a coordinator reports the figures of metrics.jsonl, and needs the token", async () => {
  const env = { LOCKSTEP_TOKEN: "the-token", XDG_CONFIG_HOME: join(dir, "config") };
  const out = join(dir, "run");
  const training = ["--model", tinyModel, "--dataset", "shapes", "--no-test", "--max-steps", String(STEPS)];
  const listenOptions = ["--workers", "1", "--port", "0", "--tls", "self-signed", "--keep-open", "--out", out];
  const coordinator = start(["coordinator", ...training, ...listenOptions], env);
  await coordinator.prints(/wss:.* --tls-fingerprint \S+/);
  const [, url, fingerprint] = defined(/(wss:\S+) --tls-fingerprint (\S+)/.exec(coordinator.stdout()));
  const ca = new X509Certificate(readFileSync(join(dir, "config", "lockstep", "certificate.pem"))).toString();
  const ask = (path: string, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const address = `${defined(url).replace("wss", "https")}${path}`;
      get(address, { ca, servername: "localhost", headers }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (data: string) => {
          text += data;
        });
        response.on("end", () => resolve({ status: defined(response.statusCode), text }));
      }).on("error", reject);
    });
  const trusted = { authorization: `Bearer ${env.LOCKSTEP_TOKEN}` };

  expect(await ask("/healthz")).toEqual({ status: 200, text: "ok\n" });
  expect((await ask("/metrics")).status).toBe(401);
  expect(JSON.parse((await ask("/api/run", trusted)).text)).toMatchObject({
    state: "waiting",
    phase: "gathering",
    step: 0,
    workers: [],
  });

  const options = [
    "--coordinator",
    defined(url),
    "--tls-fingerprint",
    defined(fingerprint),
    "--name",
    "w",
    "--threads",
    "1",
  ];
  const worker = start(["worker", ...options], env);
  await coordinator.prints("the run is over; --keep-open keeps the coordinator");
  expect((await worker.finished).status).toBe(0);
  const rows = readMetrics(join(out, "metrics.jsonl")).filter((row) => row.type === "step");
  const last = defined(rows.at(-1));
  const share = defined(defined(last.workers)[0]);
  expect(JSON.parse((await ask("/api/run", trusted)).text)).toMatchObject({
    state: "finished",
    phase: "over",
    step: STEPS,
    steps: STEPS,
    loss: last.loss,
    stepMs: last.ms.step,
    model: "Tiny",
    workers: [{ name: "w", backend: "native", state: "left", ms: share.ms, io: share.io }],
  });
  const { text } = await ask("/metrics", trusted);
  expect(text).toContain(`\nlockstep_step ${STEPS}\n`);
  expect(text).toContain(`\nlockstep_loss ${last.loss}\n`);
  const bytesUp = rows.reduce((total, { workers }) => total + defined(defined(workers)[0]).bytesUp, 0);
  expect(text).toContain(`lockstep_bytes_total{worker="w",direction="up"} ${bytesUp}\n`);

  const updates = parseEventLog(readFileSync(join(out, "events.jsonl"), "utf8"));
  const phases = updates.flatMap((update) => (update.type === "phase" ? update.phase.name : []));
  expect(phases).toEqual(["gathering", "starting", "stepping", "over"]);

  coordinator.child.kill("SIGINT");
  expect((await coordinator.finished).status).toBe(0);
});
