import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parseRunFile } from "../folder/run-file.ts";
import { createRunFolder, type RunFolder } from "../folder/run-folder.ts";
import { CountingTeam, countingRun, turn } from "../testing/counting-team.ts";
import { derivedForTests } from "../testing/derived.ts";
import { type Command, Controls, parseCommand } from "./controls.ts";
import { LiveRun } from "./live-run.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-controls-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

let live: LiveRun;
let controls: Controls;
let folder: RunFolder;
let runs = 0;
beforeEach(() => {
  live = new LiveRun();
  controls = new Controls(live);
  live.apply({
    type: "facts",
    name: "run",
    run: parseRunFile({ machine: {}, derived: derivedForTests() }, "config.json"),
  });
  folder = createRunFolder(join(dir, String(runs++)), "m", new Date(0));
});

/** A run of six steps, in which something is asked for after the second. */
function commanded(...commands: Command[]) {
  const team = new CountingTeam();
  team.onStep = (step) => {
    if (step === 1) for (const command of commands) controls.handle(command);
  };
  const { outcome } = countingRun({ folder, options: { test: false, checkpointEvery: 100 }, team, controls, live });
  return { team, ended: outcome() };
}

/** Until something holds; gives up after a second. */
async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; turns < 1000 && !holds(); turns++) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(holds()).toBe(true);
}

describe("a run", () => {
  test("that is paused takes no step until it is to go on, and says both", async () => {
    const { team, ended } = commanded({ do: "pause" });
    await until(() => live.snapshot().state === "paused");
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(team.updates).toBe(2);
    controls.handle({ do: "resume" });
    expect(live.snapshot().state).toBe("running");
    expect(await ended).toBe("finished");
    expect(team.updates).toBe(6);
    expect(team.done.slice(1, 5)).toEqual(["step 1", "pause: requested from the dashboard", "resume", "step 2"]);
  });

  test("that is paused takes the checkpoint that is asked for, and stays paused", async () => {
    const { team, ended } = commanded({ do: "pause" }, { do: "checkpoint" });
    await until(() => existsSync(join(folder.checkpoints, "step-00000002.safetensors")));
    expect(team.updates).toBe(2);
    controls.handle({ do: "resume" });
    await ended;
  });

  test("takes the checkpoint that is asked for while another one is begun", async () => {
    controls.handle({ do: "checkpoint" });
    const asked: string[] = [];
    const checkpoint = async () => {
      if (asked.push("a checkpoint") === 1) controls.handle({ do: "checkpoint" });
    };
    for (let task = 0; task < 3; task++) await controls.attend({}, checkpoint, controls.signal);
    expect(asked).toHaveLength(2);
  });

  test("stops after its step, with a checkpoint, also while it is paused", async () => {
    const { team, ended } = commanded({ do: "pause" }, { do: "stop" });
    expect(await ended).toBe("interrupted");
    expect(team.updates).toBe(2);
    expect(existsSync(join(folder.checkpoints, "step-00000002.safetensors"))).toBe(true);
  });
});

describe("a command", () => {
  test("is told once it is obeyed, and only then", async () => {
    const log: string[] = [];
    controls = new Controls(live, (text, kind) => log.push(`${kind}: ${text}`));
    controls.handle({ do: "resume" }); // it goes on anyway
    for (const order of ["pause", "pause", "checkpoint", "resume", "stop"] as const) controls.handle({ do: order });
    expect(() => controls.handle({ do: "drop", worker: "a" })).toThrow("The last worker cannot be dropped");
    expect(log.map((line) => line.replace("requested from the dashboard", "…"))).toEqual([
      "paused: the run pauses: …",
      "wanted: saving a checkpoint after this step: …",
      "goes-on: the run continues: …",
      "wanted: stopping after this step: …",
    ]);
  });

  test.each(["{}", '{"do":"drop"}', '{"do":"pause","worker":"a"}', "pause", "[]"])("can't be %s", (text) => {
    expect(() => parseCommand(text)).toThrow(expect.objectContaining({ code: "ERR_COMMAND" }));
  });

  test("comes too late when the run is over, and too early before it has begun", () => {
    expect(() => new Controls(new LiveRun()).handle({ do: "stop" })).toThrow("has not started yet");
    live.event("the run is finished", "finished");
    expect(() => controls.handle({ do: "stop" })).toThrow("The run is over.");
  });

  test("drops a worker that is there, unless it is the last", () => {
    const dropped: string[] = [];
    controls.dismiss = (name) => name === "a" && dropped.push(name) > 0;
    live.event("a joined", "joined", { worker: "a" });
    expect(() => controls.handle({ do: "drop", worker: "a" })).toThrow("The last worker cannot be dropped");
    live.event("b joined", "joined", { worker: "b" });
    controls.handle({ do: "drop", worker: "a" });
    expect(dropped).toEqual(["a"]);
    expect(() => controls.handle({ do: "drop", worker: "c" })).toThrow("No worker c is connected.");
  });
});
