/** Checks the order of messages on a scripted connection, with control messages that fail in between. */
import { LockstepError } from "@lockstep/errors";
import { type CoordinatorMessage, toStep, toSubtreeId } from "@lockstep/gradient-sync";
import { expect, test } from "vitest";
import { ScriptedConnection } from "../testing/scripted-connection.ts";
import { Inbox } from "./inbox.ts";

const rejected = {
  type: "rejected",
  step: toStep(1),
  subtree: toSubtreeId(0),
  attempt: 0,
  code: "ERR_CHUNK",
  reason: "no",
} as const;
const CONTROLS: CoordinatorMessage[] = [
  { type: "sync" },
  { type: "send-state", request: 4, window: 8 },
  { type: "state-ack", request: 4 },
  rejected,
];

function inboxOf(...messages: CoordinatorMessage[]) {
  const controls: CoordinatorMessage[] = [];
  const onControl = (message: CoordinatorMessage) => {
    controls.push(message);
    return undefined;
  };
  return { controls, inbox: new Inbox(new ScriptedConnection(...messages), onControl) };
}

test("messages are read in order, and control messages are handled in between", async () => {
  const { inbox, controls } = inboxOf({ type: "digest" }, ...CONTROLS, { type: "finished" });
  expect(await inbox.next()).toEqual({ type: "digest" });
  expect(controls).toEqual([]); // not earlier: a state must be that of its turn
  expect(await inbox.next()).toEqual({ type: "finished" });
  expect(controls).toEqual(CONTROLS);
});

test("a refusal by the coordinator is thrown with its code", async () => {
  const { inbox } = inboxOf({
    type: "refused",
    code: "ERR_SILENT",
    reason: "nothing was received from it for 3.0 s",
  });
  const error = await inbox.next().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(LockstepError);
  expect(error).toMatchObject({ code: "ERR_SILENT", message: "nothing was received from it for 3.0 s" });
});

test("a closed connection is an error once all messages are read", async () => {
  const { inbox } = inboxOf({ type: "digest" }, { type: "sync" });
  await inbox.next();
  await expect(inbox.next()).rejects.toThrow("The connection is closed.");
});

/** Makes an inbox whose control handler stays pending until `fail` is called. */
function sending(...before: CoordinatorMessage[]) {
  let fail: (error: Error) => void = () => {};
  const connection = new ScriptedConnection(...before, { type: "send-state", request: 0, window: 1 });
  const sent = new Promise<void>((_, reject) => (fail = reject));
  return { connection, inbox: new Inbox(connection, () => sent), fail };
}

test("a failed control message rejects the pending read with its error", async () => {
  const { connection, inbox, fail } = sending();
  connection.staysOpen = true;
  const next = inbox.next();
  await new Promise(setImmediate);
  fail(new Error("the GPU is gone"));
  await expect(next).rejects.toThrow("the GPU is gone");
});

test("a failed control message rejects the next read if none is pending", async () => {
  const { inbox, fail, connection } = sending();
  connection.push({ type: "digest" });
  expect(await inbox.next()).toEqual({ type: "digest" });
  fail(new Error("the GPU is gone"));
  await new Promise(setImmediate);
  connection.push({ type: "digest" });
  await expect(inbox.next()).rejects.toThrow("the GPU is gone");
});

test("the next message is returned if it has the expected type, and control messages are handled", async () => {
  const { inbox, controls } = inboxOf({ type: "sync" }, { type: "load-end", step: 3 });
  expect(await inbox.nextOfType("load-end")).toEqual({ type: "load-end", step: 3 });
  expect(controls).toEqual([{ type: "sync" }]);
});

test("a next message of another type is an error", async () => {
  const { inbox } = inboxOf({ type: "digest" });
  await expect(inbox.nextOfType("load-end")).rejects.toMatchObject({
    code: "ERR_MESSAGE_ORDER",
    message: "Expected load-end from the coordinator, got digest.",
  });
});
