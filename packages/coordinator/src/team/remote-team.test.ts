import { encodeFloats, type Plan, rawFloats, toSliceId, toStep } from "@lockstep/gradient-sync";
import type { StepTotals } from "@lockstep/run";
import { beforeEach, describe, expect, test } from "vitest";
import { RecordedSession } from "../testing/recorded-member.ts";
import { RemoteTeam } from "./remote-team.ts";

/** One dense tensor of two numbers, which travels in one piece. */
const PLAN: Plan = { forms: ["dense"], wire: "fp32", chunkBytes: 8 };
const READY = {
  tensors: [{ name: "bias", shape: [2], dtype: "float32" as const }],
  stateDict: [{ name: "fc.bias", shape: [2] }],
};
const TASK = { type: "step" as const, step: toStep(0), epoch: 0, start: 0, end: 6, learningRate: 0.1 };
const VALIDATION = { type: "evaluate" as const, split: "validation" as const, samples: 64, epoch: 0, step: 0 };

let nowMs = 0;
let lines: string[] = [];
let team: RemoteTeam;
let sessions: RecordedSession[] = [];
beforeEach(() => {
  [nowMs, lines, sessions] = [0, [], []];
  const limits = { workers: 2, heartbeatMs: 1000, stallMs: 60_000, minWorkers: 1, maxLogBytes: 1e6 };
  team = new RemoteTeam({
    ...limits,
    balance: "even",
    runId: "r",
    log: (line) => lines.push(line),
    nowMs: () => nowMs,
  });
});

function join(
  hello: Partial<RecordedSession["hello"]> = {},
  ready: Partial<RecordedSession["ready"]> = {},
): RecordedSession {
  const session = new RecordedSession(sessions.length, hello, { ...READY, ...ready });
  sessions.push(session);
  session.handle = team.join(session);
  return session;
}
/** A run of so many workers, that has begun. */
async function begun(workers: number): Promise<RecordedSession[]> {
  for (let i = 0; i < workers; i++) join();
  await team.begin({ plan: PLAN, source: { from: "seed" } });
  return sessions;
}
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const sentTypes = ({ sentMessages: totals }: RecordedSession) => totals.map(({ type }) => type);

type Label = { step?: number; slice: number; attempt?: number };
const labelOf = ({ step = 0, slice, attempt = 0 }: Label) => ({
  step: toStep(step),
  slice: toSliceId(slice),
  attempt,
});
function sendPiece(session: RecordedSession, label: Label, ...values: number[]): void {
  const piece = encodeFloats(Float32Array.from(values), "fp32");
  session.deliver({ type: "gradient-chunk", ...labelOf(label), part: 0, offset: 0, ...piece });
}
function contribute(session: RecordedSession, label: Label, samples: number): void {
  const sums = { samples, lossSum: 1, correct: 0, ms: { forward: 4 }, io: { encode: 1 }, doneMs: 1007 };
  session.deliver({ type: "contribution", ...labelOf(label), ...sums });
}
/** Takes a whole step, in which each has one slice. */
async function takeStep(step: number): Promise<void> {
  const done = team.step({ ...TASK, step: toStep(step) }, () => {});
  await turn();
  const members = team.members.filter(({ state }) => state === "in");
  for (const [slice, { session }] of members.entries()) {
    sendPiece(session as RecordedSession, { step, slice }, 1, 1);
    contribute(session as RecordedSession, { step, slice }, 6 / members.length);
  }
  await done;
}

describe("who joins", () => {
  test("is told apart from others of its name", () => {
    join({ name: "box" });
    join({ name: "box" });
    expect(lines).toEqual([
      "box joined: d, native (1 of 2)",
      "box-1 joined, renamed because box is taken: d, native (2 of 2)",
    ]);
  });

  test("may hold the weights of this run: the furthest step counts", () => {
    expect(team.resumableStep).toBeUndefined();
    join({ holds: { run: "another", step: 9 } });
    expect(team.resumableStep).toBeUndefined();
    join({ holds: { run: "r", step: 3 } });
    join({ holds: { run: "r", step: 5 } });
    expect(team.resumableStep).toBe(5);
  });

  test("and holds the weights that the run goes on from begins with them; others are brought in", async () => {
    const [newer, older] = [join({ holds: { run: "r", step: 5 } }), join({ holds: { run: "r", step: 4 } })];
    await team.begin({ plan: PLAN, source: { from: "held", step: 5 } });
    void team.step({ ...TASK, step: toStep(5) }, () => {});
    await turn();
    expect(sentTypes(newer)).toEqual(["start", "send-state", "assign"]);
    expect(older.sentMessages).toEqual([{ type: "start", ...PLAN, state: "follows" }]);
  });

  test("gets the weights from a file if the run begins with those", async () => {
    const [a, b] = [join(), join()];
    const tensors = [{ name: "fc.bias", shape: [2], weight: Float32Array.of(1, 2), velocity: Float32Array.of(3, 4) }];
    await team.begin({ plan: PLAN, source: { from: "state", tensors, step: 7 } });
    const piece = (kind: "weight" | "velocity", values: Float32Array) => ({
      type: "load-chunk",
      tensor: 0,
      kind,
      offset: 0,
      data: new Uint8Array(values.buffer),
    });
    expect(a.sentMessages.slice(1)).toEqual([
      piece("weight", tensors[0]!.weight),
      piece("velocity", tensors[0]!.velocity),
      { type: "load-end", step: 7 },
    ]);
    expect(b.sentMessages).toEqual(a.sentMessages);
  });
});

test("the state of a run is handed over by name: a file may have its tensors in any order", async () => {
  const stateDict = [
    { name: "fc.weight", shape: [2] },
    { name: "fc.bias", shape: [3] },
  ];
  const tensors = stateDict.map(({ name, shape }) => ({ name, shape, dtype: "float32" as const }));
  const worker = join({}, { stateDict, tensors });
  const state = (name: string, first: number, length: number) => ({
    name,
    shape: [length],
    weight: new Float32Array(length).fill(first),
    velocity: new Float32Array(length).fill(first + 1),
  });
  const plan: Plan = { ...PLAN, forms: ["dense", "dense"] };
  const sorted = [state("fc.bias", 10, 3), state("fc.weight", 20, 2)]; // as PyTorch's safetensors sorts them
  await team.begin({ plan, source: { from: "state", tensors: sorted, step: 0 } });
  const loaded = worker.sentMessages.flatMap((totals) =>
    totals.type === "load-chunk" ? [[totals.tensor, totals.kind, rawFloats(totals.data)]] : [],
  );
  expect(loaded).toEqual([
    [0, "weight", Float32Array.of(20, 20)],
    [0, "velocity", Float32Array.of(21, 21)],
    [1, "weight", Float32Array.of(10, 10, 10)],
    [1, "velocity", Float32Array.of(11, 11, 11)],
  ]);
});

describe("a step", () => {
  test("whose last piece is followed by nonsense in the same turn is not taken for complete", async () => {
    const [a, b] = await begun(2);
    let outcome: unknown = "waits";
    const note = (what: unknown) => {
      outcome = what;
    };
    team.step(TASK, () => {}).then(() => note("ended"), note);
    await turn();
    for (const [slice, session] of [a!, b!].entries()) {
      sendPiece(session, { slice }, 1, 1);
      contribute(session, { slice }, 3);
    }
    const nonsense = { part: 0, offset: 999, ...encodeFloats(Float32Array.of(1), "fp32") };
    b!.deliver({ type: "gradient-chunk", ...labelOf({ slice: 1 }), ...nonsense });
    await turn();
    expect(outcome).toBe("waits");
    sendPiece(a!, { slice: 0 }, 1, 1); // asked for again: its sum held what was withdrawn
    sendPiece(a!, { slice: 1, attempt: 1 }, 1, 1);
    contribute(a!, { slice: 1, attempt: 1 }, 3);
    await turn();
    expect(outcome).toBe("ended");
  });

  test("is shared, and ends with what each worker did", async () => {
    const [a, b] = await begun(2);
    let totals: StepTotals | undefined;
    const done = team.step(TASK, (sums) => {
      totals = sums;
    });
    await turn();
    nowMs = 10;
    for (const [slice, session] of [a!, b!].entries()) {
      session.bytesUp = 100;
      sendPiece(session, { slice }, 1, 1);
      contribute(session, { slice }, 3);
    }
    await done;
    expect(sentTypes(a!)).toEqual(["start", "assign", "update-chunk", "commit"]);
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
    expect(team.traffic).toMatchObject({ workerSteps: 2, bytesUp: 200 });
  });

  test.each([
    ["its clock is ahead", 1000, 7],
    ["its clock is behind", -500, 10], // 1507: later than the step ends, so at its end
    ["its clock is far ahead", 5000, 0],
    ["it has not told its time", undefined, undefined],
  ])("tells when a worker was done by the coordinator's clock, if %s", async (_, clockAheadMs, doneMs) => {
    const [a] = await begun(1);
    Object.assign(a!, { clockAheadMs });
    let totals: StepTotals | undefined;
    const done = team.step(TASK, (sums) => {
      totals = sums;
    });
    await turn();
    nowMs = 10;
    sendPiece(a!, { slice: 0 }, 1, 1);
    contribute(a!, { slice: 0 }, 6);
    await done;
    expect(totals!.workers![0]!.doneMs).toBe(doneMs);
  });

  test("is applied by nobody if what is to come before its commit fails", async () => {
    const [a] = await begun(1);
    const done = team.step(TASK, () => {
      throw new Error("the disk is full");
    });
    await turn();
    sendPiece(a!, { slice: 0 }, 1, 1);
    contribute(a!, { slice: 0 }, 6);
    await expect(done).rejects.toThrow("the disk is full");
    expect(sentTypes(a!)).not.toContain("commit");
  });

  test("tells all in one order, though one of them is dropped meanwhile", async () => {
    const [a, b, c] = await begun(3);
    void team.step(TASK, () => {});
    await turn();
    sendPiece(a!, { slice: 0 }, 1, 1);
    sendPiece(b!, { slice: 1 }, 2, 2);
    b!.waitingBytes = 2 ** 29;
    sendPiece(c!, { slice: 2 }, 3, 3);
    expect(b!.closed).toBe("ERR_SLOW_READER");
    expect(lines.at(-2)).toBe("w1 was dropped: it has not read 537 MB that are queued for it (2 here)");
    for (const session of [a!, c!]) {
      expect(sentTypes(session).filter((type) => type !== "assign")).toEqual(["start", "update-chunk", "withdrawn"]);
    }
  });

  test("whose worker does not read while it is given its slices goes on with the others", async () => {
    const [a, b, c] = await begun(3);
    c!.waitingBytes = 2 ** 29;
    void team.step(TASK, () => {});
    await turn();
    expect([a!.closed, b!.closed, c!.closed]).toEqual([undefined, undefined, "ERR_SLOW_READER"]);
    expect(lines.at(-1)).toBe("slice 2 of step 0 goes to w0: its worker was lost");
  });
});

describe("contributions of the wrong shape", () => {
  test("of the only worker are tried again by it, and are its last the third time", async () => {
    const [a] = await begun(1);
    const done = team.step(TASK, () => {});
    done.catch(() => {});
    await turn();
    for (const attempt of [0, 1, 2]) {
      expect(a!.closed).toBeUndefined();
      sendPiece(a!, { slice: 0, attempt }, 1, 1, 1);
    }
    expect(a!.closed).toBe("ERR_STRIKES");
    await expect(done).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  });

  test("go to another worker, if there is one", async () => {
    const [a, b] = await begun(2);
    const done = team.step(TASK, () => {});
    await turn();
    sendPiece(b!, { slice: 1 }, 2, 2);
    contribute(b!, { slice: 1 }, 3);
    sendPiece(a!, { slice: 0 }, 1, 1, 1);
    expect(sentTypes(a!).at(-1)).toBe("rejected");
    sendPiece(b!, { slice: 0, attempt: 1 }, 1, 1);
    contribute(b!, { slice: 0, attempt: 1 }, 3);
    await done;
    expect(a!.sentMessages.at(-1)).toMatchObject({ type: "commit", attempts: [1, 0], lossSum: 2 });
  });
});

describe("numbers that are not finite", () => {
  test("count against a worker once another one's for that slice are finite", async () => {
    const [a, b] = await begun(2);
    for (const step of [0, 1, 2]) {
      const done = team.step({ ...TASK, step: toStep(step) }, () => {});
      await turn();
      sendPiece(b!, { step, slice: 1 }, 2, 2);
      contribute(b!, { step, slice: 1 }, 3);
      sendPiece(a!, { step, slice: 0 }, Number.NaN, 1);
      expect([team.members[0]!.violations, a!.closed]).toEqual([step, undefined]);
      sendPiece(b!, { step, slice: 0, attempt: 1 }, 1, 1);
      contribute(b!, { step, slice: 0, attempt: 1 }, 3);
      await done;
    }
    expect([a!.closed, b!.closed]).toEqual(["ERR_STRIKES", undefined]);
  });

  test("of all workers, however many slices they had, drop none of them and are the step's loss", async () => {
    const [a, b] = [join(), join()];
    await team.begin({ plan: PLAN, source: { from: "seed" }, sliceRows: 1 });
    let totals: StepTotals | undefined;
    const done = team.step(TASK, (sums) => {
      totals = sums;
      throw new Error("not finite");
    });
    done.catch(() => {});
    await turn();
    for (const slice of [0, 1, 2]) sendPiece(a, { slice }, Number.NaN, 1);
    for (const slice of [3, 4, 5]) sendPiece(b, { slice }, Number.NaN, 1);
    sendPiece(b, { slice: 0, attempt: 1 }, Number.NaN, 1);
    await expect(done).rejects.toThrow("not finite");
    expect(totals!.lossSum).toBeNaN();
    expect([a.closed, b.closed]).toEqual([undefined, undefined]);
  });
});

describe("an evaluation", () => {
  const confusion = [
    [64, 0],
    [0, 0],
  ];

  test("that is refused goes on, and is a worker's last the third time", async () => {
    const [a, b] = await begun(2);
    const done = team.evaluate(VALIDATION);
    for (const violations of [1, 2, 3]) {
      expect(a!.sentMessages.at(-1)).toMatchObject({ type: "evaluate", request: 0, start: 0, end: 64 });
      a!.deliver({ type: "evaluation", request: 0, samples: 64 - violations, lossSum: 1, confusion });
    }
    expect(a!.closed).toBe("ERR_STRIKES");
    b!.deliver({ type: "evaluation", request: 0, samples: 64, lossSum: 1, confusion });
    expect(await done).toEqual({ samples: 64, lossSum: 1, confusion });
  });

  test("says what each sample was taken for in the order of the part, not of the answers", async () => {
    const [a] = await begun(1);
    const done = team.evaluate({ ...VALIDATION, split: "test", samples: 66 });
    const reply = (request: number, samples: number, confusion: number[][], predictions: number[]) =>
      a!.deliver({ type: "evaluation", request, samples, lossSum: 1, confusion, predictions });
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
    expect(lines.filter((line) => line.includes("does not cover all its samples"))).toHaveLength(2);
    reply(0, 64, confusion, Array<number>(64).fill(0));
    expect((await done)!.predictions).toEqual([...Array<number>(64).fill(0), 1, 0]);
  });

  test("ends when it is to stop, and what still comes of it says nothing", async () => {
    const [a] = await begun(1);
    const stop = new AbortController();
    const done = team.evaluate(VALIDATION, stop.signal);
    stop.abort();
    team.tick();
    expect(await done).toBeUndefined();
    a!.deliver({ type: "evaluation", request: 0, samples: 64, lossSum: 1, confusion });
    expect(lines.filter((line) => line.includes("refused"))).toEqual([]);
  });
});

describe("a worker that is to leave", () => {
  test("finishes its slice, and gets no other", async () => {
    const [a, b] = await begun(2);
    const done = team.step(TASK, () => {});
    await turn();
    a!.deliver({ type: "leaving" });
    expect(sentTypes(a!).at(-1)).toBe("assign");
    sendPiece(a!, { slice: 0 }, 1, 1);
    contribute(a!, { slice: 0 }, 3);
    expect(sentTypes(a!).at(-1)).toBe("finished");
    expect(lines.at(-1)).toBe("w0 left (1 here)");
    sendPiece(b!, { slice: 1 }, 2, 2);
    contribute(b!, { slice: 1 }, 3);
    await done;
    void team.step({ ...TASK, step: toStep(1) }, () => {});
    await turn();
    expect(b!.sentMessages.at(-1)).toMatchObject({ type: "assign", slices: [{ slice: 0, start: 0, end: 6 }] });
  });

  test("owes its state, if that is being read, and leaves when it has sent it", async () => {
    const [a] = await begun(2);
    const state = team.captureState().read();
    a!.deliver({ type: "leaving" });
    team.tick();
    expect(sentTypes(a!).at(-1)).toBe("send-state");
    sendState(a!, 0, 5);
    expect((await state)[0]!.weight).toEqual(Float32Array.of(5, 5));
    expect(sentTypes(a!)).toContain("finished");
  });

  test("goes at once if it has no part yet", async () => {
    await begun(1);
    const late = join();
    late.deliver({ type: "leaving" });
    expect(late.sentMessages).toEqual([{ type: "finished" }]);
  });
});

function sendState(
  session: RecordedSession,
  request: number,
  value: number,
  kinds = ["weight", "velocity"] as const,
): void {
  for (const kind of kinds) {
    const data = new Uint8Array(new Float32Array(2).fill(kind === "weight" ? value : -value).buffer);
    session.deliver({ type: "state-chunk", request, tensor: 0, kind, offset: 0, data });
  }
  session.deliver({ type: "state-end", request, step: 0 });
}

describe("the state", () => {
  test("is that of a worker, under the names of the state dict", async () => {
    const [a] = await begun(1);
    const state = team.captureState().read();
    sendState(a!, 0, 3);
    expect(await state).toEqual([
      { name: "fc.bias", shape: [2], weight: Float32Array.of(3, 3), velocity: Float32Array.of(-3, -3) },
    ]);
  });

  test("is that of another worker, if the first is lost and nothing was applied since", async () => {
    const [a, b] = await begun(2);
    const state = team.captureState().read();
    team.disconnect(a!, "its connection closed");
    await turn();
    expect(b!.sentMessages.at(-1)).toMatchObject({ type: "send-state", request: 1 });
    sendState(b!, 1, 4);
    expect((await state)[0]!.weight).toEqual(Float32Array.of(4, 4));
  });

  test("is lost with its worker, if the others have gone on", async () => {
    const [a] = await begun(2);
    const state = team.captureState().read();
    state.catch(() => {});
    await takeStep(0);
    team.disconnect(a!, "its connection closed");
    await expect(state).rejects.toMatchObject({
      code: "ERR_STATE_LOST",
      message: expect.stringContaining("w0 was lost"),
    });
  });

  test("is nobody's, if nobody holds the weights any more", async () => {
    const [a] = await begun(1);
    const state = team.captureState().read();
    state.catch(() => {});
    team.disconnect(a!, "its connection closed");
    await expect(state).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  });

  test("is read from the fastest worker", async () => {
    const [a, b] = await begun(2);
    team.members[0]!.speed = 1;
    team.members[1]!.speed = 2;
    void team.captureState().read();
    expect([sentTypes(a!).at(-1), sentTypes(b!).at(-1)]).toEqual(["start", "send-state"]);
  });
});

describe("a snapshot", () => {
  test.each([
    [1e9, 32],
    [12.5e6, 4], // 0.3 s of 100 Mbit/s
    [1e5, 1],
  ])(
    "of a worker whose link moves %d bytes a second is asked for in at most %d pieces at once",
    async (speed, window) => {
      const a = join({}, { linkBytesPerSecond: speed });
      await team.begin({ plan: PLAN, source: { from: "seed" } });
      void team.captureState().read();
      expect(a.sentMessages.at(-1)).toMatchObject({ type: "send-state", window });
    },
  );

  test("is not held up by those whose links are slow: they get one when the others have theirs", async () => {
    const [source] = await begun(1);
    const [slow, fast] = [join({}, { linkBytesPerSecond: 1e6 }), join()];
    team.tick();
    slow.draining = new Promise(() => {}); // it reads nothing for now
    sendState(source!, 0, 3);
    await turn();
    expect([sentTypes(fast).slice(0, 3), sentTypes(slow)]).toEqual([["start", "load-chunk", "load-chunk"], []]);
    fast.deliver({ type: "synced" });
    await turn();
    expect(team.members.map(({ state }) => state)).toEqual(["in", "loading", "in"]);
    expect(sentTypes(slow)).toEqual(["start"]);
  });
});

describe("replicas", () => {
  const reply = (session: RecordedSession, digest: string) =>
    session.deliver({ type: "digest-result", step: 0, digest });

  test("are as they must be if all digests are equal", async () => {
    const [a, b] = await begun(2);
    const checked = team.checkReplicas();
    reply(b!, "x");
    reply(a!, "x");
    await checked;
  });

  test("end the run if like devices differ, with the name of the one that joined later", async () => {
    const [a, b] = await begun(2);
    const checked = team.checkReplicas();
    reply(b!, "y");
    reply(a!, "x");
    await expect(checked).rejects.toMatchObject({
      code: "ERR_REPLICA",
      message: expect.stringContaining(
        "The weights of w1 differ from those of w0, although their devices are of one kind",
      ),
    });
  });

  test("of unlike devices that have drifted apart are mended with the state of one", async () => {
    const [a, b] = [join(), join({ backend: "wasm" })];
    await team.begin({ plan: PLAN, source: { from: "seed" } });
    const checked = team.checkReplicas();
    reply(a, "x");
    reply(b, "y");
    await turn();
    sendState(a, 0, 3);
    await turn();
    expect(sentTypes(b).slice(1)).toEqual(["digest", "load-chunk", "load-chunk", "load-end"]);
    b.deliver({ type: "loaded", largestDifference: 0.00125 });
    await checked;
    expect(lines.at(-1)).toBe(
      "w1 had drifted from w0 by up to 1.3e-3, because their devices round differently; w1 now has the weights of w0",
    );
  });
});

describe("a message", () => {
  test("that a worker of a run does not say is an error of its connection", async () => {
    const [a] = await begun(1);
    const hello = { ...a!.hello };
    expect(() => a!.deliver(hello)).toThrow(expect.objectContaining({ code: "ERR_MESSAGE_ORDER" }));
  });

  test("of one that was dropped says nothing", async () => {
    const [a] = await begun(2);
    team.disconnect(a!, "its connection closed");
    expect(() => a!.deliver({ type: "state-end", request: 3, step: 0 })).not.toThrow();
  });

  test("about a step that is over, or has not begun, says nothing", async () => {
    const [a] = await begun(1);
    await takeStep(0);
    sendPiece(a!, { slice: 0 }, 9, 9);
    contribute(a!, { slice: 0 }, 6);
    expect(sentTypes(a!).at(-1)).toBe("commit");
  });
});

test("when nobody is left who holds the weights those who come begin again", async () => {
  const [a] = await begun(1);
  const step = team.step(TASK, () => {});
  step.catch(() => {});
  await turn();
  const late = join();
  team.disconnect(a!, "its connection closed");
  await expect(step).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  await expect(team.until(() => true)).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  team.reset();
  expect([team.phase, team.size]).toEqual([{ name: "gathering" }, 1]);
  await team.begin({ plan: PLAN, source: { from: "seed" } });
  await takeStep(0);
  expect(sentTypes(late)).toEqual(["start", "assign", "update-chunk", "commit"]);
});

test("all are told when the run is over", async () => {
  const all = await begun(2);
  team.finish();
  expect(all.map((session) => sentTypes(session).at(-1))).toEqual(["finished", "finished"]);
  expect(team.size).toBe(0);
});
