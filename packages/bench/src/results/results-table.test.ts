/** Compares the table of results with Markdown written by hand, and tries bounds that no figure can meet. */
import { expect, test } from "vitest";
import { figure, withUnit } from "./figure.ts";
import type { BenchResult } from "./result.ts";
import { parseBounds, resultsTable } from "./results-table.ts";

const sync: BenchResult = {
  bench: "sync",
  command: "pnpm bench sync --json sync.json",
  date: "2026-11-24T01:57:19.317Z",
  machine: { cpu: "AMD EPYC", cores: 2, memoryGiB: 24, platform: "linux 6.18" },
  versions: { lockstep: "0.1.0 (43f0751)", node: "v20.20.2", pytorch: "2.13.0" },
  setting: {},
  notes: ["workers are not pinned to cores: there is no taskset"],
  figures: [
    figure({ id: "step", name: "step of 64 images", unit: "ms", images: 64 }, [600, 500, 640], [720, 700, 800]),
    figure({ id: "cost", name: "share", unit: "share" }, [0.25]),
  ],
  raw: {},
};

test("a figure is the median of its rounds, and the ratio is the speed-up", () => {
  expect(sync.figures[0]).toMatchObject({ lockstep: 600, peer: 720, ratio: 1.2 });
  expect(sync.figures[1]).toEqual({
    id: "cost",
    name: "share",
    unit: "share",
    lockstep: 0.25,
    rounds: { lockstep: [0.25], peer: [] },
  });
});

test("values are formatted with their units", () => {
  expect([
    withUnit(612.34, "ms"),
    withUnit(8.361, "s"),
    withUnit(12_695_664, "bytes"),
    withUnit(0.213, "share"),
  ]).toEqual(["612.3 ms", "8.36 s", "12.70 MB", "21.3 %"]);
});

test("the table has a row per figure, then machines, commands, versions and raw values", () => {
  expect(resultsTable([sync], parseBounds(["sync/step=1.1", "sync/cost=0.2"]))).toBe(`\
| bench | | Lockstep | PyTorch | ratio | bound |
| --- | --- | --- | --- | --- | --- |
| sync | step of 64 images | 600.0 ms, 106.7 images/s | 720.0 ms, 88.9 images/s | 1.200 × | ≥ 1.1 ×, met |
| sync | share | 25.0 % | — | — | ≤ 20.0 %, **missed** |

Machine: 2 cores of AMD EPYC, 24 GiB, linux 6.18, Node v20.20.2.

- **sync**, 2026-11-24: \`pnpm bench sync --json sync.json\`; lockstep 0.1.0 (43f0751); pytorch 2.13.0.
  - workers are not pinned to cores: there is no taskset
  - step: Lockstep 600.0 ms, 500.0 ms, 640.0 ms; PyTorch 720.0 ms, 700.0 ms, 800.0 ms
  - cost: Lockstep 25.0 %
`);
});

test("a bound needs an existing figure and a number", () => {
  expect(() => parseBounds(["sync"])).toThrow("such as sync/step=1.1");
  expect(() => resultsTable([sync], parseBounds(["sync/stop=1"]))).toThrow("(sync/step, sync/cost), got sync/stop");
  expect(resultsTable([sync])).toContain("| 1.200 × | — |");
});
