/** Converts a file's floats to float32. 16-bit floats are widened, which is exact. */

/** Converts little-endian elements of one type to float32. The result may be a view of the bytes. */
type ToFloat32 = (bytes: Buffer<ArrayBuffer>) => Float32Array<ArrayBuffer>;

interface FloatType {
  bytesPerElement: number;
  toFloat32: ToFloat32;
}

/** The supported float types, by their names in a safetensors file. */
export const FLOAT_TYPES: Readonly<Record<"F32" | "F16" | "BF16", FloatType>> = {
  F32: { bytesPerElement: 4, toFloat32: aligned },
  F16: { bytesPerElement: 2, toFloat32: widened(halfToFloat32Bits) },
  BF16: { bytesPerElement: 2, toFloat32: widened((bits) => bits << 16) }, // bfloat16 is the upper half of a float32
};

/** Returns whether a dtype is a supported float type. */
export function isFloatType(name: string): name is keyof typeof FLOAT_TYPES {
  return Object.hasOwn(FLOAT_TYPES, name);
}

/** Returns a view of the bytes, or a copy if they do not start at a multiple of four. */
function aligned(bytes: Buffer<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = isAligned(bytes) ? bytes : new Uint8Array(bytes);
  return new Float32Array(buffer, byteOffset, length / 4);
}

const isAligned = ({ byteOffset }: Uint8Array) => byteOffset % 4 === 0;

function widened(toFloat32Bits: (bits: number) => number): ToFloat32 {
  return (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const bits = new Uint32Array(bytes.length / 2);
    for (let i = 0; i < bits.length; i++) bits[i] = toFloat32Bits(view.getUint16(2 * i, true));
    return new Float32Array(bits.buffer);
  };
}

/**
 * Converts the bits of an IEEE 754 binary16 (1 sign bit, 5 exponent bits with bias 15, 10 fraction bits) to those of a
 * binary32 (1, 8 with bias 127, 23). A NaN keeps its payload.
 */
function halfToFloat32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 127 - 15) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal is fraction · 2⁻²⁴. Its highest set bit, number `top`, becomes binary32's implicit leading bit.
  const top = 31 - Math.clz32(fraction);
  return sign | ((top - 24 + 127) << 23) | ((fraction << (23 - top)) & 0x7fffff);
}
