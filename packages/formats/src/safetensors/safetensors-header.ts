/** Parses and checks the header of a safetensors file, which may come from anywhere. */
import { excerpt, excerptOf, LockstepError } from "@lockstep/errors";
import { z } from "zod";
import { elementCount } from "../element-count.ts";
import { FLOAT_TYPES, isFloatType } from "./float-types.ts";

/** The header's key for metadata. No tensor has this name. */
export const METADATA = "__metadata__";

/** Deepest nesting that is read. A valid header has three levels: the header, a tensor's entry, and its shape. */
const MAX_DEPTH = 8;

const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});
/** The header's description of one tensor. */
export type Entry = z.infer<typeof entrySchema> & { name: string };

/** The checked content of a header. */
export interface Header {
  metadata: Record<string, string>;
  /** In the order of their data. */
  entries: Entry[];
}

/**
 * Names of the counters that PyTorch's BatchNorm and AveragedModel save with their weights. They are integers.
 * Source: torch/nn/modules/batchnorm.py, torch/optim/swa_utils.py
 */
const COUNTERS = /(^|\.)(num_batches_tracked|n_averaged)$/;
const COUNTER_BYTES = new Map([
  ["I64", 8],
  ["I32", 4],
]);

/** Returns whether a tensor is a counter, which is not read. */
function isCounter({ name, dtype }: Entry): boolean {
  return COUNTERS.test(name) && COUNTER_BYTES.has(dtype);
}

/**
 * Parses the JSON of a header, and checks each entry.
 *
 * @throws LockstepError ERR_SAFETENSORS
 */
export function parseHeader(path: string, json: string): Header {
  const header = parseObject(path, json);
  assertFlatWithKeysOnce(path, json);
  const metadata = header[METADATA] ?? {};
  if (!isTextRecord(metadata)) throw invalidFile(path, "metadata that maps text to text", excerptOf(metadata));
  const entries = Object.entries(header).filter(([name]) => name !== METADATA);
  return {
    metadata,
    entries: entries
      .map(([name, entry]) => parseEntry(path, name, entry))
      .sort((a, b) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1]),
  };
}

/** Throws unless the tensors fill the data without gaps. Returns the length of the data in bytes. */
export function assertLayout(path: string, entries: readonly Entry[], dataBytes: number): number {
  let end = 0;
  for (const { name, data_offsets } of entries) {
    if (data_offsets[0] !== end) {
      throw invalidFile(path, `"${excerpt(name)}" to start at byte ${end} of the data`, data_offsets[0]);
    }
    end = data_offsets[1];
  }
  if (end !== dataBytes) throw invalidFile(path, `${end} bytes of data`, `${dataBytes}`);
  return end;
}

/** Makes the error for a file that is no valid safetensors file. */
export function invalidFile(
  path: string,
  expected: string,
  got: string | number | bigint,
  remedy = "The file is damaged or truncated. Copy or create it again.",
): LockstepError {
  return new LockstepError("ERR_SAFETENSORS", `${path}: expected ${expected}, got ${got}. ${remedy}`);
}

function parseObject(path: string, json: string): Record<string, unknown> {
  try {
    // Safe at any depth: V8's parser does not recurse on the call stack.
    if (json.startsWith("{")) return JSON.parse(json);
  } catch {
    // Invalid JSON is reported below.
  }
  throw invalidFile(path, "a header that is a JSON object", JSON.stringify(json.slice(0, 40)));
}

/**
 * Checks the text of a header that is valid JSON: its nesting, because a deep value could overflow the stack of
 * recursive code; and the keys of the outermost object, because JSON.parse silently keeps the last of two equal keys.
 */
function assertFlatWithKeysOnce(path: string, json: string): void {
  const seen = new Set<string>();
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === "{" || character === "[") depth++;
    if (character === "}" || character === "]") depth--;
    if (depth > MAX_DEPTH) throw invalidFile(path, `a header nested at most ${MAX_DEPTH} deep`, "a deeper one");
    if (character !== '"') continue;
    const end = endOfString(json, i);
    if (depth === 1 && isKey(json, end)) assertNewName(path, JSON.parse(json.slice(i, end)), seen);
    i = end - 1;
  }
}

/** Returns the index after the string that starts at `start`. */
function endOfString(json: string, start: number): number {
  let end = start + 1;
  while (json[end] !== '"') end += json[end] === "\\" ? 2 : 1;
  return end + 1;
}

/** Returns whether the string that ends at `end` is a key. */
function isKey(json: string, end: number): boolean {
  let next = end;
  while (" \t\r\n".includes(json.charAt(next))) next++;
  return json[next] === ":";
}

function assertNewName(path: string, key: string, seen: Set<string>): void {
  if (seen.has(key)) throw invalidFile(path, "each tensor once", `${excerpt(key)} twice`);
  seen.add(key);
}

/** Returns whether a value maps text to text. Zod's record is not used because it drops a key "__proto__". */
function isTextRecord(value: unknown): value is Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((item) => typeof item === "string");
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) throw invalidFile(path, `dtype, shape and data_offsets of "${excerpt(name)}"`, excerptOf(value));
  const entry = { name, ...parsed.data };
  const { shape, data_offsets } = entry;
  const expected = elementCount(shape) * bytesPerElement(path, entry);
  const bytes = data_offsets[1] - data_offsets[0];
  if (bytes === expected) return entry;
  throw invalidFile(path, `${expected} bytes for "${excerpt(name)}" [${excerpt(String(shape))}]`, `${bytes}`);
}

function bytesPerElement(path: string, entry: Entry): number {
  const { name, dtype } = entry;
  if (isFloatType(dtype)) return FLOAT_TYPES[dtype].bytesPerElement;
  const counterBytes = isCounter(entry) ? COUNTER_BYTES.get(dtype) : undefined;
  if (counterBytes !== undefined) return counterBytes;
  const remedy = "Convert it in Python with tensor.float() and save it again.";
  throw invalidFile(path, `dtype F32, F16 or BF16 for "${excerpt(name)}"`, excerpt(dtype), remedy);
}
