/** Checks evaluations by scripted workers, whose results are refused, out of order or late. */
import { expect, test } from "vitest";
import { RecordedTeam } from "../testing/recorded-team.ts";

const VALIDATION = { type: "evaluate" as const, split: "validation" as const, samples: 64, epoch: 0, step: 0 };

const confusion = [
  [64, 0],
  [0, 0],
];

test("an evaluation continues after refused results, and drops their worker after the third one", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  const done = run.team.evaluate(VALIDATION);
  for (const violations of [1, 2, 3]) {
    expect(a.sentMessages.at(-1)).toMatchObject({ type: "evaluate", request: 0, start: 0, end: 64 });
    a.deliver({ type: "evaluation", request: 0, samples: 64 - violations, lossSum: 1, confusion });
  }
  expect(a.closed).toBe("ERR_STRIKES");
  b.deliver({ type: "evaluation", request: 0, samples: 64, lossSum: 1, confusion });
  expect(await done).toEqual({ samples: 64, lossSum: 1, confusion });
});

test("an evaluation has its predictions in the order of the samples, not of the results", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const done = run.team.evaluate({ ...VALIDATION, split: "test", samples: 66 });
  const reply = (request: number, samples: number, confusion: number[][], predictions: number[]) =>
    a.deliver({ type: "evaluation", request, samples, lossSum: 1, confusion, predictions });
  reply(
    1,
    2,
    [
      [1, 1],
      [0, 0],
    ],
    [1, 0],
  );
  reply(0, 64, confusion, Array<number>(63).fill(0)); // one is missing
  reply(0, 64, confusion, [...Array<number>(63).fill(0), 1]); // one is none of those that it counts
  expect(run.lines.filter((line) => line.includes("does not cover all its samples"))).toHaveLength(2);
  reply(0, 64, confusion, Array<number>(64).fill(0));
  expect((await done)?.predictions).toEqual([...Array<number>(64).fill(0), 1, 0]);
});

test("an evaluation that is stopped ends at once, and ignores later results", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const stop = new AbortController();
  const done = run.team.evaluate(VALIDATION, stop.signal);
  stop.abort();
  run.team.tick();
  expect(await done).toBeUndefined();
  a.deliver({ type: "evaluation", request: 0, samples: 64, lossSum: 1, confusion });
  expect(run.lines.filter((line) => line.includes("refused"))).toEqual([]);
});
