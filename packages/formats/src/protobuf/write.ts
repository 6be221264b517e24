/**
 * Encodes protocol buffers: enough for formats with few messages (TensorBoard's events, ONNX). Each function encodes
 * one field as a list of chunks that are never copied. A message is the concatenation of its fields.
 *
 * Source: https://protobuf.dev/programming-guides/encoding/
 */

/** Encoded fields, as a list of chunks. */
export type Fields = readonly Uint8Array[];

/** Encodes a field of the types int32, int64, uint64 or enum. @param value not negative */
export function int(field: number, value: number): Fields {
  return [varint(field * 8), varint(value)];
}

/** Encodes a field of the type double. */
export function double(field: number, value: number): Fields {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [varint(field * 8 + 1), bytes];
}

/** Encodes a field of the type float. */
export function float(field: number, value: number): Fields {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return [varint(field * 8 + 5), bytes];
}

/** Encodes a field of the type string, in UTF-8. */
export function text(field: number, value: string): Fields {
  return message(field, [Buffer.from(value)]);
}

/** Encodes an embedded message, or a field of the type bytes, which has the same encoding. */
export function message(field: number, content: Fields): Fields {
  return [varint(field * 8 + 2), varint(byteLength(content)), ...content];
}

/** Returns the total length of the fields in bytes. */
export function byteLength(content: Fields): number {
  return content.reduce((total, { length }) => total + length, 0);
}

/** Encodes an integer in seven bits per byte, least significant first. A set top bit means that more bytes follow. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Uint8Array.of(...bytes, value);
}
