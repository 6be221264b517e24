/** Tests the warning about a slow backend. */
import { expect, test } from "vitest";
import { slowBackendLine } from "./slow-backend.ts";

test("the warning about WebAssembly says what it costs and how to install native TensorFlow", () => {
  const skipped = [{ backend: "native", reason: "TensorFlow is not installed.", remedy: "Install Python." }];
  expect(slowBackendLine({ backend: "wasm", skipped })).toBe(
    "the wasm backend is about 8 times slower than native TensorFlow; to install that, stop with Ctrl-C and run " +
      "`pnpm run doctor --fix`; the estimated time is printed after two steps",
  );
});

test("the warning about a backend that was asked for, or cannot be replaced, suggests no installation", () => {
  const line =
    "the cpu backend is many times slower than native TensorFlow; the estimated time is printed after two steps";
  expect(slowBackendLine({ backend: "cpu", skipped: [] })).toBe(line);
  const skipped = [{ backend: "native", reason: "Native TensorFlow is available on Linux x64 only.", remedy: "" }];
  expect(slowBackendLine({ backend: "cpu", skipped })).toBe(line);
});
