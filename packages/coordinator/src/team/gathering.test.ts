import { beforeEach, expect, test } from "vitest";
import { outcomeOf, RecordedTeam } from "../testing/recorded-team.ts";
import { type Gathering, gathered } from "./gathering.ts";

let run: RecordedTeam;
beforeEach(() => {
  run = new RecordedTeam();
});
const gather = (overrides: Partial<Gathering> = {}) =>
  gathered(run.team, {
    workers: 2,
    minWorkers: 1,
    signal: new AbortController().signal,
    nowMs: () => run.nowMs,
    ...overrides,
  });

test("a run begins when as many workers are here as it waits for", async () => {
  const here = gather();
  run.join();
  expect(await outcomeOf(here)).toBe("waits");
  run.join();
  expect(await outcomeOf(here)).toBe("done");
});

test("a worker that leaves in the turn in which it has come was not the last one that was waited for", async () => {
  const here = gather({ workers: 1 });
  run.join().deliver({ type: "leaving" });
  expect(await outcomeOf(here)).toBe("waits");
  run.join();
  expect(await outcomeOf(here)).toBe("done");
});

test("where workers may hold the weights, fewer will do once no more come", async () => {
  const here = gather();
  const holder = run.join({ holds: { run: "r", step: 3 } });
  holder.heardMs = run.nowMs = 3000;
  run.team.tick();
  expect(await outcomeOf(here)).toBe("waits");
  run.nowMs = 3001;
  run.team.tick();
  expect(await outcomeOf(here)).toBe("done");
});
