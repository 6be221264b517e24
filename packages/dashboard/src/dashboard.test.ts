/** Tests the token that controls a run. */
import { expect, onTestFinished, test, vi } from "vitest";
import { controlToken } from "./dashboard.ts";

test.each([
  ["a-token-for-controls", /^a-token-for-controls$/],
  ["", /^[\da-f]{32}$/],
  [undefined, /^[\da-f]{32}$/],
])("with LOCKSTEP_CONTROL_TOKEN %j, the token of the controls is %s", (value, token) => {
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv("LOCKSTEP_CONTROL_TOKEN", value);
  expect(controlToken()).toMatch(token);
});

test("a control token that is too short is refused", () => {
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv("LOCKSTEP_CONTROL_TOKEN", "short");
  expect(controlToken).toThrow("Expected LOCKSTEP_CONTROL_TOKEN to have at least 16 characters, got 5");
});
