/** Compares Lockstep with PyTorch on the same weights and images. */
import { startEngine } from "@lockstep/engine";
import { describe, expect, test } from "vitest";
import { fixtureBatch, readFixture } from "./pytorch/fixture.ts";
import { compareWithPytorch, distance } from "./pytorch/parity.ts";

const { backend, skipped } = await startEngine({});
const native = backend === "native";
const skipReason = native ? "" : ` (needs the native engine: ${skipped.map(({ reason }) => reason).join("; ")})`;

describe.each([
  ["alexnet-cifar10-pytorch.json", 32, 10],
  ["alexnet-pytorch.json", 224, 1000],
])("%s", (file, size, classes) => {
  const fixture = readFixture(file);

  test("weights and images equal those that PyTorch used", () => {
    const batch = fixtureBatch(0, 1, size, classes);
    const firstPixels = [...batch.images].filter((_, i) => i % 3 === 0).slice(0, 8);
    expect(firstPixels.map((value) => Math.round((value * 0.5 + 0.5) * 255))).toEqual(fixture.first_pixels);
    expect([...fixtureBatch(0, 8, 1, classes).labels]).toEqual(fixture.first_labels.slice(0, 8));
  });

  test.skipIf(!native)(`losses, first gradients and updates are PyTorch's${skipReason}`, async () => {
    const comparisons = await compareWithPytorch(fixture, size, classes);
    expect(comparisons.length).toBe(2 * fixture.steps.length + 2 * Object.keys(fixture.update_l2).length);
    for (const comparison of comparisons) {
      expect(distance(comparison), comparison.what).toBeLessThanOrEqual(comparison.tolerance);
    }
  });
});
