import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeConfig } from "@lockstep/config";
import type { CoordinatorMessage, WorkerMessage } from "@lockstep/gradient-sync";
import { prepare } from "@lockstep/training";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Connection } from "./connection/connection.ts";
import { Inbox } from "./connection/inbox.ts";
import { Participant } from "./participant.ts";

/** Its normalisation's scales are ones, and are not drawn. */
const NORMALISED = `export const createModel = ({ tf, numClasses, inputShape }) => tf.sequential({ layers: [
  tf.layers.flatten({ inputShape }),
  tf.layers.layerNormalization(),
  tf.layers.dense({ units: 4, activation: "relu" }),
  tf.layers.dense({ units: numClasses }),
] });`;

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-participant-"));
  writeFileSync(join(dir, "normalised.mjs"), NORMALISED);
});
afterAll(() => rmSync(dir, { recursive: true }));

const seed: CoordinatorMessage = {
  type: "start",
  forms: new Array(6).fill("dense"),
  wire: "fp32",
  chunkBytes: 1024,
  state: "seed",
};

/** What a worker of the run says while it is told this. */
async function told(
  script: CoordinatorMessage[],
  before: (participant: Participant) => Promise<void> = async () => {},
) {
  const config = makeConfig({ model: join(dir, "normalised.mjs"), dataset: "shapes" });
  const run = await prepare(config, { backend: "cpu" }, () => {});
  const said: WorkerMessage[] = [];
  const rest = [...script, { type: "finished" } as const];
  const connection: Pick<Connection, "isIdle" | "receive" | "send"> = {
    isIdle: false,
    receive: async () => rest.shift()!,
    send: (message) => said.push(message),
  };
  const participant = new Participant(run, () => {});
  await before(participant);
  const inbox = new Inbox(connection as Connection, (message) => participant.handleControl(message));
  await expect(participant.serve(connection as Connection, inbox)).rejects.toThrow();
  expect(rest).toEqual([]);
  participant.dispose();
  await run.thread.close();
  return said;
}

test("a run from the seed begins with the same weights, warmed up or not, and so it does a second time", async () => {
  const cold = await told([seed, { type: "digest" }]);
  expect(cold).toEqual([{ type: "digest-result", step: 0, digest: expect.stringMatching(/^[0-9a-f]{64}$/) }]);
  expect(await told([seed, { type: "digest" }], (participant) => participant.warmUp())).toEqual(cold);
  expect(await told([{ ...seed, state: "follows" }, seed, { type: "digest" }], (one) => one.warmUp())).toEqual(cold);
});
