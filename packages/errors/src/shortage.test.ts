/** Checks which errors are shortages: one that this Node really throws, and messages of each backend. */
import { expect, test } from "vitest";
import { defined } from "./defined.ts";
import { LockstepError } from "./lockstep-error.ts";
import { knownError, shortageIn } from "./shortage.ts";

const coded = (code: string, message: string) => Object.assign(new Error(message), { code });

test("the RangeError that this version of Node throws for a huge buffer is ERR_OUT_OF_MEMORY", () => {
  const allocate = () => {
    try {
      return new ArrayBuffer(2 ** 53 - 1);
    } catch (error) {
      return error;
    }
  };
  expect(shortageIn(allocate())).toMatchObject({ code: "ERR_OUT_OF_MEMORY" });
});

test.each([
  coded("ERR_WORKER_OUT_OF_MEMORY", "Worker terminated due to reaching memory limit: JS heap out of memory"),
  coded("ERR_WORKER_INIT_FAILED", "Worker initialization failure: ENOMEM"),
  coded("ENOMEM", "spawn ENOMEM"),
  new Error("Invalid TF_Status: 8\nMessage: OOM when allocating tensor with shape[4096,4096] and type float"),
  new RangeError("WebAssembly.Memory(): could not allocate memory"),
  new RangeError("WebAssembly.Memory(): could not allocate 4,096 bytes"),
])("a failed allocation is reported in one line that names --batch-size: %s", (error) => {
  const { code, message } = defined(shortageIn(error), "the shortage");
  expect(code).toBe("ERR_OUT_OF_MEMORY");
  expect(message).toMatch(/^[^\n]*--batch-size[^\n]*$/);
});

test.each([
  coded("EMFILE", "EMFILE: too many open files, open '/x'"),
  coded("ENFILE", "ENFILE: file table overflow, open '/x'"),
  coded("ERR_WORKER_INIT_FAILED", "Worker initialization failure: EMFILE"),
])("too many open files are ERR_OPEN_FILES, which names ulimit -n: %s", (error) => {
  expect(shortageIn(error)).toMatchObject({ code: "ERR_OPEN_FILES", message: expect.stringContaining("ulimit -n") });
});

test("knownError returns a shortage instead of the error that it caused", () => {
  const cause = coded("EMFILE", "listen EMFILE: too many open files");
  const error = new LockstepError("ERR_LISTEN", "Cannot listen; choose another --port.", { cause });
  expect(knownError(error)).toMatchObject({ code: "ERR_OPEN_FILES" });
});

test("knownError returns any other LockstepError itself, and undefined for a bug", () => {
  const deliberate = new LockstepError("ERR_OPTION", "Expected EMF, got another.");
  expect(knownError(deliberate)).toBe(deliberate);
  expect(knownError(new RangeError("Maximum call stack size exceeded"))).toBeUndefined();
  expect(knownError("text")).toBeUndefined();
  expect(knownError(new Error("memory access out of bounds"))).toBeUndefined();
});
