import { fileURLToPath } from "node:url";
import { makeConfig } from "@lockstep/config";
import { makeSchedule } from "@lockstep/run";
import { expect, test } from "vitest";
import { LocalTeam } from "./local-team.ts";
import { firstValues } from "./prepare/first-values.ts";
import { prepare } from "./prepare/prepare.ts";

const model = fileURLToPath(new URL("../../../test/fixtures/tiny-model.ts", import.meta.url));

test("a team of one tells whether it steps or evaluates, and that it is idle in between", async () => {
  const config = makeConfig({ model, dataset: "shapes", trainFraction: 0.9, batchSize: 4, maxSteps: 2 });
  const prepared = await prepare(config, { backend: "cpu" }, () => {});
  const schedule = makeSchedule(config, prepared.thread.meta);
  const phases: string[] = [];
  const team = new LocalTeam(prepared, {
    values: await firstValues(prepared, {}, () => {}),
    tasks: schedule.tasksFrom(0, 0),
    onPhase: (name) => phases.push(name),
  });
  for (const task of schedule.tasksFrom(0, 0)) {
    if (task.type === "step") await team.step(task, () => {});
    else if (task.type === "evaluate") await team.evaluate(task, AbortSignal.abort());
  }
  expect(phases).toEqual(["stepping", "idle", "stepping", "idle", "evaluating", "idle", "evaluating", "idle"]);
  team.close();
  await prepared.thread.close();
});
