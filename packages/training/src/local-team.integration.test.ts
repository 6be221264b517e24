/** Tests the phases and the captured state of a local team. */
import { fileURLToPath } from "node:url";
import { makeConfig } from "@lockstep/config";
import { makeSchedule, type StepTask } from "@lockstep/run";
import { expect, onTestFinished, test } from "vitest";
import { LocalTeam } from "./local-team.ts";
import { initialValues } from "./prepare/initial-values.ts";
import { prepare } from "./prepare/prepare.ts";

const model = fileURLToPath(new URL("../../../test/fixtures/tiny-model.js", import.meta.url));
const config = makeConfig({ dataset: "shapes", model, batchSize: 8, maxSteps: 2, test: false });

/** Opens a team for the first two steps of a run. */
async function openTeam() {
  const prepared = await prepare(config, {}, () => {});
  onTestFinished(() => prepared.thread.close());
  const values = await initialValues(prepared, {}, () => {});
  const tasks = [...makeSchedule(config, prepared.thread.meta).tasksFrom(0)];
  const steps = tasks.filter((task): task is StepTask => task.type === "step");
  const phases: string[] = [];
  const team = new LocalTeam(prepared, { values, tasks: steps, onPhase: (phase) => phases.push(phase) });
  onTestFinished(() => team.close());
  return { team, steps, phases };
}

test("a captured state is that of its step, even if it is read after later steps", async () => {
  const { team, steps } = await openTeam();
  const other = await openTeam();
  const [first, second] = steps;
  if (first === undefined || second === undefined) throw new Error("The schedule has two steps.");
  await team.step(first, () => {});
  const captured = team.captureState();
  await team.step(second, () => {});
  await other.team.step(first, () => {});
  const expected = await other.team.captureState().read();
  expect(await captured.read()).toEqual(expected);
  expect(await team.captureState().read()).not.toEqual(expected);
});

test("a local team reports the phases of steps and evaluations", async () => {
  const { team, steps, phases } = await openTeam();
  for (const step of steps) await team.step(step, () => phases.push("sums"));
  expect(phases).toEqual(["stepping", "sums", "idle", "stepping", "sums", "idle"]);
  phases.length = 0;
  const task = { type: "evaluate" as const, split: "validation" as const, samples: 64, epoch: 0, step: 2 };
  expect(await team.evaluate(task, AbortSignal.abort())).toBeUndefined();
  expect(phases).toEqual(["evaluating", "idle"]);
});
