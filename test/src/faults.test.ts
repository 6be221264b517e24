/** Injects faults into runs of real processes on real sockets. Their results must be those of an undisturbed run. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { defined } from "@lockstep/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Running, run as runToEnd, start, tinyModel, wideModel } from "./testing/program.ts";
import { TcpProxy } from "./testing/tcp-proxy.ts";
import { Training } from "./testing/training.ts";
import { type StepRow, stepsOf, Undisturbed } from "./testing/undisturbed.ts";

const dir = mkdtempSync(join(tmpdir(), "lockstep-faults-"));
afterAll(() => rmSync(dir, { recursive: true, maxRetries: 10 })); // processes of a failed test may still write

// A step has many slices, so that faults fall into the middle of a step. An epoch has 167 steps.
const options = ["--dataset", "shapes", "--train-fraction", "1", "--no-test", "--num-epochs", "1000", "--lr", "0.05"];
const tiny = ["--model", tinyModel, ...options, "--batch-size", "60", "--slice-rows", "5"];
const HEARTBEAT_MS = 500;
const SILENT_MS = 3 * HEARTBEAT_MS;

/** Time that other tests on the same cores may add. Tests in simulated time do without it. */
const BUSY_MS = 2000;

/** Upper bound of a step in which a worker fails: max(3 heartbeats, 4 × the predicted time) plus two slice times. */
function limitMs(quiet: readonly StepRow[]): number {
  const times = quiet.map(({ ms }) => ms.step).sort((a, b) => a - b);
  const [median, largest] = [defined(times[Math.floor(times.length / 2)]), defined(times.at(-1))];
  const checkMs = HEARTBEAT_MS / 4;
  return Math.max(SILENT_MS, 4 * median) + checkMs + 2 * largest + BUSY_MS;
}

const undisturbed = new Undisturbed(tiny, join(dir, "undisturbed"));

describe("one run with successive faults", () => {
  const limits = ["--workers", "3", "--min-workers", "2", "--heartbeat-ms", String(HEARTBEAT_MS)];
  const workers = new Map<string, { process: Running; proxy: TcpProxy }>();
  let run: Training;
  let quiet: StepRow[];

  const startWorker = async (name: string) => {
    const proxy = await TcpProxy.to(run.port);
    workers.set(name, { proxy, process: await run.worker(name, { url: proxy.url }) });
  };
  const signal = (name: string, kind: NodeJS.Signals) => defined(workers.get(name)).process.child.kill(kind);
  /** Injects a fault, and returns the longest time of the current and the next step. */
  const stepWhile = async (fault: () => unknown): Promise<number> => {
    const before = run.steps;
    await fault();
    await run.waitUntil(() => run.steps >= before + 2);
    return Math.max(
      ...stepsOf(run.out)
        .slice(before, before + 2)
        .map(({ ms }) => ms.step),
    );
  };

  beforeAll(async () => {
    run = await Training.start([...limits, ...tiny], join(dir, "eventful"));
  });
  afterAll(() => {
    for (const { proxy } of workers.values()) proxy.close();
  });

  test("Ctrl-C on workers before the run starts: they exit with 0, and the run starts with others", async () => {
    const early = start(["worker", "--coordinator", `ws://127.0.0.1:${run.port}`, "--name", "early"]);
    const waiting = run.worker("waiting");
    await early.prints("engine:");
    for (const worker of [early, await waiting]) {
      worker.child.kill("SIGINT");
      const { status, stderr } = await worker.finished;
      expect([status, stderr]).toEqual([0, ""]);
    }
    await Promise.all(["a", "b", "c"].map(startWorker));
    await run.advances(12);
    quiet = stepsOf(run.out).slice(2);
    expect(new Set(quiet.flatMap(({ workers }) => defined(workers).map(({ name }) => name)))).toEqual(
      new Set(["a", "b", "c"]),
    );
  });

  test("a worker is killed during its upload: its slices are reassigned", async () => {
    const { proxy, process } = defined(workers.get("c"));
    await proxy.up.hold(15_000);
    const killedMs = performance.now();
    process.child.kill("SIGKILL");
    proxy.cut();
    const step = run.steps;
    await run.advances(1);
    expect(performance.now() - killedMs).toBeLessThan(limitMs(quiet));
    expect(run.coordinator.stdout()).toContain("c was lost: its connection closed (2 connected)");
    expect(run.coordinator.stdout()).toMatch(
      new RegExp(`slice \\d+ of step ${step} goes to [ab]: its worker disconnected`),
    );
  });

  test("a worker that joins late receives the state, and then gets slices", async () => {
    await startWorker("d");
    await run.assignsSlicesTo("d");
    expect(run.coordinator.stdout()).toContain("d has caught up and is assigned slices");
  });

  test("a suspended worker is dropped for its silence; after it is continued it reconnects and gets slices", async () => {
    const stepMs = await stepWhile(() => signal("b", "SIGSTOP"));
    expect(stepMs).toBeGreaterThan(SILENT_MS / 2);
    expect(stepMs).toBeLessThan(limitMs(quiet));
    expect(run.coordinator.stdout()).toMatch(/b was dropped: nothing was received from it for 1\.[5-9] s/);
    signal("b", "SIGCONT");
    await run.assignsSlicesTo("b");
  });

  test("a worker is suspended during a step and then killed: its slices are reassigned", async () => {
    signal("d", "SIGSTOP");
    await run.stalls(SILENT_MS / 3);
    const step = run.steps;
    signal("d", "SIGKILL");
    await run.advances(1);
    expect(run.coordinator.stdout()).toMatch(
      new RegExp(`slice \\d+ of step ${step} goes to [ab]: its worker disconnected`),
    );
  });

  test("a worker whose connection is cut reconnects and gets slices", async () => {
    defined(workers.get("b")).proxy.cut();
    await run.assignsSlicesTo("b");
    expect(run.coordinator.stdout()).toMatch(/b was lost: its connection closed(.|\n)*b joined(.|\n)*b has caught up/);
    expect(defined(workers.get("b")).process.stdout()).toContain("The coordinator closed the connection.");
  });

  test("a worker that becomes ten times slower is not dropped, and no step exceeds the limit", async () => {
    const before = run.steps;
    let slow = true;
    const slowness = (async () => {
      for (; slow; await pause(10)) {
        signal("b", "SIGSTOP");
        await pause(90);
        signal("b", "SIGCONT");
      }
    })();
    const printedLength = run.coordinator.stdout().length;
    await run.advances(6);
    slow = false;
    await slowness;
    const times = stepsOf(run.out)
      .slice(before)
      .map(({ ms }) => ms.step);
    expect(Math.max(...times)).toBeLessThan(limitMs(quiet));
    expect(run.coordinator.stdout().slice(printedLength)).not.toMatch(/b was/);
  });

  test("a worker whose link needs longer for a message than it may be silent is not dropped", async () => {
    const printedLength = run.coordinator.stdout().length;
    const { upSpeed } = defined(workers.get("b")).proxy;
    upSpeed.bytesPerSecond = 5000;
    await pause(2 * SILENT_MS);
    await run.advances(2);
    upSpeed.bytesPerSecond = Number.POSITIVE_INFINITY;
    expect(run.coordinator.stdout().slice(printedLength)).not.toMatch(/b was/);
    await run.assignsSlicesTo("b");
  });

  test("a coordinator that was suspended for longer than a worker may be silent drops no worker", async () => {
    const printedLength = run.coordinator.stdout().length;
    run.coordinator.child.kill("SIGSTOP");
    await pause(SILENT_MS + HEARTBEAT_MS);
    run.coordinator.child.kill("SIGCONT");
    await run.advances(2);
    expect(run.coordinator.stdout().slice(printedLength)).not.toContain("was dropped");
  });

  test("the coordinator is killed while one worker is a step behind: the run continues from the other, and repeats no step", async () => {
    await startWorker("e");
    await run.assignsSlicesTo("e");
    void defined(workers.get("b")).proxy.down.hold();
    await run.stalls(SILENT_MS / 3);
    const { steps } = run;
    run.coordinator.child.kill("SIGKILL");
    defined(workers.get("b")).proxy.cut();
    await run.resume([...limits]);
    await run.assignsSlicesTo("b");
    expect(run.coordinator.stdout()).toContain(`resuming after ${steps} steps, with the weights that workers hold`);
    expect(run.coordinator.stdout()).toMatch(/b has caught up and is assigned slices/);
    expect(stepsOf(run.out).map(({ step }) => step)).toEqual(Array.from({ length: run.steps }, (_, step) => step));
  });

  test("Ctrl-C on a worker: it exits with 0, and the others continue", async () => {
    signal("e", "SIGINT");
    const { status, stdout } = await defined(workers.get("e")).process.finished;
    expect(status).toBe(0);
    expect(stdout).toContain("leaving after this slice");
    await run.advances(2);
    expect(run.coordinator.stdout()).toContain("e left (2 connected)");
  });

  test("with fewer workers than --min-workers the run pauses until one joins", async () => {
    signal("b", "SIGKILL");
    await run.coordinator.prints("the run pauses: 1 of 2 required workers is connected; start more workers");
    await run.stalls(HEARTBEAT_MS);
    await startWorker("f");
    await run.coordinator.prints("the run continues");
    await run.assignsSlicesTo("f");
  });

  test("Ctrl-C on the coordinator saves a checkpoint and ends all workers; the result is that of an undisturbed run", async () => {
    run.coordinator.child.kill("SIGINT");
    const { status, stdout } = await run.coordinator.finished;
    expect(status).toBe(130);
    expect(stdout).toMatch(
      new RegExp(`stopped after \\d+ steps?; continue with: pnpm coordinator --resume ${run.out}`),
    );
    for (const name of ["a", "f"]) expect((await defined(workers.get(name)).process.finished).status).toBe(0);
    expect(run.savedSteps).toBe(run.steps);
    await undisturbed.assertSame(run.out);
  });
});

describe("one run whose last worker is lost repeatedly", () => {
  const CHECKPOINT_EVERY = 50; // more steps than a fast machine completes before the kill
  const limits = ["--workers", "1", "--heartbeat-ms", String(HEARTBEAT_MS)];
  let run: Training;
  let worker: Running;

  beforeAll(async () => {
    const checkpoints = ["--checkpoint-every", String(CHECKPOINT_EVERY)];
    run = await Training.start([...limits, ...tiny, ...checkpoints], join(dir, "lonely"));
    worker = await run.worker("a");
    await run.advances(1);
  });

  test("worker and coordinator are killed before the first checkpoint: the run restarts", async () => {
    expect(run.savedSteps).toBe(0);
    run.coordinator.child.kill("SIGKILL");
    worker.child.kill("SIGKILL");
    await run.resume(limits);
    worker = await run.worker("b");
    await run.coordinator.prints("resuming after 0 steps, from the start: no checkpoint was written yet");
    await run.advances(1);
  });

  test("the coordinator is killed before the first checkpoint: the run continues with the worker's weights", async () => {
    run.coordinator.child.kill("SIGKILL");
    await run.coordinator.finished;
    const { steps } = run;
    expect(steps).toBeLessThan(CHECKPOINT_EVERY);
    await run.resume(limits);
    // A step's row is written before its update is sent: the worker may have one update fewer than there are rows.
    const resumeLine = new RegExp(`resuming after (${steps}|${steps - 1}) steps, with the weights that workers hold`);
    await run.coordinator.prints(resumeLine);
    await run.waitUntil(() => run.savedSteps >= CHECKPOINT_EVERY);
  });

  test("the worker is killed: another one continues from the last checkpoint", async () => {
    worker.child.kill("SIGKILL");
    await run.coordinator.prints("no worker is left; the run continues when workers join");
    const saved = run.savedSteps;
    expect(saved % CHECKPOINT_EVERY).toBe(0);
    worker = await run.worker("c");
    await run.coordinator.prints(`resuming after ${saved} steps, from the checkpoint`);
    await run.advances(1);
  });

  test("the coordinator is killed, and Ctrl-C ends the reconnecting worker: others continue from the last checkpoint", async () => {
    run.coordinator.child.kill("SIGKILL");
    await worker.prints("Trying to reconnect");
    worker.child.kill("SIGINT");
    expect((await worker.finished).status).toBe(0);
    const saved = run.savedSteps;
    await run.resume(limits);
    worker = await run.worker("d");
    await run.coordinator.prints(`resuming after ${saved} steps, from the checkpoint`);
    await run.advances(1);
  });

  test("Ctrl-C on the last worker: its weights are saved before it leaves", async () => {
    worker.child.kill("SIGINT");
    expect((await worker.finished).status).toBe(0);
    await run.coordinator.prints(
      "the last worker is leaving; its weights are saved; the run continues when workers join",
    );
    expect(run.savedSteps).toBe(run.steps);
    await undisturbed.assertSame(run.out);
    worker = await run.worker("e");
    await run.coordinator.prints(`resuming after ${run.savedSteps} steps, from the checkpoint`);
    await run.advances(1);
  });

  test("Ctrl-C twice on the coordinator: it does not wait for the current step", async () => {
    worker.child.kill("SIGSTOP");
    run.coordinator.child.kill("SIGINT");
    await run.coordinator.prints("stopping after this step; Ctrl-C again stops at once");
    run.coordinator.child.kill("SIGINT");
    expect((await run.coordinator.finished).status).toBe(130);
    worker.child.kill("SIGKILL");
  });

  test("Ctrl-C on a coordinator without workers: it ends immediately", async () => {
    await run.resume(limits);
    worker = await run.worker("f");
    await run.advances(1);
    worker.child.kill("SIGKILL");
    await run.coordinator.prints("no worker is left");
    run.coordinator.child.kill("SIGINT");
    const { status, stdout } = await run.coordinator.finished;
    expect(status).toBe(130);
    expect(stdout).toMatch(
      new RegExp(`stopped after \\d+ steps?; continue with: pnpm coordinator --resume ${run.out}`),
    );
  });
});

describe("a worker whose computing thread stalls while it sends heartbeats", () => {
  const model = fileURLToPath(new URL("../fixtures/stalling-model.js", import.meta.url));
  const stalling = ["--model", model, ...options, "--batch-size", "60", "--slice-rows", "5"];
  const STALL_MS = 3 * SILENT_MS;
  const limits = ["--workers", "3", "--heartbeat-ms", String(HEARTBEAT_MS), "--stall-ms", String(STALL_MS)];
  const stalls = { slow: [60, SILENT_MS + 2 * HEARTBEAT_MS], hung: [160, Number.POSITIVE_INFINITY] };
  let run: Training;
  let hung: Running;

  beforeAll(async () => {
    run = await Training.start([...limits, ...stalling], join(dir, "stalling"));
    const worker = (name: string, [slice, ms]: number[]) =>
      run.worker(name, { options: ["--model", model], env: { LOCKSTEP_TEST_STALL: `${slice} ${ms}` } });
    [, , hung] = await Promise.all([worker("quick", []), worker("slow", stalls.slow), worker("hung", stalls.hung)]);
  });

  test("for longer than it may be silent: its slices are reassigned, and it gets slices again later", async () => {
    await run.coordinator.prints(/slice \d+ of step \d+ goes to \w+: it has taken/);
    await run.assignsSlicesTo("slow");
    expect(run.coordinator.stdout()).not.toContain("slow was");
  });

  test("forever: only one step waits for it, and it is dropped after --stall-ms", async () => {
    await run.coordinator.prints("hung was dropped: still sending heartbeats, but no progress for");
    hung.child.kill("SIGKILL");
    await run.advances(2);
    const rows = stepsOf(run.out);
    const late = rows.filter(({ ms }) => ms.step > SILENT_MS);
    expect(late.length).toBe(2);
    for (const { ms } of late) expect(ms.step).toBeLessThan(limitMs(rows.filter((row) => !late.includes(row))));
  });

  test("has no effect on the result of the run", async () => {
    run.coordinator.child.kill("SIGINT");
    expect((await run.coordinator.finished).status).toBe(130);
    await new Undisturbed(stalling, join(dir, "stalling-undisturbed")).assertSame(run.out);
  });
});

test("a worker is lost while it sends its weights to a late joiner: the late joiner starts over", async () => {
  const wide = ["--model", wideModel, ...options, "--batch-size", "8", "--slice-rows", "4"];
  const run = await Training.start(["--workers", "1", ...wide], join(dir, "wide"));
  const source = await run.worker("source");
  await run.advances(1);
  const proxy = await TcpProxy.to(run.port);
  const lateWorker = start(["worker", "--coordinator", proxy.url, "--threads", "1", "--name", "newcomer"]);
  await lateWorker.prints("engine:");
  await proxy.down.hold(3_000_000);
  source.child.kill("SIGKILL");
  await run.coordinator.prints("resuming after 0 steps, from the start: no checkpoint was written yet");
  proxy.down.release();
  await run.assignsSlicesTo("newcomer");
  run.coordinator.child.kill("SIGINT");
  expect((await run.coordinator.finished).status).toBe(130);
  proxy.close();
});

describe("pnpm train --workers 3", () => {
  /** Returns the processes that it has started. */
  const workersOf = ({ child }: Running) =>
    execFileSync("pgrep", ["-P", String(child.pid), "-f", "packages/worker/"], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map(Number);

  test("continues when one worker is killed, and ends with an error when all have ended", async () => {
    const training = start(["train", "--workers", "3", ...tiny, "--max-steps", "100000", "--out", join(dir, "local")]);
    await training.prints(/^step/m);
    const [first, ...others] = workersOf(training);
    process.kill(defined(first), "SIGKILL");
    await training.prints("(2 connected)");
    process.kill(defined(others[0]), "SIGKILL");
    process.kill(defined(others[1]), "SIGTERM");
    const { status, stderr } = await training.finished;
    expect(stderr).toContain("ERR_LOCAL_WORKER: All workers have exited");
    expect(status).toBe(1);
  });
});

test("invalid options are refused with what was expected", async () => {
  for (const [words, message] of [
    [["--heartbeat-ms", "0"], 'Expected a whole number from 1 to 715827882, got "0".'],
    [["--stall-ms", "abc"], 'Expected a whole number of at least 1, got "abc".'],
    [["--min-workers", "5", "--workers", "2"], "Expected --min-workers to be at most --workers (2), got 5"],
  ] as const) {
    const { status, stderr } = await runToEnd(["coordinator", ...words]);
    expect(stderr).toContain(message);
    expect(status).toBe(1);
  }
});
