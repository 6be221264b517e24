/** Turns messages into bytes on the wire and back: the only module that knows MessagePack. */
import { LockstepError } from "@lockstep/errors";
import { Packr } from "msgpackr";
import type { z } from "zod";
import {
  type CoordinatorMessage,
  coordinatorMessageSchema,
  type MessageOf,
  type WorkerMessage,
  workerMessageSchema,
} from "./messages.ts";
import { malformation } from "./well-formed.ts";

// Messages are plain maps, so that any MessagePack library reads them: MessagePack has no word for a field that is
// undefined. Float arrays are handed over as bytes: msgpackr would corrupt a Float32Array.
const plain = { useRecords: false, skipValues: [undefined] };
const packr = new Packr(plain);

/** Most characters that say what is wrong with a message: they may quote it, and are sent back, and printed. */
const MAX_REASON_CHARACTERS = 1000;

/**
 * Encodes a message as bytes, in a buffer of its own. `data` comes last, and is copied once: msgpackr would do so
 * twice.
 */
export function encode(message: WorkerMessage | CoordinatorMessage): Buffer {
  if (!("data" in message)) return Buffer.from(packr.pack(message));
  const { data, ...fields } = message;
  const head = packr.pack({ ...fields, data: NO_BYTES }).subarray(0, -NO_BYTES_PACKED);
  const length = Buffer.alloc(5, BIN_32);
  length.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, length, data]);
}

const NO_BYTES = new Uint8Array();
/** MessagePack: bytes of the empty byte string; what stands before the length, in four bytes, of a longer one. */
const [NO_BYTES_PACKED, BIN_32] = [2, 0xc6];

/** Decodes what a worker sent. @throws LockstepError ERR_MESSAGE that says what is wrong with it */
export function decodeFromWorker(bytes: Uint8Array): WorkerMessage {
  return decode(bytes, workerMessageSchema, "a worker");
}

/** Decodes what a coordinator sent. @throws LockstepError ERR_MESSAGE that says what is wrong with it */
export function decodeFromCoordinator(bytes: Uint8Array): CoordinatorMessage {
  return decode(bytes, coordinatorMessageSchema, "the coordinator");
}

/**
 * Makes sure that a coordinator will take what a worker tells of its model and data.
 *
 * @throws LockstepError ERR_MODEL_REFUSED that says which limit is passed
 */
export function assertValidReady(message: MessageOf<"ready">): void {
  const parsed = workerMessageSchema.safeParse(message);
  if (parsed.success) return;
  const text = `A coordinator cannot take this model: ${firstIssue(parsed.error)}`;
  throw new LockstepError("ERR_MODEL_REFUSED", `${text}; change the model, or train it with \`pnpm train\`.`);
}

/**
 * Decodes a message: its fields are checked one by one and copied into a new object; `data` stays a view of the bytes.
 */
function decode<Message>(bytes: Uint8Array, schema: z.ZodType<Message>, sender: string): Message {
  const wrong = malformation(bytes);
  if (wrong !== undefined) {
    throw new LockstepError("ERR_MESSAGE", `Expected a message of plain MessagePack from ${sender}, got ${wrong}.`);
  }
  const parsed = schema.safeParse(unpack(bytes, sender));
  if (parsed.success) return parsed.data;
  throw new LockstepError("ERR_MESSAGE", `A message from ${sender} is not as agreed: ${firstIssue(parsed.error)}.`);
}

function firstIssue({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join(".") || "type"}: ${issue?.message}`
    .slice(0, MAX_REASON_CHARACTERS)
    .replace(/\p{Cc}/gu, " ");
}

/** Unpacks well-formed bytes; all that can still be wrong is a map whose keys are maps. */
function unpack(bytes: Uint8Array, sender: string): unknown {
  try {
    return packr.unpack(bytes);
  } catch (cause) {
    throw new LockstepError("ERR_MESSAGE", `Expected a message from ${sender}, got other MessagePack.`, { cause });
  }
}
