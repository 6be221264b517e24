/** Reads protocol buffers: the fields of one message, in order. */

/** One field: its number and its value. The value of a string or an embedded message is a view of its bytes. */
export interface Field {
  field: number;
  value: number | Uint8Array;
}

/**
 * Yields each field of a message. The caller knows which fields are strings or embedded messages.
 *
 * @throws RangeError if the bytes are not a message, or an integer is above 2^53
 */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (wireType === 0) yield { field, value: varint() };
    else if (wireType === 1) yield { field, value: view.getFloat64(skip(8), true) };
    else if (wireType === 2) {
      const length = varint();
      yield { field, value: bytes.subarray(skip(length), at) };
    } else if (wireType === 5) yield { field, value: view.getFloat32(skip(4), true) };
    else throw new RangeError(`Expected a field of wire type 0, 1, 2 or 5, got ${wireType} before byte ${at}.`);
  }

  function varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = view.getUint8(skip(1));
      value += (byte % 128) * scale;
      if (!Number.isSafeInteger(value)) throw new RangeError(`Expected a number below 2^53 before byte ${at}.`);
      if (byte < 128) return value;
    }
  }

  /** Advances by `length` bytes, and returns the position of the first. */
  function skip(length: number): number {
    const start = at;
    at += length;
    if (at > bytes.length) throw new RangeError(`Expected ${at - bytes.length} more bytes.`);
    return start;
  }
}
