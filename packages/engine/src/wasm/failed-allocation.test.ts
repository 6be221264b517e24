import { shortageIn } from "@lockstep/errors";
import { beforeAll, expect, test } from "vitest";
import { tf } from "../backend/tf.ts";
import { startWasm } from "./install.ts";

interface WasmBackend {
  makeOutput(shape: number[], dtype: "float32"): tf.TensorInfo;
}

beforeAll(startWasm);

// Two tensors of the first size have more bytes than a memory of 32-bit addresses; the other sizes exceed it alone.
test.each([2 ** 29, 2 ** 30, 2 ** 31])(
  "a tensor of %i numbers, for which WebAssembly has no memory, is an error that says so",
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
    expect(shortage!.message).toContain(`could not allocate ${(size * 4).toLocaleString("en")} bytes`);
  },
);

test("what there is memory for is computed as before", async () => {
  expect(await tf.add([1, 2], [3, 4]).data()).toEqual(Float32Array.of(4, 6));
});
