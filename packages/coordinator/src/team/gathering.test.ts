/** Checks when a run has enough workers, while scripted ones come and leave in one turn of the event loop. */
import { expect, test } from "vitest";
import { outcomeOf, RecordedTeam } from "../testing/recorded-team.ts";
import { type Gathering, gathered } from "./gathering.ts";

/** Waits for the workers of a run. */
const gather = (run: RecordedTeam, overrides: Partial<Gathering> = {}) =>
  gathered(run.team, {
    workers: 2,
    minWorkers: 1,
    signal: new AbortController().signal,
    nowMs: () => run.nowMs,
    ...overrides,
  });

test("a run starts when the number of workers that it waits for has joined", async () => {
  const run = new RecordedTeam();
  const here = gather(run);
  run.join();
  expect(await outcomeOf(here)).toBe("waits");
  run.join();
  expect(await outcomeOf(here)).toBe("done");
});

test("a worker that leaves in the same turn of the event loop in which it joins does not count", async () => {
  const run = new RecordedTeam();
  const here = gather(run, { workers: 1 });
  run.join().deliver({ type: "leaving" });
  expect(await outcomeOf(here)).toBe("waits");
  run.join();
  expect(await outcomeOf(here)).toBe("done");
});

test("a run whose weights its workers hold starts with fewer workers when no more join for a time", async () => {
  const run = new RecordedTeam();
  const here = gather(run);
  const holder = run.join({ holds: { run: "r", step: 3 } });
  holder.heardMs = run.nowMs = 3000;
  run.team.tick();
  expect(await outcomeOf(here)).toBe("waits");
  run.nowMs = 3001;
  run.team.tick();
  expect(await outcomeOf(here)).toBe("done");
});
