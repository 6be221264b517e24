/** Workers that break their part of the protocol, on real sockets: what becomes of them, and of the run. */

import { once } from "node:events";
import { connect } from "node:net";
import { encode, toSliceId, toStep, type WorkerMessage } from "@lockstep/gradient-sync";
import { openSocket } from "@lockstep/transport";
import { afterEach, describe, expect, test } from "vitest";
import { type LiveRun, type LiveRunOptions, startRun, undisturbedState } from "../testing/fuzz/live-run.ts";
import { SocketWorker } from "../testing/fuzz/socket-worker.ts";
import { HELLO } from "../testing/toy-model.ts";

const runs: LiveRun[] = [];
const beating: NodeJS.Timeout[] = [];
afterEach(async () => {
  for (const timer of beating.splice(0)) clearInterval(timer);
  await Promise.all(runs.splice(0).map((run) => run.close()));
});

/** The coordinator's clock goes 20 times as fast as ours: 3 s are over in 150 ms. */
const HURRY = 20;

async function run(options: LiveRunOptions = {}): Promise<LiveRun> {
  const started = await startRun({ hurry: HURRY, heartbeatMs: 20_000, stallMs: 20_000, ...options });
  runs.push(started);
  return started;
}

/** Messages to send in place of one message; undefined to send it unchanged. */
type Twist = (message: WorkerMessage) => WorkerMessage[] | undefined;

/** A worker whose messages are others where `twist` says so, and whose heart beats. */
function join({ port }: LiveRun, twist: Twist, name = "hostile"): SocketWorker {
  const worker = new SocketWorker({
    port,
    name,
    send(frame, message, socket) {
      for (const other of twist(message)?.map(encode) ?? [frame]) socket.send(other);
    },
  });
  beating.push(setInterval(() => worker.beat(), 100));
  return worker;
}

/** Those of its own messages that are of a type. */
const only =
  <Type extends WorkerMessage["type"]>(
    type: Type,
    twist: (message: Extract<WorkerMessage, { type: Type }>) => ReturnType<Twist>,
  ): Twist =>
  (message) =>
    message.type === type ? twist(message as Extract<WorkerMessage, { type: Type }>) : undefined;

/** The fastest worker is the one whose state is read: this one says that it is. */
const boasting =
  (twist: Twist): Twist =>
  (message) =>
    twist(message) ?? (message.type === "contribution" ? [{ ...message, ms: { forward: 0.001 } }] : undefined);

/** The run goes on with the honest worker, and comes to what it would have come to. */
async function assertUndisturbed({ team, stop }: LiveRun): Promise<void> {
  const until = team.updatesMade + 3;
  await team.until(() => team.updatesMade >= until);
  const { steps, state } = await stop();
  expect(state).toEqual(undisturbedState(steps));
}

const NOTHING: never[] = [];
const spoil = (data: Uint8Array) => new Uint8Array(new Float32Array(data.length / 4).fill(Number.NaN).buffer);

describe("a worker is let go, and the run goes on undisturbed, if", () => {
  test.each<[string, string, Twist]>([
    ["it sends a step to come", "ERR_ATTEMPT", only("gradient-chunk", (m) => [{ ...m, step: toStep(m.step + 1) }])],
    ["it sends another's slice", "ERR_ATTEMPT", only("gradient-chunk", (m) => [{ ...m, slice: toSliceId(99) }])],
    ["it sends an attempt that was not made", "ERR_ATTEMPT", only("contribution", (m) => [{ ...m, attempt: 7 }])],
    ["its numbers are not finite", "ERR_STRIKES", only("gradient-chunk", (m) => [{ ...m, data: spoil(m.data) }])],
    ["its losses are not finite", "ERR_STRIKES", only("contribution", (m) => [{ ...m, lossSum: Number.NaN }])],
    ["its pieces are too short", "ERR_STRIKES", only("gradient-chunk", (m) => [{ ...m, data: m.data.slice(1) }])],
    ["its pieces lie elsewhere", "ERR_STRIKES", only("gradient-chunk", (m) => [{ ...m, offset: m.offset + 1 }])],
    ["its pieces are of no part", "ERR_STRIKES", only("gradient-chunk", (m) => [{ ...m, part: 9 }])],
    ["it contributes nothing", "ERR_STRIKES", only("gradient-chunk", () => NOTHING)],
    ["it counts other samples", "ERR_STRIKES", only("contribution", (m) => [{ ...m, samples: m.samples + 1 }])],
    ["its evaluations are not finite", "ERR_STRIKES", only("evaluation", (m) => [{ ...m, lossSum: Number.NaN }])],
    ["it counts nothing", "ERR_STRIKES", only("evaluation", (m) => [{ ...m, confusion: [] }])],
    ["its counts are no square", "ERR_STRIKES", only("evaluation", (m) => [{ ...m, confusion: ragged(m.samples) }])],
    ["it evaluates what nobody asked for", "ERR_ATTEMPT", only("evaluation", (m) => [{ ...m, request: 1e6 }])],
    ["it says what it was not asked", "ERR_MESSAGE_ORDER", only("contribution", (m) => [m, { type: "synced" }])],
    ["it says hello again", "ERR_MESSAGE_ORDER", only("contribution", (m) => [m, HELLO])],
    ["it sends a state unasked", "ERR_CHUNK", only("contribution", (m) => [m, stateChunk(1e6, 0)])],
    ["a piece of its state comes twice", "ERR_CHUNK", boasting(only("state-chunk", (m) => [m, m]))],
    ["a piece of its state is empty", "ERR_CHUNK", boasting(only("state-chunk", (m) => [stateChunk(m.request, 0)]))],
    ["its state is not whole", "ERR_CHUNK", boasting(only("state-chunk", (m) => (m.tensor === 0 ? NOTHING : [m])))],
    [
      "its state is of another step",
      "ERR_CHUNK",
      boasting(only("state-end", (m) => [{ ...m, step: toStep(m.step + 1) }])),
    ],
    ["it does all but contribute", "ERR_STALLED", only("contribution", () => NOTHING)],
    ["it sends no digest", "ERR_STALLED", only("digest-result", () => NOTHING)],
    ["it sends no state", "ERR_STALLED", boasting((m) => (m.type.startsWith("state-") ? NOTHING : undefined))],
    ["it never ends its state", "ERR_STALLED", boasting(only("state-end", () => NOTHING))],
    ["it evaluates nothing", "ERR_STALLED", only("evaluation", () => NOTHING)],
    ["it never catches up", "ERR_STALLED", only("synced", () => NOTHING)],
  ])("%s: %s", async (_, code, twist) => {
    const live = await run();
    const hostile = join(live, twist);
    expect(await hostile.closed).toEqual({ code: 4000, reason: code });
    expect(live.team.members.map(({ name }) => name)).toEqual(["honest"]);
    await assertUndisturbed(live);
  });
});

test("two connections whose numbers are not finite are both let go, and the run goes on undisturbed", async () => {
  const live = await run();
  const spoiling = only("gradient-chunk", (m) => [{ ...m, data: spoil(m.data) }]);
  const nonFinite = ["hostile", "accomplice"].map((name) => join(live, spoiling, name));
  for (const { closed } of nonFinite) expect(await closed).toEqual({ code: 4000, reason: "ERR_STRIKES" });
  await assertUndisturbed(live);
});

describe("whoever comes in numbers and says nothing", () => {
  test("10,000 times below the WebSocket: is turned away or let go, and the run goes on", async () => {
    const live = await run({ handshakeMs: 200, maxWorkers: 4 });
    const before = live.team.updatesMade;
    let closed = 0;
    for (let batch = 0; batch < 20; batch++) {
      const sockets = Array.from({ length: 500 }, () => connect(live.port, "127.0.0.1").on("error", () => {}));
      // More than there is room for are dropped at once; the others stay until their time is over, or until here.
      await Promise.all(sockets.map((socket) => once(socket.resume(), "close").then(() => closed++)));
    }
    expect(closed).toBe(10_000);
    expect(live.team.updatesMade).toBeGreaterThan(before);
    await assertUndisturbed(live);
  });

  test("1,000 times by WebSocket: has no place, or is told that it was silent", async () => {
    // A thousand sockets' ends in this process may hold up the honest worker for a second: it must not be lost for it.
    const live = await run({ maxWorkers: 100, heartbeatMs: 60_000, stallMs: 200_000 });
    const endings = await Promise.all(
      Array.from({ length: 1000 }, () => {
        // The coordinator's patience is tested, so these sockets have more of it.
        const socket = openSocket(`ws://127.0.0.1:${live.port}`, { maxPayload: 1000, handshakeMs: 100_000 });
        return new Promise<string>((resolve) => {
          socket.on("error", ({ code }: NodeJS.ErrnoException) => resolve(String(code)));
          socket.on("close", (_, reason) => resolve(String(reason)));
        });
      }),
    );
    // Beyond its places a coordinator has room for some connections that it tells so; the rest is cut off.
    const expected = ["ERR_SILENT", "ERR_FULL", "ECONNRESET"];
    expect([...new Set(endings)].filter((ending) => !expected.includes(ending))).toEqual([]);
    expect(endings.filter((ending) => ending === "ERR_SILENT").length).toBeGreaterThanOrEqual(99);
    await assertUndisturbed(live);
  });
});

describe("a worker that joins begins anew", () => {
  /** One that joins, and whoever was to send it the weights, but holds them back from then on. */
  async function joinWithSlowSource(live: LiveRun) {
    const delayed: WorkerMessage[] = [];
    const isHeld = () => live.log.some((line) => line.startsWith("late joined"));
    const source = join(
      live,
      boasting((message) => {
        if (!message.type.startsWith("state-") || !isHeld()) return undefined;
        delayed.push(message);
        return NOTHING;
      }),
    );
    const stateOf = (name: string) => live.team.members.find((member) => member.name === name)?.state;
    await live.team.until(() => stateOf("hostile") === "in" && live.team.members.some(({ speed = 0 }) => speed > 100));
    const late = join(live, () => undefined, "late");
    await live.team.until(() => stateOf("late") === "loading");
    return { source, late, held: delayed };
  }

  test("if whoever was to send it the weights is lost", async () => {
    const live = await run();
    const { source, late } = await joinWithSlowSource(live);
    source.socket.terminate();
    expect(await late.closed).toEqual({ code: 4000, reason: "ERR_STATE_LOST" });
    join(live, () => undefined, "late again");
    await live.team.until(() => live.log.includes("late again has caught up and is assigned slices"));
    await assertUndisturbed(live);
  });

  test("if more updates are made than are kept for it", async () => {
    const maxLogBytes = 30_000; // some steps
    const live = await run({ maxLogBytes, checkpoints: false, stallMs: 1e6 });
    const { source, late, held: delayed } = await joinWithSlowSource(live);
    const until = live.team.updatesMade + 30;
    await live.team.until(() => live.team.updatesMade > until && delayed.length >= 4);
    for (const message of delayed) source.socket.send(encode(message));
    expect(await late.closed).toEqual({ code: 4000, reason: "ERR_SLOW_READER" });
    source.socket.terminate(); // else it would be asked for its state
    await assertUndisturbed(live);
  });
});

function ragged(samples: number): number[][] {
  return [
    [samples, 0, 0, 0],
    [0, 0],
    [0, 0, 0],
  ];
}

function stateChunk(request: number, elements: number): WorkerMessage {
  const data = new Uint8Array(4 * elements);
  return { type: "state-chunk", request, tensor: 0, kind: "weight", offset: 0, data };
}
