/** Tests that the coordinator refuses options that are out of range. */
import { expect, test } from "vitest";
import { coordinatorProgram } from "./coordinator.ts";

test.each([
  ["--heartbeat-ms", "0", "a whole number from 1 to 715827882"],
  ["--heartbeat-ms", "715827883", "a whole number from 1 to 715827882"], // three times that is more than a timer waits
  ["--stall-ms", "abc", "a whole number of at least 1"],
  ["--handshake-ms", "2147483648", "a whole number from 1 to 2147483647"],
  ["--port", "65536", "a port from 0 to 65535"],
  ["--workers", "9".repeat(30), "a whole number of at least 1"],
])("the coordinator refuses %s %s itself", (flag, value, expected) => {
  const parse = () => coordinatorProgram().parse([flag, value], { from: "user" });
  const message = expect.stringContaining(`Expected ${expected}, got "${value}".`);
  expect(parse).toThrow(expect.objectContaining({ code: "ERR_OPTION", message }));
});
