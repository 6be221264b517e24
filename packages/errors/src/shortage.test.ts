import { describe, expect, test } from "vitest";
import { LockstepError } from "./lockstep-error.ts";
import { knownError, shortageIn } from "./shortage.ts";

const coded = (code: string, message: string) => Object.assign(new Error(message), { code });

describe("of too little memory, in one line with a remedy, tells what", () => {
  test("JavaScript throws, as this version of Node has it", () => {
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
  ])("%s", (error) => {
    const shortage = shortageIn(error)!;
    expect(shortage.code).toBe("ERR_OUT_OF_MEMORY");
    expect(shortage.message).not.toContain("\n");
    expect(shortage.message).toContain("--batch-size");
  });
});

test.each([
  coded("EMFILE", "EMFILE: too many open files, open '/x'"),
  coded("ENFILE", "ENFILE: file table overflow, open '/x'"),
  coded("ERR_WORKER_INIT_FAILED", "Worker initialization failure: EMFILE"),
])("too few open files name ulimit -n: %s", (error) => {
  expect(shortageIn(error)).toMatchObject({ code: "ERR_OPEN_FILES" });
  expect(shortageIn(error)!.message).toContain("ulimit -n");
});

test("a shortage is told in place of the error that it caused", () => {
  const cause = coded("EMFILE", "listen EMFILE: too many open files");
  const error = new LockstepError("ERR_LISTEN", "Cannot listen; choose another --port.", { cause });
  expect(knownError(error)).toMatchObject({ code: "ERR_OPEN_FILES" });
});

test("any other error is what it was: thrown on purpose, or a defect", () => {
  const purpose = new LockstepError("ERR_OPTION", "Expected EMF, got another.");
  expect(knownError(purpose)).toBe(purpose);
  expect(knownError(new RangeError("Maximum call stack size exceeded"))).toBeUndefined();
  expect(knownError("text")).toBeUndefined();
  expect(knownError(new Error("memory access out of bounds"))).toBeUndefined();
});
