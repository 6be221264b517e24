/** Compares the digests of workers that started with and without a warm-up, and a second time. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeConfig } from "@lockstep/config";
import type { CoordinatorMessage, WorkerMessage } from "@lockstep/gradient-sync";
import { defined, temporaryFolder } from "@lockstep/testing";
import { prepare } from "@lockstep/training";
import { expect, test } from "vitest";
import type { Connection } from "./connection/connection.ts";
import { Inbox } from "./connection/inbox.ts";
import { Participant } from "./participant.ts";

/** A model whose normalization scales are ones, which are not drawn. */
const NORMALISED = `export const createModel = ({ tf, numClasses, inputShape }) => tf.sequential({ layers: [
  tf.layers.flatten({ inputShape }),
  tf.layers.layerNormalization(),
  tf.layers.dense({ units: 4, activation: "relu" }),
  tf.layers.dense({ units: numClasses }),
] });`;

/** Writes the model into a folder that is removed after the test, and returns its path. */
function modelFile(): string {
  const file = join(temporaryFolder(), "normalised.mjs");
  writeFileSync(file, NORMALISED);
  return file;
}

const seed: CoordinatorMessage = {
  type: "start",
  forms: new Array(6).fill("dense"),
  wire: "fp32",
  chunkBytes: 1024,
  state: "seed",
};

/** Returns what a worker of the run sends when it receives these messages. */
async function messagesAfter(
  script: CoordinatorMessage[],
  before: (participant: Participant) => Promise<void> = async () => {},
) {
  const config = makeConfig({ model: modelFile(), dataset: "shapes" });
  const run = await prepare(config, { backend: "cpu" }, () => {});
  const sent: WorkerMessage[] = [];
  const incoming = [...script, { type: "finished" } as const];
  const connection: Pick<Connection, "isIdle" | "receive" | "send"> = {
    isIdle: false,
    receive: async () => defined(incoming.shift(), "the message"),
    send: (message) => sent.push(message),
  };
  const participant = new Participant(run, () => {});
  await before(participant);
  const inbox = new Inbox(connection as Connection, (message) => participant.handleControl(message));
  await expect(participant.serve(connection as Connection, inbox)).rejects.toThrow();
  expect(incoming).toEqual([]);
  participant.dispose();
  await run.thread.close();
  return sent;
}

test("a run starts with the seed's weights, with or without a warm-up, and again at a second start", async () => {
  const cold = await messagesAfter([seed, { type: "digest" }]);
  expect(cold).toEqual([{ type: "digest-result", step: 0, digest: expect.stringMatching(/^[0-9a-f]{64}$/) }]);
  expect(await messagesAfter([seed, { type: "digest" }], (participant) => participant.warmUp())).toEqual(cold);
  expect(await messagesAfter([{ ...seed, state: "follows" }, seed, { type: "digest" }], (one) => one.warmUp())).toEqual(
    cold,
  );
});
