/** Checks with real processes that none outlives its test, even a timed-out one, or its parent. */
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { currentOwner, spawnForTest } from "./processes.ts";

/** Command of a shell that starts a process and prints both process ids. */
const SHELL = ["sh", "-c", "sleep 600 & echo $$ $!; wait"];
const THIS = fileURLToPath(new URL("./processes.ts", import.meta.url));

async function numbersOf({ stdout }: ReturnType<typeof spawnForTest>): Promise<number[]> {
  const [text] = (await once(stdout.setEncoding("utf8"), "data")) as [string];
  return text.trim().split(" ").map(Number);
}

/** Returns whether a process is running. A zombie is not. */
function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** The processes that the first test leaves to be ended. */
const left: number[] = [];
const assertExited = (numbers: number[]) => vi.waitFor(() => expect(numbers.filter(isRunning)).toEqual([]));

const onLinux = process.platform === "linux"; // where /proc lists processes

test.runIf(onLinux).fails(
  "a test that times out fails",
  async () => {
    left.push(...(await numbersOf(spawnForTest(SHELL))));
    await new Promise(() => {});
  },
  2000,
);

test.runIf(onLinux)("a test that timed out leaves no process behind", async () => {
  expect(left).toHaveLength(2);
  await assertExited(left);
});

test.runIf(onLinux)("a process ends when its parent is killed", async () => {
  const code = `
  const { spawnForTest } = await import(${JSON.stringify(THIS)});
  const child = spawnForTest(["sleep", "600"]);
  console.log(process.pid, child.pid);
  setInterval(() => {}, 1000);`;
  const node = [process.execPath, "--import", "tsx", "--conditions=lockstep-source", "--input-type=module", "--eval"];
  const parent = spawnForTest([...node, code]);
  const numbers = await numbersOf(parent);
  expect(numbers.filter(isRunning)).toEqual(numbers);
  parent.kill("SIGKILL");
  await assertExited(numbers);
});

test.concurrent("processes of a concurrent test need an owner", ({ task }) => {
  expect(() => currentOwner()).toThrow("name the owner");
  spawnForTest(["true"], { owner: task });
});

test("all tests start their processes with spawnForTest", () => {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const files = ["apps", "packages", "test"].flatMap((folder) => testFiles(join(root, folder)));
  expect(files).toContain(fileURLToPath(import.meta.url));
  const others = files.filter((file) =>
    /import \{[^}]*\b(spawn|fork)\b[^}]*\} from "node:child_process"/.test(textOf(file)),
  );
  expect(others).toEqual([]);
});

function testFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ["node_modules", "dist"].includes(entry.name) ? [] : testFiles(path);
    return entry.name.endsWith(".test.ts") ? [path] : [];
  });
}

const textOf = (file: string) => readFileSync(file, "utf8");
