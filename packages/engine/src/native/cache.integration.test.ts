/** Checks the cache on disk while real processes build at once, fail or are killed. */
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawnForTest } from "@lockstep/testing";
import { expect, test, vi } from "vitest";
import { tempDir } from "../testing/fakes.ts";
import { buildOnce, cacheDir } from "./cache.ts";

const REPOSITORY = fileURLToPath(new URL("../../../..", import.meta.url));

/** Starts a process that runs `build` for the folder; `part`, the temporary folder, and `dir` are in scope. */
function builder(dir: string, build: string): ChildProcess {
  const script = join(tempDir(), "builder.mts");
  writeFileSync(
    script,
    `import { writeFileSync, appendFileSync } from "node:fs";
    import { buildOnce } from ${JSON.stringify(fileURLToPath(new URL("./cache.ts", import.meta.url)))};
    const dir = ${JSON.stringify(dir)};
    await buildOnce(dir, (line) => console.log(line), async (part) => { ${build} });
    console.log("done");`,
  );
  const args = ["--import", "tsx", "--conditions=lockstep-source", script];
  return spawnForTest([process.execPath, ...args], { cwd: REPOSITORY });
}

/** Resolves when the process prints the text; rejects if it ends before. */
function printed(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout?.on("data", (chunk) => {
      output += chunk;
      if (output.includes(text)) resolve();
    });
    child.on("close", () => reject(new Error(`ended before it printed ${text}: ${output}`)));
  });
}

const ended = (child: ChildProcess) => new Promise((resolve) => child.on("close", resolve));

test("the cache is in LOCKSTEP_CACHE, else in XDG_CACHE_HOME, else in the home folder", () => {
  vi.stubEnv("HOME", "/home/ann");
  vi.stubEnv("LOCKSTEP_CACHE", undefined);
  vi.stubEnv("XDG_CACHE_HOME", undefined);
  expect(cacheDir()).toBe("/home/ann/.cache/lockstep");
  vi.stubEnv("XDG_CACHE_HOME", "/xdg");
  expect(cacheDir()).toBe("/xdg/lockstep");
  vi.stubEnv("LOCKSTEP_CACHE", "/mine");
  expect(cacheDir()).toBe("/mine");
  vi.stubEnv("LOCKSTEP_CACHE", "mine");
  expect(cacheDir()).toBe(join(process.cwd(), "mine"));
  vi.unstubAllEnvs();
});

test("a folder is built once, and found afterwards", async () => {
  const dir = join(tempDir(), "a/b");
  let builds = 0;
  const build = async (part: string) => {
    builds++;
    writeFileSync(join(part, "file"), "content");
  };
  expect(await buildOnce(dir, () => {}, build)).toBe(dir);
  await buildOnce(dir, () => {}, build);
  expect(builds).toBe(1);
  expect(readFileSync(join(dir, "file"), "utf8")).toBe("content");
});

test("a build that fails leaves no files", async () => {
  const parent = tempDir();
  const failing = buildOnce(
    join(parent, "x"),
    () => {},
    async (part) => {
      writeFileSync(join(part, "half"), "");
      throw new Error("disk on fire");
    },
  );
  await expect(failing).rejects.toThrow("disk on fire");
  expect(readdirSync(parent)).toEqual([]);
});

test("a cache that is not writable is an error with its remedy", async () => {
  const file = join(tempDir(), "file");
  writeFileSync(file, "");
  await expect(
    buildOnce(
      join(file, "x"),
      () => {},
      async () => {},
    ),
  ).rejects.toMatchObject({
    code: "ERR_CACHE",
    message: expect.stringMatching(/is not writable.*LOCKSTEP_CACHE/),
  });
});

test("the temporary folder of a killed process is removed, but not that of another folder", async () => {
  const dir = join(tempDir(), "x");
  const leftover = `${dir}.part-0123456789ab`;
  const other = `${dir}-other.part-0123456789ab`;
  for (const part of [leftover, other]) mkdirSync(part);
  await buildOnce(
    dir,
    () => {},
    async () => {},
  );
  expect([leftover, other].map((part) => existsSync(part))).toEqual([false, true]);
});

test.runIf(process.platform === "linux")("of processes that start at once, one builds", async () => {
  const dir = join(tempDir(), "x");
  const log = `${dir}.log`;
  const build = `appendFileSync(${JSON.stringify(log)}, "built\\n"); console.log("building"); await new Promise((go) => process.stdin.once("data", go)); process.stdin.destroy();`;
  const first = builder(dir, build);
  await printed(first, "building");
  const others = [builder(dir, build), builder(dir, build)];
  await Promise.all(
    others.map((other) =>
      printed(other, `waiting for process ${first.pid} on ${hostname()}, which is installing ${dir}`),
    ),
  );
  first.stdin?.write("go\n");
  expect(await Promise.all([first, ...others].map(ended))).toEqual([0, 0, 0]);
  expect(readFileSync(log, "utf8")).toBe("built\n");
});

test.runIf(process.platform === "linux")("when the building process is killed, the waiting one builds", async () => {
  const dir = join(tempDir(), "x");
  const killed = builder(
    dir,
    `writeFileSync(part + "/half", ""); console.log("building"); setInterval(() => {}, 1e6); await new Promise(() => {});`,
  );
  await printed(killed, "building");
  const waiting = builder(dir, `writeFileSync(part + "/whole", "");`);
  await printed(waiting, `waiting for process ${killed.pid} on ${hostname()}, which is installing ${dir}`);
  killed.kill("SIGKILL");
  expect(await ended(waiting)).toBe(0);
  expect(readdirSync(dir)).toEqual(["whole"]);
  expect(readdirSync(join(dir, ".."))).toEqual(["x"]);
});
