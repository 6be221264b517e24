/** Bytes on the wire ↔ messages. The only module that knows MessagePack. */
import { LockstepError } from "@lockstep/errors";
import { addExtension, Packr } from "msgpackr";
import type { z } from "zod";
import {
  type CoordinatorMessage,
  coordinatorMessageSchema,
  type WorkerMessage,
  workerMessageSchema,
} from "./messages.ts";

// Plain maps, so that any MessagePack library reads them. Float arrays are handed over as bytes: msgpackr would
// corrupt a Float32Array.
const packr = new Packr({ useRecords: false });

// Of the extensions no message has any but 0, which is `undefined`. References to other values could make a tree of
// any size out of a few bytes, and a big integer costs more than its bytes.
for (let type = 1; type < 256; type++) addExtension({ type, unpack: refuseExtension });

/** Characters of what is wrong with a message: it may quote the message, and is sent back, and printed. */
const MAX_REASON = 1000;

/** A message as bytes, in a buffer of its own. */
export function encode(message: WorkerMessage | CoordinatorMessage): Buffer {
  return Buffer.from(packr.pack(message));
}

/** @throws LockstepError ERR_MESSAGE that says what is wrong with it */
export function decodeFromWorker(bytes: Uint8Array): WorkerMessage {
  return decode(bytes, workerMessageSchema, "a worker");
}

/** @throws LockstepError ERR_MESSAGE that says what is wrong with it */
export function decodeFromCoordinator(bytes: Uint8Array): CoordinatorMessage {
  return decode(bytes, coordinatorMessageSchema, "the coordinator");
}

/** The fields are checked one by one and copied into a new object; `data` stays a view of the bytes. */
function decode<Message>(bytes: Uint8Array, schema: z.ZodType<Message>, sender: string): Message {
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (cause) {
    throw new LockstepError(
      "ERR_MESSAGE",
      `Expected a MessagePack message from ${sender}, got ${bytes.length} other bytes.`,
      { cause },
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const reason = `${issue?.path.join(".") || "type"}: ${issue?.message}`.slice(0, MAX_REASON).replace(/\p{Cc}/gu, " ");
  throw new LockstepError("ERR_MESSAGE", `A message from ${sender} is not as agreed: ${reason}.`);
}

function refuseExtension(): never {
  throw new Error("Expected no extension types.");
}
