import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { temporaryName } from "@lockstep/files";
import { defined } from "@lockstep/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  createRunFolder,
  holdRunFolder,
  openRunFolder,
  releaseRunFolder,
  removeTemporaries,
  watchRunFolder,
  writeJson,
} from "./run-folder.ts";

const now = new Date(2026, 10, 3, 9, 30);
const before = process.cwd();
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-run-"));
  process.chdir(dir);
});
afterEach(() => process.chdir(before));

describe("run folder", () => {
  test("is named after the time and the model, and numbered when that name is taken", () => {
    const names = [1, 2, 3].map(() => createRunFolder(undefined, "alexnet-cifar10", now).dir);
    expect(names).toEqual([
      "runs/2026-11-03-0930-alexnet-cifar10",
      "runs/2026-11-03-0930-alexnet-cifar10-2",
      "runs/2026-11-03-0930-alexnet-cifar10-3",
    ]);
    for (const name of names) expect(statSync(name).isDirectory()).toBe(true);
  });

  test("is made where --out says, also when that is there and holds no run", () => {
    mkdirSync("b");
    expect(createRunFolder("a/deep", "m", now).config).toBe("a/deep/config.json");
    expect(createRunFolder("b", "m", now).weights("AlexNet_CIFAR10")).toBe("b/AlexNet_CIFAR10.safetensors");
    expect(statSync("a/deep").isDirectory()).toBe(true);
  });

  test("is not made over another run", () => {
    writeFileSync(createRunFolder("a", "m", now).config, "{}");
    expect(() => createRunFolder("a", "m", now)).toThrow(
      "Expected --out to be a new folder, but a holds a run. Continue it with --resume a, or choose another --out.",
    );
  });

  test("can't be made where a file stands", () => {
    writeFileSync("file", "");
    expect(() => createRunFolder("file/a", "m", now)).toThrow(expect.objectContaining({ code: "ERR_NOT_WRITABLE" }));
    expect(() => createRunFolder("file", "m", now)).toThrow(
      "Expected --out to be a folder for the run, but file is a file; choose another.",
    );
    expect(() => createRunFolder("file/a", "m", now)).toThrow("(EEXIST: file is a file, not a folder)");
  });

  test.each([
    ["a file in it", "runs/a/Tiny.safetensors", "it is a file. Give the folder of one run, such as runs/a."],
    ["a folder in it", "runs/a/checkpoints", "it has no config.json. Give the folder of one run, such as runs/a."],
    ["the folder of all runs", "runs", "it has no config.json. Give the folder of one run, such as runs/b."],
    ["another file", "runs/note", "it is a file. Give the folder that the run printed."],
  ])("is suggested where %s is named", (_, path, message) => {
    for (const run of ["runs/a", "runs/b"]) writeJson(createRunFolder(run, "m", now).config, {});
    mkdirSync("runs/a/checkpoints");
    for (const file of ["runs/a/Tiny.safetensors", "runs/note"]) writeFileSync(file, "");
    expect(() => openRunFolder(path)).toThrow(`Expected the folder of a run at ${path}, but ${message}`);
  });

  test("is opened with its configuration when it holds a run, and refused with the reason when not", () => {
    expect(() => openRunFolder("a")).toThrow("Expected the folder of a run at a, but it does not exist.");
    mkdirSync("a");
    expect(() => openRunFolder("a")).toThrow("at a, but it has no config.json. Give the folder that the run printed.");
    writeFileSync("a/config.json", "{");
    expect(() => openRunFolder("a")).toThrow(/at a, but its config\.json cannot be read \(.*JSON/);
    writeJson("a/config.json", { lr: 0.1 });
    expect(openRunFolder("a").config).toEqual({ lr: 0.1 });
    expect(openRunFolder("a").folder.metrics).toBe("a/metrics.jsonl");
  });

  test("loses the temporary files that this program made, and keeps the user's", () => {
    const folder = createRunFolder("a", "m", now);
    const users = ["notes.tmp", "a.0123456789ag.tmp", "0123456789ab.tmp"];
    for (const name of [...users, temporaryName("config.json")]) writeFileSync(join(folder.dir, name), "");
    removeTemporaries(folder);
    expect(readdirSync(folder.dir).sort()).toEqual(users.sort());
  });
});

describe("a run's folder that is held", () => {
  const log = () => {};
  const unstarted = async (out: string) => {
    const folder = createRunFolder(out, "m", now);
    const lease = await holdRunFolder(folder, log);
    writeFileSync(folder.eventLog, "");
    return { folder, lease };
  };

  test("is taken away with what was written there, if no run has begun when it is given back", async () => {
    const { folder, lease } = await unstarted(join(dir, "unbegun"));
    releaseRunFolder(folder, lease);
    expect(existsSync(folder.dir)).toBe(false);
  });

  test("stays if it was there before, with what the user has there", async () => {
    for (const own of [[], ["notes.txt"]]) {
      const out = mkdtempSync(join(dir, "own-"));
      for (const name of own) writeFileSync(join(out, name), "");
      const { folder, lease } = await unstarted(out);
      releaseRunFolder(folder, lease);
      expect(readdirSync(out)).toEqual(own);
    }
  });

  test("stays if the run has begun, or another process has begun one there", async () => {
    const started = await unstarted(join(dir, "begun"));
    writeJson(started.folder.config, {});
    releaseRunFolder(started.folder, started.lease);
    expect(readdirSync(started.folder.dir).sort()).toEqual(["config.json", "events.jsonl"]);
    const lost = await unstarted(join(dir, "lost"));
    lost.lease.release();
    releaseRunFolder(lost.folder, lost.lease);
    expect(readdirSync(lost.folder.dir)).toEqual(["events.jsonl"]);
  });

  test("is refused to others; a new run is not begun in it when the quicker one has ended", async () => {
    const [first, second] = [1, 2].map(() => createRunFolder(join(dir, "held"), "m", now));
    const lease = await holdRunFolder(defined(first), log);
    await expect(holdRunFolder(defined(second), log)).rejects.toThrow(
      expect.objectContaining({ code: "ERR_RUN_BUSY" }),
    );
    writeJson(defined(first).config, {});
    expect(() => createRunFolder(defined(first).dir, "m", now)).toThrow(
      expect.objectContaining({ code: "ERR_RUN_BUSY" }),
    );
    lease.release();
    await expect(holdRunFolder(defined(second), log)).rejects.toThrow(
      expect.objectContaining({ code: "ERR_RUN_EXISTS" }),
    );
    (await holdRunFolder(openRunFolder(defined(first).dir).folder, log)).release();
    expect(readdirSync(defined(first).dir)).toEqual(["config.json"]);
  });

  test("is known to those who watch it", async () => {
    const folder = createRunFolder(join(dir, "watched"), "m", now);
    const holdsLease = watchRunFolder(folder);
    expect(holdsLease()).toBe(false);
    const lease = await holdRunFolder(folder, log);
    expect(holdsLease()).toBe(true);
    lease.release();
    expect(holdsLease()).toBe(false);
  });
});
