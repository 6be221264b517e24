/** Refusals that every worker will meet end the run, and those of one machine do not. */
import { LockstepError } from "@lockstep/errors";
import { topologyDigest } from "@lockstep/model/files";
import { expect, test } from "vitest";
import type { RemoteTeam } from "../team/remote-team.ts";
import { gathering, layersOf, refusedWorker, withTensor, zeroTensor } from "../testing/toy-admission.ts";
import { PLAN, READY } from "../testing/toy-model.ts";

/** Waits for a worker. @returns the error with which the run ends */
const waiting = (team: RemoteTeam) => team.until(() => team.size > 0).catch((error: unknown) => error);
const assertRefused = (action: () => void, code: string) => expect(action).toThrow(expect.objectContaining({ code }));

test("a common refusal ends the run if its weights fit the model of none of the workers that it waits for", async () => {
  const { admission, team, lines, sessionOf } = gathering({ weights: [zeroTensor("kernel", [2, 3])] });
  const ended = waiting(team);
  for (const name of ["a", "b"]) assertRefused(() => admission.admit(sessionOf({}, { name })), "ERR_STATE_DICT");
  const message = expect.stringContaining("do not match the model:\n  bias is missing\n");
  expect(await ended).toMatchObject({ code: "ERR_STATE_DICT", message });
  expect(lines).toEqual([expect.stringContaining("a cannot join: ")]); // the run's end tells of the last
  await expect(team.until(() => true)).rejects.toMatchObject({ code: "ERR_STATE_DICT" });
});

test("a refusal that only one worker receives, however often, is not common, and the run continues with other workers", async () => {
  const state = READY.stateDict.map(({ name, shape }) => zeroTensor(name, shape));
  const { admission, team, sessionOf } = gathering({ weights: state });
  const bad = () => sessionOf({ ...withTensor([6]), trainSamples: 23 }, { name: "bad" });
  for (const _ of [1, 2, 3]) {
    assertRefused(() => admission.admit(bad()), "ERR_STATE_DICT");
    admission.onFailed(refusedWorker("bad"), new LockstepError("ERR_MODEL_DATA", "Too few outputs."));
  }
  for (const _ of [1, 2]) admission.admit(sessionOf({}));
  await team.until(() => team.size === 2);
});

test("a common refusal ends the run when the models of as many workers as it waits for differ from its checkpoint's", async () => {
  const { admission, team, sessionOf } = gathering({ topologyDigest: topologyDigest(JSON.parse(layersOf("relu"))) });
  const ended = waiting(team);
  const join = () => admission.admit(sessionOf({ topology: layersOf("tanh") }));
  assertRefused(join, "ERR_MODEL_CHANGED");
  await team.until(() => true);
  assertRefused(join, "ERR_MODEL_CHANGED");
  expect(await ended).toMatchObject({ code: "ERR_MODEL_CHANGED" });
});

test("a common refusal ends the run when as many workers as it waits for give up because of its options and its model", async () => {
  const { admission, team, lines } = gathering();
  const ended = waiting(team);
  const tooFew = new LockstepError("ERR_MODEL_DATA", "Expected a model with 10 outputs.");
  admission.onFailed(refusedWorker("a"), new LockstepError("ERR_NO_GPU", "No GPU."));
  for (const name of ["b", "c"]) admission.onFailed(refusedWorker(name), tooFew);
  expect(await ended).toBe(tooFew);
  expect(lines).toEqual([
    "a cannot join: ERR_NO_GPU: No GPU.",
    "b cannot join: ERR_MODEL_DATA: Expected a model with 10 outputs.",
  ]);
});

test("a common refusal ends the run even if the workers give up one after another, before the first step, after they had joined", async () => {
  const { admission, team, sessionOf } = gathering();
  const sessions = [sessionOf({}), sessionOf({})];
  for (const session of sessions) admission.admit(session);
  await team.begin({ plan: PLAN, source: { from: "seed" } });
  const ended = team.until(() => false).catch((error: unknown) => error);
  const reason = new LockstepError("ERR_MODEL_REFUSED", "It has no gradient.");
  for (const session of sessions) {
    admission.onFailed(refusedWorker(session.hello.name), reason, session);
    admission.onDisconnected(session, reason.message);
  }
  expect(await ended).toBe(reason);
  team.reset();
  await expect(team.until(() => true)).rejects.toBe(reason);
});

test.each(["ERR_NO_GPU", "ERR_MODEL_CODE", "ERR_FINGERPRINT"] as const)(
  "a refusal that lies in one machine is not common: %s leaves the run waiting for others",
  async (code) => {
    const { admission, team, sessionOf } = gathering();
    for (const name of ["a", "b", "c"]) admission.onFailed(refusedWorker(name), new LockstepError(code, "Not here."));
    admission.admit(sessionOf({}));
    await team.until(() => team.size === 1);
  },
);

test("a refusal is not common while a worker that was admitted is connected", async () => {
  const { admission, team, sessionOf } = gathering();
  admission.admit(sessionOf({}));
  for (const name of ["a", "b", "c"])
    admission.onFailed(refusedWorker(name), new LockstepError("ERR_MODEL_DATA", "Too few."));
  await team.until(() => team.size === 1);
});
