/**
 * Reads and writes safetensors files. A file holds the length of the header (8 bytes, little-endian); the header in
 * JSON, with each tensor's dtype, shape and data offsets; then the data of all tensors without gaps. Files are written
 * in float32, with the header padded by spaces to a multiple of 8 bytes. 16-bit floats are read too, and widened.
 *
 * Source: https://huggingface.co/docs/safetensors#format
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { excerpt, LockstepError, messageOf } from "@lockstep/errors";
import { writeFileAtomically } from "@lockstep/files";
import { elementCount } from "../element-count.ts";
import { detectFormat, HEAD_BYTES } from "./detect-format.ts";
import { FLOAT_TYPES, isFloatType } from "./float-types.ts";
import { assertLayout, type Header, invalidFile, METADATA, parseHeader } from "./safetensors-header.ts";

/** A float32 tensor with its elements in row-major order. Its name is unique in a file. */
export interface NamedTensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

/** The content of a safetensors file. */
export interface SafetensorsFile {
  metadata: Record<string, string>;
  /** Tensors by name, in the order of the file, without counters. */
  tensors: Map<string, { shape: number[]; data: Float32Array<ArrayBuffer> }>;
}

/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Writes a file atomically and without copying the tensors, which may not change meanwhile.
 *
 * @param check see `writeFileAtomically`
 * @throws LockstepError ERR_TENSORS for a duplicate name or a shape that does not match its data, ERR_DISK_FULL or
 *   ERR_NOT_WRITABLE, and the errors of `check`
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly NamedTensor[],
  metadata: Record<string, string> = {},
  check?: (temporary: string) => Promise<void>,
): Promise<void> {
  await writeFileAtomically(path, fileChunks(tensors, metadata), check);
}

/**
 * Reads and checks a file.
 *
 * @throws LockstepError ERR_SAFETENSORS that names the file, what was expected and what was found
 */
export function readSafetensors(path: string): SafetensorsFile {
  return withFile(path, (file) => {
    const { metadata, entries, dataStart, dataBytes } = readHeader(path, file);
    const data = read(path, file, dataStart, dataBytes);
    const tensors: SafetensorsFile["tensors"] = new Map();
    for (const entry of entries) {
      const { name, dtype, shape, data_offsets } = entry;
      if (!isFloatType(dtype)) continue; // a counter: `parseHeader` refuses all other types
      tensors.set(name, { shape, data: FLOAT_TYPES[dtype].toFloat32(data.subarray(...data_offsets)) });
    }
    return { metadata, tensors };
  });
}

/** Reads and checks only the header, which is fast for files of any size. Returns the metadata. */
export function readSafetensorsMetadata(path: string): Record<string, string> {
  return withFile(path, (file) => readHeader(path, file).metadata);
}

function fileChunks(tensors: readonly NamedTensor[], metadata: Record<string, string>): Uint8Array[] {
  assertTensors(tensors);
  let end = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    const start = end;
    end += data.byteLength;
    return [name, { dtype: "F32", shape, data_offsets: [start, end] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries([[METADATA, metadata], ...entries])));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  return [header, ...tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
}

function assertTensors(tensors: readonly NamedTensor[]): void {
  const names = new Set([METADATA]);
  for (const { name, shape, data } of tensors) {
    if (names.has(name))
      throw new LockstepError("ERR_TENSORS", `Expected each tensor once, got "${excerpt(name)}" twice.`);
    names.add(name);
    if (elementCount(shape) === data.length) continue;
    const text = `Expected ${elementCount(shape)} elements for "${excerpt(name)}" [${shape}], got ${data.length}.`;
    throw new LockstepError("ERR_TENSORS", text);
  }
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
    if (statSync(path).isDirectory()) throw folderError(path);
    return openSync(path, "r");
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    throw new LockstepError("ERR_SAFETENSORS", `Cannot open ${path} (${messageOf(cause)}).`, { cause });
  }
}

function folderError(path: string): LockstepError {
  const files = readdirSync(path).filter((name) => name.endsWith(".safetensors"));
  const remedy =
    files.length === 0
      ? "It contains no .safetensors file."
      : `Give the path of a file in it: ${excerpt(files.join(", "))}.`;
  return invalidFile(path, "a .safetensors file", "a folder", remedy);
}

function readHeader(path: string, file: number): Header & { dataStart: number; dataBytes: number } {
  const fileBytes = fstatSync(file).size;
  assertNoOtherFormat(path, read(path, file, 0, Math.min(HEAD_BYTES, fileBytes)));
  const headerBytes = readHeaderBytes(path, file, fileBytes);
  const header = parseHeader(path, read(path, file, 8, headerBytes).toString());
  const dataStart = 8 + headerBytes;
  return { ...header, dataStart, dataBytes: assertLayout(path, header.entries, fileBytes - dataStart) };
}

/** Throws if the file is in another known format. */
function assertNoOtherFormat(path: string, head: Buffer): void {
  const mayBeOne = head.length > 8 && head.readUInt32LE(4) === 0 && head[8] === "{".charCodeAt(0);
  const kind = mayBeOne ? undefined : detectFormat(head);
  if (kind !== undefined) throw invalidFile(path, "a .safetensors file", kind.name, kind.remedy);
}

/** Reads bytes of a file into a new, aligned buffer. */
function read(path: string, file: number, position: number, bytes: number): Buffer<ArrayBuffer> {
  const out = Buffer.from(new ArrayBuffer(bytes));
  for (let done = 0; done < bytes; ) {
    const count = readSync(file, out, done, bytes - done, position + done);
    if (count === 0) throw invalidFile(path, `${position + bytes} bytes`, `${position + done}`);
    done += count;
  }
  return out;
}

function readHeaderBytes(path: string, file: number, fileBytes: number): number {
  if (fileBytes < 8) throw invalidFile(path, "at least 8 bytes", `${fileBytes}`);
  const headerBytes = read(path, file, 0, 8).readBigUInt64LE();
  if (headerBytes > MAX_HEADER_BYTES) {
    const remedy = "It is not a .safetensors file, or it is damaged. Copy or create it again.";
    throw invalidFile(path, `a header of at most ${MAX_HEADER_BYTES} bytes`, headerBytes, remedy);
  }
  if (headerBytes > fileBytes - 8) throw invalidFile(path, `a header of ${headerBytes} bytes`, `${fileBytes - 8}`);
  return Number(headerBytes);
}
