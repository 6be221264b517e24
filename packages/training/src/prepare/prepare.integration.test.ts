/** Counts the threads that a failed preparation leaves. */
import { fileURLToPath } from "node:url";
import { makeConfig } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { stateDictNames } from "@lockstep/model";
import { expect, test, vi } from "vitest";
import { prepare } from "./prepare.ts";

vi.mock("@lockstep/model", async (original) => ({ ...(await original<object>()), stateDictNames: vi.fn() }));

const model = fileURLToPath(new URL("../../../../test/fixtures/tiny-model.js", import.meta.url));
const config = makeConfig({ model, dataset: "shapes" });
const engine = {
  backend: "cpu" as const,
  libraryVersion: "v",
  instructionSet: "i",
  threads: 1,
  skipped: [],
  device: { kind: "cpu" as const, name: "d" },
};
/** Counts the ports to threads that keep this process alive. */
const openPorts = () => process.getActiveResourcesInfo().filter((name) => name === "MessagePort").length;

test("a model that does not exist is refused before the engine starts", async () => {
  const lines: string[] = [];
  const missing = makeConfig({ model: "/nowhere/net.js", dataset: "shapes" });
  const preparation = prepare(missing, {}, (line) => lines.push(line));
  await expect(preparation).rejects.toMatchObject({ code: "ERR_MODEL_MODULE" });
  expect(lines).toEqual([]);
});

test("a model whose weights cannot be named leaves no thread that keeps the process alive", async () => {
  const before = openPorts();
  vi.mocked(stateDictNames).mockReturnValueOnce([]);
  const { thread } = await prepare(config, {}, () => {}, { engine });
  expect(openPorts()).toBe(before + 1); // an open thread is detected
  await thread.close();
  vi.mocked(stateDictNames).mockImplementationOnce(() => {
    throw new LockstepError("ERR_STATE_DICT", "Two weights have one name.");
  });
  await expect(prepare(config, {}, () => {}, { engine })).rejects.toMatchObject({ code: "ERR_STATE_DICT" });
  expect(openPorts()).toBe(before);
});
