/** Tests that programs which are not tests, such as `pnpm soak`, can use the helpers. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { spawnForTest } from "./processes.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("a program that is not a test can import the testing package", async () => {
  const node = [process.execPath, "--import", "tsx", "--conditions=lockstep-source", "--input-type=module"];
  const program = spawnForTest([...node, "--eval", 'import "./packages/testing/src/index.ts"'], { cwd: root });
  const [status] = await once(program, "exit");
  expect(status).toBe(0);
});
