/** Workers that break their part of the protocol, on real sockets: what becomes of them, and of the run. */

import { once } from "node:events";
import { connect } from "node:net";
import { encode, toStep, toSubtreeId, type WorkerMessage } from "@lockstep/gradient-sync";
import { openSocket } from "@lockstep/transport";
import { expect, onTestFinished, test } from "vitest";
import { type LiveRun, type LiveRunOptions, startRun, undisturbedState } from "../testing/fuzz/live-run.ts";
import { ResponseClock } from "../testing/fuzz/run-clock.ts";
import { SocketWorker } from "../testing/fuzz/socket-worker.ts";
import { HELLO } from "../testing/toy-model.ts";

/** Starts a run, which is closed when the test ends. */
async function run(options: LiveRunOptions = {}): Promise<LiveRun> {
  const started = await startRun({ clock: new ResponseClock(), heartbeatMs: 20_000, stallMs: 20_000, ...options });
  onTestFinished(started.close);
  return started;
}

/** Messages to send in place of one message; undefined to send it unchanged. */
type Twist = (message: WorkerMessage) => WorkerMessage[] | undefined;

/** A worker that answers pings, and sends other messages than its own where `twist` says so. */
function join({ port, clock }: LiveRun, twist: Twist, name = "hostile"): SocketWorker {
  const worker = new SocketWorker({
    port,
    name,
    send(frame, message, socket) {
      for (const other of twist(message)?.map(encode) ?? [frame]) socket.send(other);
    },
  });
  clock.keepHeard(worker);
  return worker;
}

const isOf = <Type extends WorkerMessage["type"]>(
  type: Type,
  message: WorkerMessage,
): message is Extract<WorkerMessage, { type: Type }> => message.type === type;

/** Twists a worker's messages of one type. */
const only =
  <Type extends WorkerMessage["type"]>(
    type: Type,
    twist: (message: Extract<WorkerMessage, { type: Type }>) => ReturnType<Twist>,
  ): Twist =>
  (message) =>
    isOf(type, message) ? twist(message) : undefined;

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

/** Each row describes a misbehaving worker: what it does, the code with which it is dropped, and its messages. */
const BREACHES: [string, string, Twist][] = [
  ["it sends a step to come", "ERR_ATTEMPT", only("gradient-chunk", (m) => [{ ...m, step: toStep(m.step + 1) }])],
  ["it sends another's subtree", "ERR_ATTEMPT", only("gradient-chunk", (m) => [{ ...m, subtree: toSubtreeId(99) }])],
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
];

test.each(BREACHES)("a worker is dropped, and the run continues undisturbed, if %s: %s", async (_, code, twist) => {
  const live = await run();
  const hostile = join(live, twist);
  expect(await hostile.closed).toEqual({ code: 4000, reason: code });
  expect(live.team.members.map(({ name }) => name)).toEqual(["honest"]);
  await assertUndisturbed(live);
});

test("two workers that send numbers which are not finite are both dropped, and the run continues undisturbed", async () => {
  const live = await run();
  const spoiling = only("gradient-chunk", (m) => [{ ...m, data: spoil(m.data) }]);
  const nonFinite = ["hostile", "accomplice"].map((name) => join(live, spoiling, name));
  for (const { closed } of nonFinite) expect(await closed).toEqual({ code: 4000, reason: "ERR_STRIKES" });
  await assertUndisturbed(live);
});

/** Connects to a run below the WebSocket. @returns when the coordinator has ended the connection */
async function connectionClosed({ port }: LiveRun): Promise<void> {
  const socket = connect(port, "127.0.0.1").on("error", () => {}); // `close` follows
  await once(socket.resume(), "close");
}

test("each of 10,000 silent connections is closed, and the run continues", async () => {
  const live = await run({ handshakeMs: 200, maxWorkers: 4, sliceMs: 10 });
  const before = live.team.updatesMade;
  const closed = await inTurns(10_000, () => connectionClosed(live));
  expect(closed).toHaveLength(10_000);
  expect(live.team.updatesMade).toBeGreaterThan(before);
  await assertUndisturbed(live);
});

/**
 * Calls `make` `count` times, with at most 250 calls in progress. With more, the queue of connections that the
 * coordinator has not accepted would overflow, and the kernel's retries take seconds.
 */
async function inTurns<Result>(count: number, make: () => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  let made = 0;
  const lane = async () => {
    while (made++ < count) results.push(await make());
  };
  await Promise.all(Array.from({ length: 250 }, lane));
  return results;
}

/** Opens a WebSocket that sends nothing. @returns the reason with which it ended */
function endingOfSilentSocket({ port }: LiveRun): Promise<string> {
  // The timeout of this socket is longer than the coordinator's, which is tested.
  const socket = openSocket(`ws://127.0.0.1:${port}`, { maxPayload: 1000, handshakeMs: 100_000 });
  return new Promise((resolve) => {
    socket.on("error", ({ code, message }: NodeJS.ErrnoException) => resolve(code ?? message));
    socket.on("close", (code, reason) => resolve(String(reason) || String(code)));
  });
}

test("each of 1,000 silent WebSockets is refused because the run is full, or closed because it was silent", async () => {
  const live = await run({ maxWorkers: 100, sliceMs: 10 });
  const endings = await inTurns(1000, () => endingOfSilentSocket(live));
  // A full coordinator refuses some further connections with ERR_FULL, and resets the rest.
  const expected = ["ERR_SILENT", "ERR_FULL", "ECONNRESET"];
  expect(endings.filter((ending) => !expected.includes(ending))).toEqual([]);
  expect(endings.filter((ending) => ending === "ERR_SILENT").length).toBeGreaterThanOrEqual(99);
  await assertUndisturbed(live);
});

/** Adds a worker that withholds the weights which it is asked for, and then a late joiner that waits for them. */
async function joinWithSlowSource(live: LiveRun) {
  const held: WorkerMessage[] = [];
  const isHeld = () => live.log.some((line) => line.startsWith("late joined"));
  const source = join(
    live,
    boasting((message) => {
      if (!message.type.startsWith("state-") || !isHeld()) return undefined;
      held.push(message);
      return NOTHING;
    }),
  );
  const stateOf = (name: string) => live.team.members.find((member) => member.name === name)?.state;
  await live.team.until(() => stateOf("hostile") === "in" && live.team.members.some(({ speed = 0 }) => speed > 100));
  const late = join(live, () => undefined, "late");
  await live.team.until(() => stateOf("late") === "loading");
  return { source, late, held };
}

test("a late joiner joins again if the worker that was to send it the weights is lost", async () => {
  const live = await run({ stallMs: 1e9 });
  const { source, late } = await joinWithSlowSource(live);
  source.socket.terminate();
  expect(await late.closed).toEqual({ code: 4000, reason: "ERR_STATE_LOST" });
  join(live, () => undefined, "late again");
  await live.team.until(() => live.log.includes("late again has caught up and is assigned slices"));
  await assertUndisturbed(live);
});

test("a late joiner joins again if the update log overflows before it has caught up", async () => {
  const maxLogBytes = 30_000; // some steps
  const live = await run({ maxLogBytes, checkpoints: false, stallMs: 1e9 });
  const { source, late, held } = await joinWithSlowSource(live);
  const until = live.team.updatesMade + 30;
  await live.team.until(() => live.team.updatesMade > until && held.length >= 4);
  for (const message of held) source.socket.send(encode(message));
  expect(await late.closed).toEqual({ code: 4000, reason: "ERR_SLOW_READER" });
  source.socket.terminate(); // else it would be asked for its state
  await assertUndisturbed(live);
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
