/** Failed allocations of the WASM backend. */
import { tf } from "../backend/tf.ts";

/** The part of Emscripten's module that allocates memory. */
interface Heap {
  _malloc(bytes: number): number;
  _free(address: number): void;
  /** All of the memory; another array once it has grown. */
  HEAPU8: Uint8Array;
}

/**
 * Makes a failed allocation of the running WASM backend an error. TensorFlow.js uses the 0 that `malloc` returns then as
 * an address, so that a kernel overwrites what lies there, or ends later with "memory access out of bounds".
 */
export function throwOnFailedAllocation(): void {
  const { wasm } = tf.backend() as unknown as { wasm: Heap };
  wasm._free(wasm._malloc(1)); // Emscripten puts another function into `_malloc` at its first call.
  const malloc = wasm._malloc;
  wasm._malloc = (bytes) => {
    const address = malloc(bytes) >>> 0;
    // Addresses have 32 bits: a number of bytes beyond that wraps around, and too few are allocated.
    if (bytes === 0 || (address !== 0 && address + bytes <= wasm.HEAPU8.length)) return address;
    throw new RangeError(`WebAssembly.Memory(): could not allocate ${bytes.toLocaleString("en")} bytes`);
  };
}
