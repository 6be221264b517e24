/** Checks what counts as a refusal that all workers share: restarts, equal names and updates in between. */
import { LockstepError } from "@lockstep/errors";
import { expect, test } from "vitest";
import type { RefusedWorker } from "../connections/admission-control.ts";
import { CommonRefusals } from "./common-refusals.ts";

const refused = () => new LockstepError("ERR_MODEL_DATA", "Too few outputs.");
const worker = (name: string, rest: Partial<RefusedWorker> = {}) => ({
  name,
  address: "192.0.2.1",
  connectedMs: 0,
  heardMs: 10,
  ...rest,
});

test("common refusals from before the latest update no longer count", () => {
  const refusals = new CommonRefusals(2);
  expect(refusals.note(worker("a"), refused(), 0)).toBe(false);
  expect(refusals.note(worker("b"), refused(), 1)).toBe(false);
  expect(refusals.note(worker("c"), refused(), 1)).toBe(true);
});

test("common refusals for different reasons are counted apart", () => {
  const refusals = new CommonRefusals(2);
  expect(refusals.note(worker("a"), refused(), 0)).toBe(false);
  expect(refusals.note(worker("b"), new LockstepError("ERR_NORMALIZE", "Three channels."), 0)).toBe(false);
  expect(refusals.note(worker("c"), refused(), 0)).toBe(true);
});

test("a worker that is refused again under its name counts once; one of that name on another machine counts too", () => {
  const refusals = new CommonRefusals(2);
  for (const _ of [1, 2, 3]) expect(refusals.note(worker("a"), refused(), 0)).toBe(false);
  expect(refusals.note(worker("a", { address: "192.0.2.2" }), refused(), 0)).toBe(true);
});

test("a worker without a name counts once, however often it is restarted", () => {
  const refusals = new CommonRefusals(2);
  const refusedAt = (name: string, connectedMs: number) =>
    refusals.note(worker(name, { connectedMs, heardMs: connectedMs + 10 }), refused(), 0);
  for (const [time, name] of ["host-17", "host-20", "host-4"].entries()) expect(refusedAt(name, 10 * time)).toBe(false);
  expect(refusedAt("host-22", 25)).toBe(true); // beside the last one, which left after 30 ms
});
