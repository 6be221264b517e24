/** Exhausts the memory of WebAssembly for real, at sizes of 2, 4 and 8 GiB. */
import { shortageIn } from "@lockstep/errors";
import { beforeAll, expect, test } from "vitest";
import { tf } from "../backend/tf.ts";
import { startWasm } from "./install.ts";

interface WasmBackend {
  makeOutput(shape: number[], dtype: "float32"): tf.TensorInfo;
}

beforeAll(startWasm);

// Two tensors of the first size exceed a memory of 32-bit addresses; the other sizes exceed it alone.
test.each([2 ** 29, 2 ** 30, 2 ** 31])(
  "a tensor of %i numbers, too large for WebAssembly's memory, is an error with its size",
  (size) => {
    const backend = tf.backend() as unknown as WasmBackend;
    if (size === 2 ** 29) backend.makeOutput([size], "float32");
    let error: unknown;
    try {
      backend.makeOutput([size], "float32");
    } catch (thrown) {
      error = thrown;
    }
    const shortage = shortageIn(error);
    expect(shortage).toMatchObject({ code: "ERR_OUT_OF_MEMORY", cause: error });
    expect(shortage?.message).toContain(`could not allocate ${(size * 4).toLocaleString("en")} bytes`);
  },
);

test("tensors that fit into memory are computed as before", async () => {
  expect(await tf.add([1, 2], [3, 4]).data()).toEqual(Float32Array.of(4, 6));
});
