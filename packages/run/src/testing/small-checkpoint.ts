/** A small checkpoint for tests. */
import type { Checkpoint } from "../folder/checkpoint.ts";
import type { Best } from "../folder/progress.ts";

/** Returns a checkpoint of two tensors, whose first weight is `step`. @param best the best validation so far */
export function smallCheckpoint(step: number, best?: Best): Checkpoint {
  const progress = { lossSum: 0.1 + 0.2, correct: 7, samples: 64, endedSteps: 0, ...(best && { best }) };
  const weight = Float32Array.of(step, 2, 3, 4, 5, 6);
  const tensors = [
    { name: "fc.weight", shape: [2, 3], weight, velocity: weight.map((value) => -value) },
    { name: "fc.bias", shape: [2], weight: Float32Array.of(1, 2), velocity: Float32Array.of(0, 0) },
  ];
  return { step, epoch: 1, seed: 2 ** 32 - 1, progress, tensors };
}
