import { readBack, startEngine } from "@lockstep/engine";
import { makeConfig } from "@lockstep/run";
import { beforeAll, expect, test, vi } from "vitest";
import { localTeam } from "./local-team.ts";
import { Replica } from "./replica.ts";
import { batchOf, denseLayers, smallModel, valuesFor } from "./small-model.ts";

beforeAll(async () => void (await startEngine({ backend: "cpu" })));

test("a state is that of when it was asked for, though a step is asked for meanwhile; its time is in no step", async () => {
  let nowMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  const model = smallModel();
  const replica = new Replica(model, valuesFor(model), { factoredLayers: denseLayers });
  const firstWeight = async () => [...(await readBack(replica.parameters.weight(0)))];
  const readSlowly = async () => {
    const before = await firstWeight();
    for (let turns = 0; turns < 100; turns++) await new Promise(setImmediate);
    nowMs += 1000;
    expect(await firstWeight()).toEqual(before);
    return [];
  };
  const team = localTeam({
    config: makeConfig({}),
    replica,
    batches: { take: async () => batchOf(0, 4) },
    ...{ classes: 5, evaluationRows: 4, state: readSlowly },
  });
  const before = await firstWeight();
  const state = team.state();
  await team.step({ type: "step", epoch: 0, step: 0, start: 0, end: 4, learningRate: 0.1 }, ({ ms }) => {
    expect(ms.step).toBe(0);
  });
  await state;
  expect(await firstWeight()).not.toEqual(before);
  replica.dispose();
  vi.restoreAllMocks();
});
