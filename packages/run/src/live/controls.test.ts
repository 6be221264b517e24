/** Tests the commands that a dashboard sends to a run. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test as base } from "@lockstep/testing";
import { expect, vi } from "vitest";
import { parseRunFile } from "../folder/run-file.ts";
import { createRunFolder } from "../folder/run-folder.ts";
import { CountingTeam, countingRun, turn } from "../testing/counting-team.ts";
import { derivedForTests } from "../testing/derived.ts";
import { type Command, Controls, parseCommand } from "./controls.ts";
import { LiveRun } from "./live-run.ts";

/** Tests with the fixture `commanded`: a run that is in progress, and its controls. */
const test = base.extend("commanded", ({ folder }) => {
  const live = new LiveRun();
  const controls = new Controls(live);
  live.apply({
    type: "facts",
    name: "run",
    run: parseRunFile({ machine: {}, derived: derivedForTests() }, "config.json"),
  });
  const runFolder = createRunFolder(join(folder, "run"), "m", new Date(0));
  const team = new CountingTeam();
  /** Starts a run of six steps, and sends the commands after the second step. */
  const start = (...commands: Command[]) => {
    team.onStep = (step) => {
      if (step === 1) for (const command of commands) controls.handle(command);
    };
    const options = { test: false, checkpointEvery: 100 };
    return countingRun({ folder: runFolder, options, team, controls, live }).outcome();
  };
  return { live, controls, team, start, checkpoint: join(runFolder.checkpoints, "step-00000002.safetensors") };
});

test("a run that is paused takes no step until it is resumed, and its team is told both", async ({ commanded }) => {
  const { live, controls, team } = commanded;
  const ended = commanded.start({ do: "pause" });
  await vi.waitFor(() => expect(live.snapshot().state).toBe("paused"), { interval: 1 });
  for (let turns = 0; turns < 20; turns++) await turn();
  expect(team.updates).toBe(2);
  controls.handle({ do: "resume" });
  expect(live.snapshot().state).toBe("running");
  expect(await ended).toBe("finished");
  expect(team.updates).toBe(6);
  expect(team.done.slice(1, 5)).toEqual(["step 1", "pause: requested from the dashboard", "resume", "step 2"]);
});

test("a run that is paused saves a checkpoint on request, and stays paused", async ({ commanded }) => {
  const { controls, team, checkpoint } = commanded;
  const ended = commanded.start({ do: "pause" }, { do: "checkpoint" });
  await vi.waitFor(() => expect(existsSync(checkpoint)).toBe(true), { interval: 1 });
  expect(team.updates).toBe(2);
  controls.handle({ do: "resume" });
  await ended;
});

test("a checkpoint that is requested while another one begins is saved, too", async ({ commanded: { controls } }) => {
  controls.handle({ do: "checkpoint" });
  const asked: string[] = [];
  const checkpoint = async () => {
    if (asked.push("a checkpoint") === 1) controls.handle({ do: "checkpoint" });
  };
  for (let task = 0; task < 3; task++) await controls.attend({}, checkpoint, controls.signal);
  expect(asked).toHaveLength(2);
});

test("a run is stopped after its step with a checkpoint, also while it is paused", async ({ commanded }) => {
  expect(await commanded.start({ do: "pause" }, { do: "stop" })).toBe("interrupted");
  expect(commanded.team.updates).toBe(2);
  expect(existsSync(commanded.checkpoint)).toBe(true);
});

test("a command is logged if it changes something, and only then", ({ commanded: { live } }) => {
  const log: string[] = [];
  const controls = new Controls(live, (text, kind) => log.push(`${kind}: ${text}`));
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

test.each(["{}", '{"do":"drop"}', '{"do":"pause","worker":"a"}', "pause", "[]"])(
  "a command that is %s is refused",
  (text) => {
    expect(() => parseCommand(text)).toThrow(expect.objectContaining({ code: "ERR_COMMAND" }));
  },
);

test("a command is refused before the run has started, and after its end", ({ commanded: { live, controls } }) => {
  expect(() => new Controls(new LiveRun()).handle({ do: "stop" })).toThrow("has not started yet");
  live.event("the run is finished", "finished");
  expect(() => controls.handle({ do: "stop" })).toThrow("The run is over.");
});

test("a worker that is connected is dropped, unless it is the last one", ({ commanded: { live, controls } }) => {
  const dropped: string[] = [];
  controls.dismiss = (name) => name === "a" && dropped.push(name) > 0;
  live.event("a joined", "joined", { worker: "a" });
  expect(() => controls.handle({ do: "drop", worker: "a" })).toThrow("The last worker cannot be dropped");
  live.event("b joined", "joined", { worker: "b" });
  controls.handle({ do: "drop", worker: "a" });
  expect(dropped).toEqual(["a"]);
  expect(() => controls.handle({ do: "drop", worker: "c" })).toThrow("No worker c is connected.");
});
