/** Tests a run on one machine in this process: what it releases, records and repeats. */
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeConfig } from "@lockstep/config";
import { holdRunFolder, lineDisplay, openRunFolder, parseEventLog, readReport } from "@lockstep/run";
import { test } from "@lockstep/testing";
import { expect, onTestFinished, vi } from "vitest";
import { trainInProcess } from "./train-in-process.ts";

const model = fileURLToPath(new URL("../../../test/fixtures/tiny-model.js", import.meta.url));

test("a training whose dashboard does not start releases its folder, its signal listeners and its threads", async ({
  folder,
}) => {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const open = () => [process.listenerCount("SIGTERM"), process.getActiveResourcesInfo().filter(isThread).length];
  const before = open();
  const view = { display: lineDisplay(() => {}), dashboard: { port } };
  const request = { type: "new" as const, config: makeConfig({ dataset: "shapes", model }), out: join(folder, "run") };
  const training = trainInProcess(request, { threads: 1 }, view);
  await expect(training).rejects.toMatchObject({ code: "ERR_LISTEN" });
  await vi.waitFor(() => expect(open()).toEqual(before)); // the port of an ended thread closes in a later turn of the loop
  const run = openRunFolder(join(folder, "run"));
  (await holdRunFolder(run.folder, () => {})).release(); // no other process holds it
});

/** The channel to a thread keeps this process alive. */
const isThread = (resource: string) => resource === "MessagePort";

test("events.jsonl has the phases of a run on one machine and of its resume", async ({ folder }) => {
  const view = { display: lineDisplay(() => {}) };
  const config = makeConfig({ dataset: "shapes", model, maxSteps: 2, test: false });
  const request = { type: "new" as const, config, out: join(folder, "run") };
  const { eventLog, checkpoints } = await trainInProcess(request, { threads: 1 }, view);
  const phases = () =>
    parseEventLog(readFileSync(eventLog, "utf8")).flatMap((update) =>
      update.type === "phase" ? update.phase.name : [],
    );
  expect(phases()).toEqual(["stepping", "over"]);
  rmSync(checkpoints, { recursive: true });
  mkdirSync(checkpoints);
  await trainInProcess({ type: "resume", dir: join(folder, "run"), explicit: {} }, {}, view);
  expect(phases()).toEqual(["stepping", "over", "stepping", "over"]);
});

test("a resume of a finished run says where its results are, without an engine", async ({ folder }) => {
  const lines: string[] = [];
  const view = { display: lineDisplay((line) => lines.push(line)) };
  const config = makeConfig({ dataset: "shapes", model, maxSteps: 1, test: false });
  const out = join(folder, "run");
  await trainInProcess({ type: "new", config, out }, { threads: 1 }, view);
  const results = lines.slice(-3);
  const noEngine = { threads: 0 };
  lines.length = 0;
  await trainInProcess({ type: "resume", dir: out, explicit: {} }, noEngine, view);
  expect(lines).toEqual([expect.stringMatching(/^steps: {2}1, \d+ per epoch; 1 done$/), ...results]);
  const withTest = trainInProcess({ type: "resume", dir: out, explicit: { test: true } }, noEngine, view);
  await expect(withTest).rejects.toMatchObject({ code: "ERR_THREADS" });
});

test("a finished run that was started with --no-test is tested on a resume with --test", async ({ folder }) => {
  const view = { display: lineDisplay(() => {}) };
  const config = makeConfig({ dataset: "shapes", model, maxSteps: 1, test: false });
  const out = join(folder, "run");
  const { report } = await trainInProcess({ type: "new", config, out }, { threads: 1 }, view);
  expect(existsSync(report)).toBe(false);
  await trainInProcess({ type: "resume", dir: out, explicit: { test: true } }, {}, view);
  expect(readReport(report)?.samples).toBeGreaterThan(0);
});

test("a run that was killed before its first checkpoint starts again at step 0, with the same bits", async ({
  folder,
}) => {
  const lines: string[] = [];
  const view = { display: lineDisplay((line) => lines.push(line)) };
  const config = makeConfig({ dataset: "shapes", model, maxSteps: 2, test: false });
  const {
    dir: out,
    checkpoints,
    metrics,
  } = await trainInProcess({ type: "new", config, out: join(folder, "run") }, { threads: 1 }, view);
  const results = () =>
    [join(out, "Tiny.safetensors"), metrics].map((path) => readFileSync(path, "utf8").replace(/"ms".*/g, ""));
  const undisturbed = results();
  rmSync(checkpoints, { recursive: true });
  mkdirSync(checkpoints);
  await trainInProcess({ type: "resume", dir: out, explicit: {} }, {}, view);
  expect(lines).toContain("no checkpoint was written yet; starting again at step 0");
  expect(results()).toEqual(undisturbed);
});
