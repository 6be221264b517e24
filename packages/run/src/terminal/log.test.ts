/** Tests the lines of --log json, and how failures are reported. */
import { Writable } from "node:stream";
import { LockstepError } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import { expect, test, vi } from "vitest";
import { displayOn } from "./display.ts";
import { jsonLine, reportFailure } from "./log.ts";
import { parseLogLine } from "./log-reader.ts";

test("a JSON line is one object with time, level, message and fields", () => {
  const time = new Date("2026-11-23T21:09:00.250Z");
  expect(jsonLine("two\nlines", {}, time)).toBe(
    '{"time":"2026-11-23T21:09:00.250Z","level":"info","message":"two\\nlines"}',
  );
  const fields = { level: "warn", type: "lost", worker: "worker-1", loss: Number.NaN } as const;
  expect(JSON.parse(jsonLine("it went", fields, time))).toEqual({
    time: "2026-11-23T21:09:00.250Z",
    level: "warn",
    message: "it went",
    type: "lost",
    worker: "worker-1",
    loss: null,
  });
});

test("with --log json lines and progress are objects, even on a terminal", () => {
  let written = "";
  const stream = new Writable({
    write(data, _, done) {
      written += data;
      done();
    },
  });
  const terminal = Object.assign(stream, { isTTY: true }) as unknown as NodeJS.WriteStream;
  const display = displayOn(terminal, "json");
  display.line("a line");
  display.record?.("stepping", { type: "phase", phase: "stepping" });
  display.progress({ step: 1, steps: 4, loss: 2.5, samplesPerSecond: 32, secondsLeft: 3 });
  display.close();
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/);
  const progress = { type: "progress", step: 1, steps: 4, loss: 2.5, samplesPerSecond: 32, secondsLeft: 3 };
  expect(
    written
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { time, level: "info", message: "a line" },
    { time, level: "info", message: "stepping", type: "phase", phase: "stepping" },
    { time, level: "info", message: "step 1/4  loss 2.500  32.0 images/s  3 s left", ...progress },
  ]);
});

test("a JSON line is read back as the progress of a run or as a message", () => {
  const progress = { step: 1, steps: 4, loss: 2.5, samplesPerSecond: 32, secondsLeft: 3 };
  expect(parseLogLine(jsonLine("step 1/4", { type: "progress", ...progress }))).toMatchObject(progress);
  expect(parseLogLine(jsonLine("engine: wasm", { level: "warn" }))).toBe("engine: wasm");
});

test("an error is reported with its code and ends the program with status 1, and a defect is thrown", () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  const { exitCode } = process;
  try {
    reportFailure(new LockstepError("ERR_NO_RUN", "There is none."), "text");
    reportFailure(new LockstepError("ERR_NO_RUN", "There is none."), "json");
    expect(process.exitCode).toBe(1);
    expect(logged.mock.calls[0]).toEqual(["ERR_NO_RUN: There is none."]);
    expect(JSON.parse(defined(logged.mock.calls[1])[0])).toMatchObject({
      level: "error",
      code: "ERR_NO_RUN",
      message: "There is none.",
    });
    const defect = new TypeError("x is not a function");
    expect(() => reportFailure(defect, "json")).toThrow(defect);
  } finally {
    process.exitCode = exitCode;
    logged.mockRestore();
  }
});
