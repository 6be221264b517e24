import { mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { temporaryName } from "@lockstep/files";
import { writeSafetensors } from "@lockstep/formats";
import { defined, mountSmallDisk } from "@lockstep/testing";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { type Checkpoint, latestCheckpoint, readCheckpoint, saveCheckpoint, savedBest } from "./checkpoint.ts";

let dir: string;
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), "lockstep-checkpoint-")), "checkpoints");
});

const noWarning = (message: string) => expect.fail(message);

function checkpointAt(step: number, best?: { step: number; accuracy: number }): Checkpoint {
  const progress = { lossSum: 0.1 + 0.2, correct: 7, samples: 64, endedSteps: 0, ...(best && { best }) };
  const weight = Float32Array.of(step, 2, 3, 4, 5, 6);
  const tensors = [
    { name: "fc.weight", shape: [2, 3], weight, velocity: weight.map((value) => -value) },
    { name: "fc.bias", shape: [2], weight: Float32Array.of(1, 2), velocity: Float32Array.of(0, 0) },
  ];
  return { step, epoch: 1, seed: 2 ** 32 - 1, progress, tensors };
}

describe("checkpoints", () => {
  test("with NaN or infinity in the weights or the momentum are passed over, with the tensor's name", async () => {
    const good = checkpointAt(1);
    await saveCheckpoint(dir, good, { keep: 3 });
    for (const [step, kind] of [
      [2, "weight"],
      [3, "velocity"],
    ] as const) {
      const spoilt = checkpointAt(step);
      defined(spoilt.tensors[0])[kind][4] = Number.NaN;
      await saveCheckpoint(dir, spoilt, { keep: 3 });
    }
    const warnings: string[] = [];
    expect(latestCheckpoint(dir, (line) => warnings.push(line))).toEqual(good);
    expect(warnings).toEqual([
      expect.stringContaining('found NaN in "momentum.fc.weight" [2, 3] at [1, 1]. '),
      expect.stringContaining('found NaN in "fc.weight" [2, 3] at [1, 1]. '),
    ]);
  });

  test("what is loaded is what was saved", async () => {
    const count = fc.nat(1e9);
    const values = fc.array(fc.float(), { minLength: 3, maxLength: 3 }).map((all) => Float32Array.from(all));
    const checkpoints = fc.record({
      step: count,
      epoch: count,
      seed: count,
      progress: fc.record(
        {
          lossSum: fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
          correct: count,
          samples: count,
          endedSteps: count,
          best: fc.record({ step: count, accuracy: fc.constantFrom(0, 0.1, 1 / 3, 1) }, { noNullPrototype: true }),
        },
        { requiredKeys: ["lossSum", "correct", "samples", "endedSteps"], noNullPrototype: true },
      ),
      tensors: fc.uniqueArray(
        fc.record({
          name: fc.string({ minLength: 1 }),
          shape: fc.constant<number[]>([1, 3]),
          weight: values,
          velocity: values,
        }),
        { selector: ({ name }) => name, maxLength: 3 },
      ),
    });
    await fc.assert(
      fc.asyncProperty(checkpoints, async (checkpoint) => {
        expect(readCheckpoint(await saveCheckpoint(dir, checkpoint, { keep: 1 }))).toEqual(checkpoint);
      }),
    );
  });

  test("the last ones and the best are kept", async () => {
    const best = { step: 20, accuracy: 0.5 };
    await saveCheckpoint(dir, checkpointAt(10, { step: 10, accuracy: 0.4 }), { keep: 2 });
    expect(readCheckpoint(join(dir, "best.safetensors")).step).toBe(10);
    for (const step of [20, 30, 40]) await saveCheckpoint(dir, checkpointAt(step, best), { keep: 2 });
    expect(readdirSync(dir)).toEqual(["best.safetensors", "step-00000030.safetensors", "step-00000040.safetensors"]);
    expect(readCheckpoint(join(dir, "best.safetensors"))).toEqual(checkpointAt(20, best));
    expect(latestCheckpoint(dir, noWarning)).toEqual(checkpointAt(40, best));
  });

  test("what a kill left half-written goes with the next save", async () => {
    await saveCheckpoint(dir, checkpointAt(10), { keep: 2 });
    for (const name of [temporaryName("step-00000015.safetensors"), "users.tmp"])
      writeFileSync(join(dir, name), "half");
    await saveCheckpoint(dir, checkpointAt(20), { keep: 2 });
    expect(readdirSync(dir)).toEqual(["step-00000010.safetensors", "step-00000020.safetensors", "users.tmp"]);
  });

  test("those of a process that has taken the folder meanwhile stay", async () => {
    const taken = new LockstepError("ERR_RUN_TAKEN", "Another process has taken the folder.");
    await saveCheckpoint(dir, checkpointAt(30), { keep: 1 });
    const lease = {
      assertHeld() {
        throw taken;
      },
    };
    await expect(saveCheckpoint(dir, checkpointAt(20), { keep: 1, lease })).rejects.toBe(taken);
    expect(latestCheckpoint(dir, noWarning).step).toBe(30);
  });

  test("without validation there is no best", async () => {
    await saveCheckpoint(dir, checkpointAt(10), { keep: 1 });
    await saveCheckpoint(dir, checkpointAt(20), { keep: 1 });
    expect(readdirSync(dir)).toEqual(["step-00000020.safetensors"]);
  });

  test("steps are ordered as numbers", async () => {
    for (const step of [99_999_999, 100_000_000]) await saveCheckpoint(dir, checkpointAt(step), { keep: 2 });
    expect(latestCheckpoint(dir, noWarning).step).toBe(100_000_000);
  });

  test("a damaged last checkpoint is passed over with a warning, and goes with the next save", async () => {
    for (const step of [10, 20]) await saveCheckpoint(dir, checkpointAt(step), { keep: 2 });
    truncateSync(join(dir, "step-00000020.safetensors"), 300);
    const warnings: string[] = [];
    expect(latestCheckpoint(dir, (message) => warnings.push(message))).toEqual(checkpointAt(10));
    expect(warnings).toEqual([
      expect.stringMatching(/step-00000020\.safetensors: expected .* Trying the checkpoint before it/),
    ]);
    await saveCheckpoint(dir, checkpointAt(15), { keep: 2 });
    expect(readdirSync(dir)).toEqual(["step-00000010.safetensors", "step-00000015.safetensors"]);
  });

  test("a last checkpoint cut at any byte is passed over with its name, and is not the best any more", async () => {
    await saveCheckpoint(dir, checkpointAt(10), { keep: 2 });
    const best = { step: 20, accuracy: 0.5 };
    const path = await saveCheckpoint(dir, checkpointAt(20, best), { keep: 2 });
    expect(savedBest(dir)).toEqual(best);
    const bytes = readFileSync(path);
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      const warnings: string[] = [];
      expect(latestCheckpoint(dir, (message) => warnings.push(message)).step, `${length} bytes`).toBe(10);
      expect(warnings).toEqual([
        expect.stringMatching(/step-00000020\.safetensors: .* Trying the checkpoint before it/),
      ]);
      expect(savedBest(dir)).toBeUndefined();
    }
  });

  test("when no checkpoint can be read, the message counts them", async () => {
    truncateSync(await saveCheckpoint(dir, checkpointAt(1), { keep: 1 }), 300);
    const message = expect.stringContaining("found 1, none of which can be read");
    expect(() => latestCheckpoint(dir, () => {})).toThrow(
      expect.objectContaining({ code: "ERR_NO_CHECKPOINT", message }),
    );
  });

  test("a folder that is empty or missing is told", () => {
    expect(() => latestCheckpoint(dir, noWarning)).toThrow(`Expected a checkpoint in ${dir}, found none.`);
  });

  test("files that are no checkpoints are refused", async () => {
    const path = join(dir, "step-00000001.safetensors");
    const data = Float32Array.of(1);
    const metadata = {
      step: "1",
      epoch: "1",
      seed: "0",
      progress: '{"lossSum":0,"correct":0,"samples":0,"endedSteps":0}',
    };
    await writeSafetensors(path, [{ name: "a", shape: [1], data }]);
    expect(() => readCheckpoint(path)).toThrow("expected metadata step, epoch, seed and progress, found {}");
    await writeSafetensors(path, [], { ...metadata, progress: "{" });
    expect(() => readCheckpoint(path)).toThrow("expected metadata");
    await writeSafetensors(path, [{ name: "a", shape: [1], data }], metadata);
    expect(() => readCheckpoint(path)).toThrow("expected as many momentum tensors as weights (1), found 0");
    const momentum = { name: "momentum.a", shape: [1, 1], data };
    await writeSafetensors(path, [{ name: "a", shape: [1], data }, momentum], metadata);
    expect(() => readCheckpoint(path)).toThrow('expected the momentum of "a" [1], found [1,1]');
  });

  test("when the disk is full, the older checkpoints stay (needs Linux and the right to mount)", async ({
    skip,
    onTestFinished,
  }) => {
    const disk = mountSmallDisk(1_000_000);
    if (disk === undefined) return skip("mounting is not allowed here");
    onTestFinished(disk.unmount);
    dir = join(disk.dir, "checkpoints");
    await saveCheckpoint(dir, checkpointAt(10), { keep: 1 });
    disk.fill(0);
    await expect(saveCheckpoint(dir, checkpointAt(20), { keep: 1 })).rejects.toThrow(
      expect.objectContaining({ code: "ERR_DISK_FULL" }),
    );
    expect(latestCheckpoint(dir, noWarning).step).toBe(10);
  });
});
