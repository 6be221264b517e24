/**
 * Injects faults into runs of real processes on real sockets. Their results must be those of an undisturbed run. The file
 * tells two stories, one of a team and one of a lone worker: the tests of each share a run and follow on each other, so run
 * the file as a whole.
 */

import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { temporaryFolder } from "@lockstep/testing";
import { test as base, expect } from "vitest";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { HEARTBEAT_MS, limitMs, manySteps, SILENT_MS } from "./testing/fault-limits.ts";
import { ProxiedWorkers } from "./testing/network/proxied-workers.ts";
import { start, tinyModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";
import { type StepRow, stepsOf, Undisturbed } from "./testing/undisturbed.ts";

const folder = temporaryFolder();
const tiny = ["--model", tinyModel, ...manySteps];
/** At this speed a step takes a tenth of a second or more. */
const LINK_BYTES_PER_SECOND = 500_000;
/** At this speed a step takes seconds. */
const SLOW_BYTES_PER_SECOND = 5000;
const heartbeat = ["--heartbeat-ms", String(HEARTBEAT_MS)];
const undisturbed = new Undisturbed(tiny, join(folder, "undisturbed"));

/** Returns a test function whose tests follow on each other: they share one run and its workers. */
function testOfOneRun(name: string, options: string[], standbys: number) {
  return base
    .extend("run", { scope: "file" }, () => Training.start([...options, ...tiny], join(folder, name), "file"))
    .extend("workers", { scope: "file" }, ({ run }, { onCleanup }) => {
      const workers = new ProxiedWorkers(run, { standbys, bytesPerSecond: LINK_BYTES_PER_SECOND, owner: "file" });
      onCleanup(() => workers.close());
      return workers;
    });
}

const teamLimits = ["--workers", "3", "--min-workers", "2", ...heartbeat];
/** Tests of a run with two workers or more. */
const teamTest = testOfOneRun("team", teamLimits, 2);
/** Number of steps before the first fault. */
const QUIET_STEPS = 12;
const quietSteps = ({ out }: Training) => stepsOf(out).slice(2, QUIET_STEPS);
const longest = (rows: readonly StepRow[]) => Math.max(...rows.map(({ ms }) => ms.step));

teamTest(
  "Ctrl-C on workers before a run starts: they exit with 0, and the run starts with others",
  async ({ run, workers }) => {
    const early = start(["worker", "--coordinator", `ws://127.0.0.1:${run.port}`, "--name", "early"]);
    const waiting = run.worker("waiting");
    await early.prints("engine:");
    for (const worker of [early, await waiting]) {
      worker.child.kill("SIGINT");
      assertSucceeded(await worker.finished);
    }
    await Promise.all(["a", "b", "c"].map((name) => workers.start(name)));
    await run.advances(QUIET_STEPS);
    const names = quietSteps(run).flatMap(({ workers = [] }) => workers.map(({ name }) => name));
    expect(new Set(names)).toEqual(new Set(["a", "b", "c"]));
  },
);

teamTest("the slices of a worker that is killed during its upload are reassigned", async ({ run, workers }) => {
  const { proxy, process } = workers.get("c");
  await proxy.up.hold(15_000);
  const killedMs = performance.now();
  const step = run.steps;
  process.child.kill("SIGKILL");
  proxy.cut();
  await run.coordinator.prints("c was lost: its connection closed (2 connected)");
  await run.coordinator.prints(new RegExp(`samples \\d+ to \\d+ of step ${step} go to [ab]: its worker disconnected`));
  await run.waitUntil(() => run.steps > step);
  expect(performance.now() - killedMs).toBeLessThan(limitMs(quietSteps(run)));
});

teamTest("a worker that joins late receives the state, and then gets slices", async ({ run, workers }) => {
  await workers.join("d");
  await run.assignsSlicesTo("d");
  expect(run.coordinator.stdout()).toContain("d has caught up and is assigned slices");
});

teamTest(
  "a suspended worker is dropped for its silence, and gets slices once it continues",
  async ({ run, workers }) => {
    const before = run.steps;
    workers.signal("b", "SIGSTOP");
    await run.waitUntil(() => run.steps >= before + 2);
    const stepMs = longest(stepsOf(run.out).slice(before, before + 2));
    expect(stepMs).toBeGreaterThan(SILENT_MS / 2);
    expect(stepMs).toBeLessThan(limitMs(quietSteps(run)));
    expect(run.coordinator.stdout()).toMatch(/b was dropped: nothing was received from it for 1\.[5-9] s/);
    workers.signal("b", "SIGCONT");
    await run.assignsSlicesTo("b");
  },
);

teamTest("a worker whose connection is cut reconnects and gets slices", async ({ run, workers }) => {
  const { proxy, process } = workers.get("b");
  proxy.cut();
  await run.assignsSlicesTo("b");
  expect(run.coordinator.stdout()).toMatch(/b was lost: its connection closed(.|\n)*b joined(.|\n)*b has caught up/);
  expect(process.stdout()).toContain("The coordinator closed the connection.");
});

teamTest(
  "a worker that becomes ten times slower is not dropped, and no step exceeds the limit",
  async ({ run, workers }) => {
    const [before, printed] = [run.steps, run.coordinator.stdout().length];
    const done = new AbortController();
    const slowness = (async () => {
      for (; !done.signal.aborted; await pause(10)) {
        workers.signal("b", "SIGSTOP");
        await pause(90);
        workers.signal("b", "SIGCONT");
      }
    })();
    await run.advances(6);
    done.abort();
    await slowness;
    expect(longest(stepsOf(run.out).slice(before))).toBeLessThan(limitMs(quietSteps(run)));
    expect(run.coordinator.stdout().slice(printed)).not.toMatch(/b was/);
  },
);

teamTest(
  "a worker whose link needs longer for a message than it may be silent is not dropped",
  async ({ run, workers }) => {
    const printed = run.coordinator.stdout().length;
    const { upSpeed } = workers.get("b").proxy;
    upSpeed.bytesPerSecond = SLOW_BYTES_PER_SECOND;
    await pause(2 * SILENT_MS);
    await run.advances(2);
    upSpeed.bytesPerSecond = LINK_BYTES_PER_SECOND;
    expect(run.coordinator.stdout().slice(printed)).not.toMatch(/b was/);
    await run.assignsSlicesTo("b");
  },
);

teamTest("a coordinator that was suspended for longer than a worker may be silent drops no worker", async ({ run }) => {
  const printed = run.coordinator.stdout().length;
  run.coordinator.child.kill("SIGSTOP");
  await pause(SILENT_MS + HEARTBEAT_MS);
  run.coordinator.child.kill("SIGCONT");
  await run.advances(2);
  expect(run.coordinator.stdout().slice(printed)).not.toContain("was dropped");
});

teamTest(
  "a run whose coordinator is killed while one worker is a step behind continues from the others, and repeats no step",
  async ({ run, workers }) => {
    const { proxy } = workers.get("b");
    void proxy.down.hold();
    await run.advances(1); // the update of this step does not reach b
    const others = ["a", "d"].map((name) => workers.get(name).proxy.upSpeed);
    for (const speed of others) speed.bytesPerSecond = SLOW_BYTES_PER_SECOND;
    await run.stalls(SILENT_MS / 3); // the others receive the update of the last step
    const { steps } = run;
    run.coordinator.child.kill("SIGKILL");
    proxy.cut();
    for (const speed of others) speed.bytesPerSecond = LINK_BYTES_PER_SECOND;
    await run.resume(teamLimits);
    await run.assignsSlicesTo("b");
    expect(run.coordinator.stdout()).toContain(`resuming after ${steps} steps, with the weights that workers hold`);
    expect(run.coordinator.stdout()).toMatch(/b has caught up and is assigned slices/);
    expect(stepsOf(run.out).map(({ step }) => step)).toEqual(Array.from({ length: run.steps }, (_, step) => step));
  },
);

teamTest("a worker exits with 0 after Ctrl-C, and the others continue", async ({ run, workers }) => {
  workers.signal("b", "SIGINT");
  const { status, stdout } = await workers.get("b").process.finished;
  expect(status).toBe(0);
  expect(stdout).toContain("leaving after this slice");
  await run.advances(2);
  expect(run.coordinator.stdout()).toContain("b left (2 connected)");
});

teamTest(
  "the slices of a worker that is suspended during a step and then killed are reassigned",
  async ({ run, workers }) => {
    workers.signal("d", "SIGSTOP");
    await run.stalls(SILENT_MS / 3);
    const step = run.steps;
    workers.signal("d", "SIGKILL");
    await run.coordinator.prints(new RegExp(`samples \\d+ to \\d+ of step ${step} go to a: its worker disconnected`));
    await run.waitUntil(() => run.steps > step);
  },
);

teamTest("a run with fewer workers than --min-workers pauses until one joins", async ({ run, workers }) => {
  await run.coordinator.prints("the run pauses: 1 of 2 required workers is connected; start more workers");
  await run.stalls(HEARTBEAT_MS);
  await workers.join("e");
  await run.coordinator.prints("the run continues");
  await run.assignsSlicesTo("e");
});

teamTest(
  "Ctrl-C on the coordinator saves a checkpoint and ends all workers; the result is that of an undisturbed run",
  async ({ run, workers }) => {
    run.coordinator.child.kill("SIGINT");
    const { status, stdout } = await run.coordinator.finished;
    expect(status).toBe(130);
    expect(stdout).toMatch(stoppedLine(run));
    expect((await workers.get("a").process.finished).status).toBe(0);
    await workers.get("e").process.prints(/the coordinator has released this worker after \d+ steps?\n/);
    expect(run.savedSteps).toBe(run.steps);
    await undisturbed.assertSame(run.out);
  },
);

const CHECKPOINT_EVERY = 12; // more steps than pass before a kill
const loneLimits = ["--workers", "1", ...heartbeat];
/** Tests of a run whose only worker is lost repeatedly. */
const loneTest = testOfOneRun("lone", [...loneLimits, "--checkpoint-every", String(CHECKPOINT_EVERY)], 0);

loneTest(
  "a run whose worker and coordinator are killed before the first checkpoint restarts",
  async ({ run, workers }) => {
    await workers.start("a");
    await run.advances(1);
    expect(run.savedSteps).toBe(0);
    run.coordinator.child.kill("SIGKILL");
    workers.signal("a", "SIGKILL");
    await run.resume(loneLimits);
    await workers.start("b");
    await run.coordinator.prints("resuming after 0 steps, from the start: no checkpoint was written yet");
    await run.advances(1);
  },
);

loneTest(
  "a run whose coordinator is killed before the first checkpoint continues with the worker's weights",
  async ({ run }) => {
    run.coordinator.child.kill("SIGKILL");
    await run.coordinator.finished;
    const { steps } = run;
    expect(steps).toBeLessThan(CHECKPOINT_EVERY);
    await run.resume(loneLimits);
    // A step's row is written before its update is sent: the worker may have one update fewer than there are rows.
    const resumeLine = new RegExp(`resuming after (${steps}|${steps - 1}) steps?, with the weights that workers hold`);
    await run.coordinator.prints(resumeLine);
    await run.waitUntil(() => run.savedSteps >= CHECKPOINT_EVERY);
  },
);

loneTest(
  "a run whose worker is killed continues with another one from the last checkpoint",
  async ({ run, workers }) => {
    workers.signal("b", "SIGKILL");
    await run.coordinator.prints("no worker is left; the run continues when workers join");
    const saved = run.savedSteps;
    expect(saved % CHECKPOINT_EVERY).toBe(0);
    await workers.start("c");
    await run.coordinator.prints(`resuming after ${saved} steps, from the checkpoint`);
    await run.advances(1);
  },
);

loneTest(
  "a run whose coordinator is killed and whose reconnecting worker is ended by Ctrl-C continues with others from the last checkpoint",
  async ({ run, workers }) => {
    const { process } = workers.get("c");
    run.coordinator.child.kill("SIGKILL");
    await process.prints("Trying to reconnect");
    process.child.kill("SIGINT");
    expect((await process.finished).status).toBe(0);
    const saved = run.savedSteps;
    await run.resume(loneLimits);
    await workers.start("d");
    await run.coordinator.prints(`resuming after ${saved} steps, from the checkpoint`);
    await run.advances(1);
  },
);

loneTest("the weights of the last worker are saved before it leaves on Ctrl-C", async ({ run, workers }) => {
  workers.signal("d", "SIGINT");
  expect((await workers.get("d").process.finished).status).toBe(0);
  await run.coordinator.prints(
    "the last worker is leaving; its weights are saved; the run continues when workers join",
  );
  expect(run.savedSteps).toBe(run.steps);
  await undisturbed.assertSame(run.out);
  const saved = run.savedSteps;
  await workers.start("e");
  await run.coordinator.prints(`resuming after ${saved} steps, from the checkpoint`);
  await run.advances(1);
});

loneTest("a coordinator without workers ends immediately on Ctrl-C", async ({ run, workers }) => {
  const printed = run.coordinator.stdout().length;
  workers.signal("e", "SIGKILL");
  await run.waitUntil(() => run.coordinator.stdout().slice(printed).includes("no worker is left"));
  run.coordinator.child.kill("SIGINT");
  const { status, stdout } = await run.coordinator.finished;
  expect(status).toBe(130);
  expect(stdout).toMatch(stoppedLine(run));
});

/** The last line of a coordinator that was stopped. */
function stoppedLine({ out }: Training): RegExp {
  return new RegExp(`stopped after \\d+ steps?; continue with: pnpm coordinator --resume ${out}`);
}
