/** The header of a safetensors file, checked: what comes from elsewhere may be anything. */
import { excerpt, excerptOf, LockstepError } from "@lockstep/errors";
import { z } from "zod";
import { elementCount } from "../element-count.ts";
import { FLOAT_TYPES, isFloatType } from "./float-types.ts";

/** The header's key for text about the file; no tensor has this name. */
export const METADATA = "__metadata__";

/** A header has three levels: itself, a tensor's entry, and the shape in it. */
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
  /** In the order of their data, which they fill without gaps. */
  entries: Entry[];
}

/**
 * Counters that PyTorch's BatchNorm and AveragedModel keep beside their weights; they are integers and no weights.
 * Source: torch/nn/modules/batchnorm.py, torch/optim/swa_utils.py
 */
const COUNTERS = /(^|\.)(num_batches_tracked|n_averaged)$/;
const COUNTER_BYTES: Readonly<Record<string, number>> = { I64: 8, I32: 4 };

/** Whether a tensor counts something, and is not read. */
export function isCounter({ name, dtype }: Entry): boolean {
  return COUNTERS.test(name) && Object.hasOwn(COUNTER_BYTES, dtype);
}

/** @throws LockstepError ERR_SAFETENSORS */
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

/** Sees that the tensors fill the data without gaps, and returns the bytes of data. */
export function assertLayout(path: string, entries: readonly Entry[], dataBytes: number): number {
  let end = 0;
  for (const { name, data_offsets } of entries) {
    if (data_offsets[0] !== end) {
      throw invalidFile(path, `"${excerpt(name)}" to begin at byte ${end} of the data`, data_offsets[0]);
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
  found: string | number | bigint,
  remedy = "The file is damaged or was cut short: copy or make it again.",
): LockstepError {
  return new LockstepError("ERR_SAFETENSORS", `${path}: expected ${expected}, found ${found}. ${remedy}`);
}

function parseObject(path: string, json: string): Record<string, unknown> {
  try {
    if (json.startsWith("{")) return JSON.parse(json); // as deep as it may be: V8 has a stack of its own for it
  } catch {
    // Told below.
  }
  throw invalidFile(path, "a header that is a JSON object", JSON.stringify(json.slice(0, 40)));
}

/**
 * Looks at the text of a header that is JSON: how deep it is nested, since whoever walks through it may run out of
 * stack; and the keys of the outermost object, of which JSON.parse takes the last of two equal ones without a word.
 */
function assertFlatWithKeysOnce(path: string, json: string): void {
  const seen = new Set<string>();
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const character = json[i]!;
    if (character === "{" || character === "[") depth++;
    if (character === "}" || character === "]") depth--;
    if (depth > MAX_DEPTH) throw invalidFile(path, `a header nested at most ${MAX_DEPTH} deep`, "a deeper one");
    if (character !== '"') continue;
    const end = endOfString(json, i);
    if (depth === 1 && isKey(json, end)) assertNewName(path, JSON.parse(json.slice(i, end)), seen);
    i = end - 1;
  }
}

/** The place behind the string that begins here. */
function endOfString(json: string, start: number): number {
  let end = start + 1;
  while (json[end] !== '"') end += json[end] === "\\" ? 2 : 1;
  return end + 1;
}

/** Whether the string that ends here has a value. */
function isKey(json: string, end: number): boolean {
  let next = end;
  while (" \t\r\n".includes(json[next]!)) next++;
  return json[next] === ":";
}

function assertNewName(path: string, key: string, seen: Set<string>): void {
  if (seen.has(key)) throw invalidFile(path, "each tensor once", `${excerpt(key)} twice`);
  seen.add(key);
}

/** Not zod's record, which leaves out a key "__proto__". */
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
  if (isCounter(entry)) return COUNTER_BYTES[dtype]!;
  const remedy = "Convert it in Python with tensor.float() and save it again.";
  throw invalidFile(path, `dtype F32, F16 or BF16 for "${excerpt(name)}"`, excerpt(dtype), remedy);
}
