/** Checks single steps with scripted workers that send invalid, non-finite or late pieces. */
import { encodeFloats } from "@lockstep/gradient-sync";
import type { StepTotals } from "@lockstep/run";
import { expect, test } from "vitest";
import { attemptOf, contribute, RecordedTeam, sendChunk, sentTypes, stepTask, turn } from "../testing/recorded-team.ts";

test("a step whose last chunk is followed by an invalid one in the same turn is not complete", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  let outcome: unknown = "waits";
  const note = (what: unknown) => {
    outcome = what;
  };
  run.team.step(stepTask(), () => {}).then(() => note("ended"), note);
  await turn();
  for (const [subtree, session] of [a, b].entries()) {
    sendChunk(session, { subtree }, 1, 1);
    contribute(session, { subtree }, 3);
  }
  const nonsense = { part: 0, offset: 999, ...encodeFloats(Float32Array.of(1), "fp32") };
  b.deliver({ type: "gradient-chunk", ...attemptOf({ subtree: 1 }), ...nonsense });
  await turn();
  expect(outcome).toBe("waits");
  sendChunk(a, { subtree: 0 }, 1, 1); // requested again: its sum contained the withdrawn chunk
  sendChunk(a, { subtree: 1, attempt: 1 }, 1, 1);
  contribute(a, { subtree: 1, attempt: 1 }, 3);
  await turn();
  expect(outcome).toBe("ended");
});

test("a step is shared by all workers, and its totals have the share of each", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  let totals: StepTotals | undefined;
  const done = run.team.step(stepTask(), (sums) => {
    totals = sums;
  });
  await turn();
  run.nowMs = 10;
  for (const [subtree, session] of [a, b].entries()) {
    session.bytesUp = 100;
    sendChunk(session, { subtree }, 1, 1);
    contribute(session, { subtree }, 3);
  }
  await done;
  expect(sentTypes(a)).toEqual(["start", "assign", "update-chunk", "commit"]);
  const share = {
    samples: 3,
    bytesUp: 100,
    bytesDown: expect.any(Number),
    ms: { forward: 4, wait: 6 },
    io: { encode: 1 },
  };
  expect(totals).toEqual({
    samples: 6,
    lossSum: 2,
    correct: 0,
    ms: { step: 10 },
    slices: 2,
    workers: [
      { name: "w0", ...share },
      { name: "w1", ...share },
    ],
  });
  expect(run.team.traffic).toMatchObject({ workerSteps: 2, bytesUp: 200 });
});

test.each([
  ["the worker's clock is ahead", 1000, 7],
  ["the worker's clock is behind", -500, 10], // 1507 is later than the end of the step, so it is clamped
  ["the worker's clock is far ahead", 5000, 0],
  ["the worker has not sent its time", undefined, undefined],
])(
  "a step's totals have the time at which a worker was done by the coordinator's clock, if %s",
  async (_, clockAheadMs, doneMs) => {
    const run = new RecordedTeam();
    const a = run.join();
    await run.begin();
    Object.assign(a, { clockAheadMs });
    let totals: StepTotals | undefined;
    const done = run.team.step(stepTask(), (sums) => {
      totals = sums;
    });
    await turn();
    run.nowMs = 10;
    sendChunk(a, { subtree: 0 }, 1, 1);
    contribute(a, { subtree: 0 }, 6);
    await done;
    expect(totals?.workers?.[0]?.doneMs).toBe(doneMs);
  },
);

test("a step is not committed if beforeCommit throws", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const done = run.team.step(stepTask(), () => {
    throw new Error("the disk is full");
  });
  await turn();
  sendChunk(a, { subtree: 0 }, 1, 1);
  contribute(a, { subtree: 0 }, 6);
  await expect(done).rejects.toThrow("the disk is full");
  expect(sentTypes(a)).not.toContain("commit");
});

test("a step sends its messages to all workers in one order, even if one of them is dropped meanwhile", async () => {
  const run = new RecordedTeam();
  const [a, b, c] = [run.join(), run.join(), run.join()];
  await run.begin();
  void run.team.step(stepTask(), () => {});
  await turn();
  sendChunk(a, { subtree: 0 }, 1, 1);
  sendChunk(b, { subtree: 1 }, 2, 2);
  b.waitingBytes = 2 ** 29;
  sendChunk(c, { subtree: 2 }, 3, 3);
  expect(b.closed).toBe("ERR_SLOW_READER");
  expect(run.lines.at(-2)).toBe("w1 was dropped: it has not read 537 MB that are queued for it (2 connected)");
  for (const session of [a, c]) {
    expect(sentTypes(session).filter((type) => type !== "assign")).toEqual(["start", "update-chunk", "withdrawn"]);
  }
});

test("a step drops a worker that does not read its assignment, and continues with the others", async () => {
  const run = new RecordedTeam();
  const [a, b, c] = [run.join(), run.join(), run.join()];
  await run.begin();
  c.waitingBytes = 2 ** 29;
  void run.team.step(stepTask(), () => {});
  await turn();
  expect([a.closed, b.closed, c.closed]).toEqual([undefined, undefined, "ERR_SLOW_READER"]);
  expect(run.lines.at(-1)).toBe("samples 4 to 5 of step 0 go to w0: its worker disconnected");
});

test("a contribution of the wrong shape is repeated by the only worker, which is dropped after the third one", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const done = run.team.step(stepTask(), () => {});
  done.catch(() => {});
  await turn();
  for (const attempt of [0, 1, 2]) {
    expect(a.closed).toBeUndefined();
    sendChunk(a, { subtree: 0, attempt }, 1, 1, 1);
  }
  expect(a.closed).toBe("ERR_STRIKES");
  await expect(done).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
});

test("a subtree whose contribution has the wrong shape goes to another worker", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  const done = run.team.step(stepTask(), () => {});
  await turn();
  sendChunk(b, { subtree: 1 }, 2, 2);
  contribute(b, { subtree: 1 }, 3);
  sendChunk(a, { subtree: 0 }, 1, 1, 1);
  expect(sentTypes(a).at(-1)).toBe("rejected");
  sendChunk(b, { subtree: 0, attempt: 1 }, 1, 1);
  contribute(b, { subtree: 0, attempt: 1 }, 3);
  await done;
  expect(a.sentMessages.at(-1)).toMatchObject({ type: "commit", attempts: [1, 0], lossSum: 2 });
});

test("a subtree that is not finite counts against its worker once another worker finds it finite", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  for (const step of [0, 1, 2]) {
    const done = run.team.step(stepTask(step), () => {});
    await turn();
    sendChunk(b, { step, subtree: 1 }, 2, 2);
    contribute(b, { step, subtree: 1 }, 3);
    sendChunk(a, { step, subtree: 0 }, Number.NaN, 1);
    expect([run.team.members[0]?.violations, a.closed]).toEqual([step, undefined]);
    sendChunk(b, { step, subtree: 0, attempt: 1 }, 1, 1);
    contribute(b, { step, subtree: 0, attempt: 1 }, 3);
    await done;
  }
  expect([a.closed, b.closed]).toEqual(["ERR_STRIKES", undefined]);
});

test("subtrees that no worker finds finite drop no worker, and the step's loss is NaN", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin({ sliceRows: 1 });
  let totals: StepTotals | undefined;
  const done = run.team.step(stepTask(), (sums) => {
    totals = sums;
    throw new Error("not finite");
  });
  done.catch(() => {});
  await turn();
  // The tree over six slices is ((0 1) (2 3)) (4 5): three slices of a worker are two subtrees.
  for (const subtree of [0, 1]) sendChunk(a, { subtree }, Number.NaN, 1);
  for (const subtree of [2, 3]) sendChunk(b, { subtree }, Number.NaN, 1);
  sendChunk(b, { subtree: 0, attempt: 1 }, Number.NaN, 1);
  await expect(done).rejects.toThrow("not finite");
  expect(totals?.lossSum).toBeNaN();
  expect([a.closed, b.closed]).toEqual([undefined, undefined]);
});

test("a chunk and a contribution of an earlier step are ignored", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  await run.completeStep(0);
  sendChunk(a, { subtree: 0 }, 9, 9);
  contribute(a, { subtree: 0 }, 6);
  expect(sentTypes(a).at(-1)).toBe("commit");
});
