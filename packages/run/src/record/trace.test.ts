/** Tests the trace of a run, as a row of spans for each worker. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import type { StepRow } from "../folder/metrics.ts";
import { traceOf } from "./trace.ts";

const sums = { type: "step", epoch: 1, loss: 2, samples: 8, correct: 1, lr: 0.1 } as const;
const traffic = { samples: 4, bytesUp: 10, bytesDown: 20, io: { send: 1 } };

/** `forward 0+4` in the row of its thread: name, start and duration in milliseconds. */
function drawn(rows: StepRow[]): Record<string, string[]> {
  const { traceEvents } = traceOf(rows);
  const names = new Map(traceEvents.flatMap(({ tid, ...event }) => (event.ph === "M" ? [[tid, event.args.name]] : [])));
  const lines = Object.fromEntries([...names.values()].map((name): [string, string[]] => [name, []]));
  for (const event of traceEvents) {
    if (event.ph === "X")
      defined(lines[defined(names.get(event.tid))]).push(`${event.name} ${event.ts / 1000}+${event.dur / 1000}`);
  }
  return lines;
}

test("a trace has a row for each worker, whose work ends when its clock says", () => {
  const rows: StepRow[] = [
    {
      ...sums,
      step: 7,
      ms: { step: 10 },
      slices: 2,
      workers: [
        { name: "a", ...traffic, ms: { data: 1, forward: 2, backward: 3, "read-back": 0.5, wait: 3.5 }, doneMs: 9 },
        { name: "b", ...traffic, samples: 0, ms: { wait: 10 } },
      ],
    },
    {
      ...sums,
      step: 8,
      ms: { step: 6.25 },
      slices: 2,
      workers: [
        { name: "b", ...traffic, ms: { data: 1, forward: 1, backward: 1, apply: 2, wait: 1.25 } },
        { name: "c", ...traffic, ms: { forward: 4, backward: 3, wait: 0 }, doneMs: 3.75 },
      ],
    },
  ];
  expect(drawn(rows)).toEqual({
    coordinator: ["step 7 0+10", "step 8 10+6.25"],
    a: ["wait 0+2.5", "data 2.5+1", "forward 3.5+2", "backward 5.5+3", "read-back 8.5+0.5", "wait 9+1"],
    b: ["wait 0+10", "apply 10+2", "data 12+1", "forward 13+1", "backward 14+1", "wait 15+1.25"],
    c: ["forward 10+4", "backward 14+2.25"], // it had begun before the step
  });
  const [work] = traceOf(rows).traceEvents.filter(({ name }) => name === "forward");
  expect(work).toMatchObject({ args: { step: 7, samples: 4, bytesUp: 10, bytesDown: 20, io: { send: 1 } } });
});

test("the trace of a run on one machine has the parts of each step below it, in their order", () => {
  const ms = { step: 8, apply: 1, data: 0.5, forward: 2, backward: 3.25 };
  expect(drawn([{ ...sums, step: 0, ms }])).toEqual({
    "this machine": ["step 0 0+8", "apply 0+1", "data 1+0.5", "forward 1.5+2", "backward 3.5+3.25"],
  });
});

test("the parts in a trace do not overlap when they are rounded to microseconds", () => {
  const third = { step: 1, data: 1 / 3, forward: 1 / 3, backward: 1 / 3 };
  const rows = Array.from({ length: 50 }, (_, step): StepRow => ({ ...sums, step, ms: third }));
  const events = traceOf(rows).traceEvents.flatMap((event) => (event.ph === "X" ? [event] : []));
  const parts = events.filter(({ name }) => !name.startsWith("step"));
  for (const [index, { ts }] of parts.slice(1).entries())
    expect(ts).toBe(defined(parts[index]).ts + defined(parts[index]).dur);
  expect(defined(parts.at(-1)).ts + defined(parts.at(-1)).dur).toBe(50_000);
});
