/** Encodes and decodes messages. This is the only module that depends on MessagePack. */
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

// Messages are plain maps without undefined fields, so that any MessagePack library can read them. Numbers are passed
// as bytes: msgpackr would corrupt a Float32Array.
const plain = { useRecords: false, skipValues: [undefined] };
const packr = new Packr(plain);

/** Maximum length of the description of an invalid message, which may quote it, is sent back and is printed. */
const MAX_REASON_CHARACTERS = 1000;

/**
 * Encodes a message into a new buffer. `data` comes last and is copied only once; msgpackr would copy it twice.
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
/** MessagePack: the size of an empty byte string, and the type byte of a byte string with a four-byte length. */
const [NO_BYTES_PACKED, BIN_32] = [2, 0xc6];

/** Decodes a message from a worker. @throws LockstepError ERR_MESSAGE if it is invalid */
export function decodeFromWorker(bytes: Uint8Array): WorkerMessage {
  return decode(bytes, workerMessageSchema, "a worker");
}

/** Decodes a message from a coordinator. @throws LockstepError ERR_MESSAGE if it is invalid */
export function decodeFromCoordinator(bytes: Uint8Array): CoordinatorMessage {
  return decode(bytes, coordinatorMessageSchema, "the coordinator");
}

/**
 * Asserts that a coordinator will accept the worker's description of its model and data.
 *
 * @throws LockstepError ERR_MODEL_REFUSED if the description exceeds a limit
 */
export function assertValidReady(message: MessageOf<"ready">): void {
  const parsed = workerMessageSchema.safeParse(message);
  if (parsed.success) return;
  const text = `A coordinator cannot accept this model: ${firstIssue(parsed.error)}`;
  throw new LockstepError("ERR_MODEL_REFUSED", `${text}; change the model, or train it with \`pnpm train\`.`);
}

/**
 * Decodes a message: checks each field and copies it into a new object. `data` remains a view of the bytes.
 */
function decode<Message>(bytes: Uint8Array, schema: z.ZodType<Message>, sender: string): Message {
  const wrong = malformation(bytes);
  if (wrong !== undefined) {
    throw new LockstepError("ERR_MESSAGE", `Expected a message of plain MessagePack from ${sender}, got ${wrong}.`);
  }
  const parsed = schema.safeParse(unpack(bytes, sender));
  if (parsed.success) return parsed.data;
  throw new LockstepError("ERR_MESSAGE", `A message from ${sender} is invalid: ${firstIssue(parsed.error)}.`);
}

function firstIssue({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join(".") || "type"}: ${issue?.message}`
    .slice(0, MAX_REASON_CHARACTERS)
    .replace(/\p{Cc}/gu, " ");
}

/** Unpacks well-formed bytes. This still fails for a map whose keys are maps. */
function unpack(bytes: Uint8Array, sender: string): unknown {
  try {
    return packr.unpack(bytes);
  } catch (cause) {
    throw new LockstepError("ERR_MESSAGE", `Expected a message from ${sender}, got MessagePack with invalid keys.`, {
      cause,
    });
  }
}
