/** Checks claims of GPUs between real processes; the GPUs themselves are invented. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defined, spawnForTest } from "@lockstep/testing";
import { expect, test } from "vitest";
import { tempDir } from "../testing/fakes.ts";
import { claimGpu } from "./claim-gpu.ts";

const linuxTest = test.runIf(process.platform === "linux");

/** Two GPUs that no other test claims. */
const cards = ["first", "second"].map((name) => ({ name, uuid: `GPU-${name}-${process.pid}` }));
const keyOf = ({ uuid }: { uuid: string }) => uuid;
const claim = () => claimGpu(cards, keyOf);

/** Starts a process that claims one of them, and resolves once it has. */
async function otherProcess(): Promise<{ child: ChildProcess; name: string }> {
  const script = join(tempDir(), "worker.mts");
  const module = fileURLToPath(new URL("./claim-gpu.ts", import.meta.url));
  writeFileSync(
    script,
    `import { claimGpu } from ${JSON.stringify(module)};
    const { card } = await claimGpu(${JSON.stringify(cards)}, ({ uuid }) => uuid);
    process.stdout.write(card.name);
    process.stdin.resume();`,
  );
  const cwd = fileURLToPath(new URL("../../../..", import.meta.url));
  const child = spawnForTest([process.execPath, "--import", "tsx", script], { cwd });
  const [name] = await once(defined(child.stdout).setEncoding("utf8"), "data");
  return { child, name };
}

linuxTest(
  "two processes claim their own GPU, a third shares the first, and a released one is claimed again",
  async () => {
    const { child, name } = await otherProcess();
    const own = await claim();
    const third = await claim();
    expect([name, own.card.name, third.card.name]).toEqual(["first", "second", "first"]);
    expect([own.isShared, third.isShared]).toEqual([false, true]);
    child.kill("SIGKILL");
    await once(child, "exit");
    const next = await claim();
    expect(next).toMatchObject({ card: { name: "first" }, isShared: false });
    own.release();
    next.release();
  },
);

linuxTest("a required GPU that another process has claimed is shared", async () => {
  const own = await claimGpu(cards.slice(1), keyOf);
  expect(await claimGpu(cards.slice(1), keyOf)).toMatchObject({ card: { name: "second" }, isShared: true });
  own.release();
});

linuxTest("a claim does not keep its process alive", async () => {
  const { child } = await otherProcess();
  child.stdin?.end();
  expect(await once(child, "exit")).toEqual([0, null]);
});
