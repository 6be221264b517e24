/** Detects failed allocations of the WASM backend. */
import { tf } from "../backend/tf.ts";

/** The part of Emscripten's module that allocates memory. */
interface Heap {
  _malloc(bytes: number): number;
  _free(address: number): void;
  /** The complete memory; another array after it has grown. */
  HEAPU8: Uint8Array;
}

/**
 * Makes a failed allocation of the running WASM backend an error. TensorFlow.js uses the 0 that `malloc` returns in
 * that case as an address, so a kernel overwrites what is there or fails later with "memory access out of bounds".
 */
export function throwOnFailedAllocation(): void {
  const { wasm } = tf.backend() as unknown as { wasm: Heap };
  wasm._free(wasm._malloc(1)); // Emscripten replaces `_malloc` at its first call.
  const malloc = wasm._malloc;
  wasm._malloc = (bytes) => {
    const address = malloc(bytes) >>> 0;
    // Addresses have 32 bits: a larger number of bytes wraps around, and too few are allocated.
    if (bytes === 0 || (address !== 0 && address + bytes <= wasm.HEAPU8.length)) return address;
    throw new RangeError(`WebAssembly.Memory(): could not allocate ${bytes.toLocaleString("en")} bytes`);
  };
}
