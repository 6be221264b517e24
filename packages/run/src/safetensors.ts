/**
 * The safetensors format: the length of the header as 8 bytes, little-endian; the header in JSON, which gives each
 * tensor's dtype, shape and place in the data; then the data of all tensors without gaps. Here every tensor is float32,
 * and the header is padded with spaces to a multiple of 8 bytes.
 *
 * Source: https://huggingface.co/docs/safetensors#format
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { LockstepError } from "@lockstep/errors";
import { z } from "zod";
import { writeFileAtomically } from "./write-file.ts";

/** A float32 tensor with its elements in row-major order; a name stands once in a file. */
export interface NamedTensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

export interface SafetensorsFile {
  metadata: Record<string, string>;
  /** By name, in the order of the file. The arrays are views of one buffer. */
  tensors: Map<string, { shape: number[]; data: Float32Array<ArrayBuffer> }>;
}

const METADATA = "__metadata__";
const BYTES_PER_ELEMENT = 4;
/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;

const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});
type Entry = z.infer<typeof entrySchema> & { name: string };

/** A whole file in memory; `writeSafetensors` makes no such copy. */
export function encodeSafetensors(tensors: readonly NamedTensor[], metadata: Record<string, string>): Uint8Array {
  return Buffer.concat(fileParts(tensors, metadata));
}

/**
 * Writes a file atomically, straight from the tensors' own memory, which may not change meanwhile.
 *
 * @throws LockstepError ERR_TENSORS for a name that comes twice or a shape that does not fit its data, and those of
 *   `writeFileAtomically`
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly NamedTensor[],
  metadata: Record<string, string> = {},
): Promise<void> {
  await writeFileAtomically(path, fileParts(tensors, metadata));
}

/**
 * Reads and checks a whole file.
 *
 * @throws LockstepError ERR_SAFETENSORS that names the file, what was expected and what was found
 */
export function readSafetensors(path: string): SafetensorsFile {
  return withFile(path, (file) => {
    const { metadata, entries, dataBegin, dataBytes } = readHeader(path, file);
    const data = read(path, file, dataBegin, dataBytes);
    const tensors: SafetensorsFile["tensors"] = new Map();
    for (const { name, shape, data_offsets } of entries) {
      tensors.set(name, { shape, data: new Float32Array(data.buffer, data_offsets[0], elements(shape)) });
    }
    return { metadata, tensors };
  });
}

/** Like `readSafetensors`, without reading the tensors: quick, whatever the size of the file. */
export function readSafetensorsMetadata(path: string): Record<string, string> {
  return withFile(path, (file) => readHeader(path, file).metadata);
}

function fileParts(tensors: readonly NamedTensor[], metadata: Record<string, string>): Uint8Array[] {
  checkTensors(tensors);
  let end = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    const begin = end;
    end += data.byteLength;
    return [name, { dtype: "F32", shape, data_offsets: [begin, end] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries([[METADATA, metadata], ...entries])));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  return [header, ...tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
}

function checkTensors(tensors: readonly NamedTensor[]): void {
  const names = new Set([METADATA]);
  for (const { name, shape, data } of tensors) {
    if (names.has(name)) throw new LockstepError("ERR_TENSORS", `Expected each tensor once, got "${name}" twice.`);
    names.add(name);
    if (elements(shape) === data.length) continue;
    const text = `Expected ${elements(shape)} elements for "${name}" [${shape}], got ${data.length}.`;
    throw new LockstepError("ERR_TENSORS", text);
  }
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function withFile<T>(path: string, use: (file: number) => T): T {
  const file = openFile(path);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    throw new LockstepError("ERR_SAFETENSORS", `Cannot open ${path} (${(cause as Error).message}).`, { cause });
  }
}

function readHeader(path: string, file: number) {
  const fileBytes = fstatSync(file).size;
  const headerBytes = readHeaderBytes(path, file, fileBytes);
  const header = parseHeader(path, read(path, file, 8, headerBytes).toString());
  const dataBegin = 8 + headerBytes;
  return { ...header, dataBegin, dataBytes: checkLayout(path, header.entries, fileBytes - dataBegin) };
}

/** Bytes of a file in a buffer of their own, so that float32 views of it are aligned. */
function read(path: string, file: number, position: number, bytes: number): Buffer<ArrayBuffer> {
  const out = Buffer.from(new ArrayBuffer(bytes));
  for (let done = 0; done < bytes; ) {
    const count = readSync(file, out, done, bytes - done, position + done);
    if (count === 0) throw broken(path, `${position + bytes} bytes`, `${position + done}`);
    done += count;
  }
  return out;
}

function readHeaderBytes(path: string, file: number, fileBytes: number): number {
  if (fileBytes < 8) throw broken(path, "at least 8 bytes", `${fileBytes}`);
  const headerBytes = read(path, file, 0, 8).readBigUInt64LE();
  if (headerBytes > MAX_HEADER_BYTES) throw broken(path, `a header of at most ${MAX_HEADER_BYTES} bytes`, headerBytes);
  if (headerBytes > fileBytes - 8) throw broken(path, `a header of ${headerBytes} bytes`, `${fileBytes - 8}`);
  return Number(headerBytes);
}

/** The header's metadata, and its entries in the order of their data. */
function parseHeader(path: string, json: string): { metadata: Record<string, string>; entries: Entry[] } {
  const header = parseObject(path, json);
  const twice = firstKeyTwice(json);
  if (twice !== undefined) throw broken(path, "each tensor once", `${twice} twice`);
  const metadata = header[METADATA] ?? {};
  if (!isTextRecord(metadata)) throw broken(path, "metadata that maps text to text", JSON.stringify(metadata));
  const entries = Object.entries(header).filter(([name]) => name !== METADATA);
  return {
    metadata,
    entries: entries
      .map(([name, entry]) => parseEntry(path, name, entry))
      .sort((a, b) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1]),
  };
}

function parseObject(path: string, json: string): Record<string, unknown> {
  try {
    if (json.startsWith("{")) return JSON.parse(json);
  } catch {
    // Told below.
  }
  throw broken(path, "a header that is a JSON object", JSON.stringify(json.slice(0, 40)));
}

/** Not zod's record, which leaves out a key "__proto__". */
function isTextRecord(value: unknown): value is Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((item) => typeof item === "string");
}

/** JSON.parse takes the last of two equal keys without a word, so keys of the outermost object are looked at here. */
function firstKeyTwice(json: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (const [token, quoted] of json.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === "{") depth++;
    if (token === "}") depth--;
    if (quoted === undefined || depth !== 1) continue;
    const key: string = JSON.parse(quoted);
    if (seen.has(key)) return key;
    seen.add(key);
  }
  return undefined;
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  const entry = entrySchema.safeParse(value);
  if (!entry.success) throw broken(path, `dtype, shape and data_offsets of "${name}"`, JSON.stringify(value));
  const { dtype, shape, data_offsets } = entry.data;
  if (dtype !== "F32") {
    throw broken(path, `dtype F32 for "${name}"`, dtype, "Convert it in Python with tensor.float() and save it again.");
  }
  const bytes = data_offsets[1] - data_offsets[0];
  const expected = elements(shape) * BYTES_PER_ELEMENT;
  if (bytes !== expected) throw broken(path, `${expected} bytes for "${name}" [${shape}]`, `${bytes}`);
  return { name, ...entry.data };
}

/** Sees that the tensors fill the data without gaps, and returns the bytes of data. */
function checkLayout(path: string, entries: readonly Entry[], dataBytes: number): number {
  let end = 0;
  for (const { name, data_offsets } of entries) {
    if (data_offsets[0] !== end) throw broken(path, `"${name}" to begin at byte ${end} of the data`, data_offsets[0]);
    end = data_offsets[1];
  }
  if (end !== dataBytes) throw broken(path, `${end} bytes of data`, `${dataBytes}`);
  return end;
}

function broken(
  path: string,
  expected: string,
  found: string | number | bigint,
  remedy = "The file is damaged or was cut short: copy or make it again.",
): LockstepError {
  return new LockstepError("ERR_SAFETENSORS", `${path}: expected ${expected}, found ${found}. ${remedy}`);
}
