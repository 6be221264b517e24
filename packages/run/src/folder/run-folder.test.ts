/** Tests the folder of a run: its name, its files, and which folders are refused. */
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { temporaryName } from "@lockstep/files";
import { test as base } from "@lockstep/testing";
import { expect } from "vitest";
import { createRunFolder, openRunFolder, removeTemporaries, writeJson } from "./run-folder.ts";

const now = new Date(2026, 10, 3, 9, 30);

/** Tests whose current directory is an empty folder. */
const test = base.extend("cwd", { auto: true }, ({ folder }, { onCleanup }) => {
  const before = process.cwd();
  process.chdir(folder);
  onCleanup(() => process.chdir(before));
  return folder;
});

test("a run folder is named after the time and the model, and numbered if that name is taken", () => {
  const names = [1, 2, 3].map(() => createRunFolder(undefined, "alexnet-cifar10", now).dir);
  expect(names).toEqual([
    "runs/2026-11-03-0930-alexnet-cifar10",
    "runs/2026-11-03-0930-alexnet-cifar10-2",
    "runs/2026-11-03-0930-alexnet-cifar10-3",
  ]);
  for (const name of names) expect(statSync(name).isDirectory()).toBe(true);
});

test("a run folder is created at --out, also in a folder that exists and has no run", () => {
  mkdirSync("b");
  expect(createRunFolder("a/deep", "m", now).config).toBe("a/deep/config.json");
  expect(createRunFolder("b", "m", now).weights("AlexNet_CIFAR10")).toBe("b/AlexNet_CIFAR10.safetensors");
  expect(statSync("a/deep").isDirectory()).toBe(true);
});

test("a run folder is not created over another run", () => {
  writeFileSync(createRunFolder("a", "m", now).config, "{}");
  expect(() => createRunFolder("a", "m", now)).toThrow(
    "Expected --out to be a new folder, but a holds a run. Continue it with --resume a, or choose another --out.",
  );
});

test("a run folder is not created in the place of a file", () => {
  writeFileSync("file", "");
  expect(() => createRunFolder("file/a", "m", now)).toThrow(expect.objectContaining({ code: "ERR_NOT_WRITABLE" }));
  expect(() => createRunFolder("file", "m", now)).toThrow(
    "Expected --out to be a folder for the run, but file is a file; choose another.",
  );
  expect(() => createRunFolder("file/a", "m", now)).toThrow(
    `Cannot create the run's folder ${resolve("file/a")}: ${resolve("file")} is a file, not a folder. Choose another with --out.`,
  );
});

test.for<[string, string, string]>([
  ["a file of a run", "runs/a/Tiny.safetensors", "it is a file. Give the folder of one run, such as runs/a."],
  ["a folder in a run", "runs/a/checkpoints", "it has no config.json. Give the folder of one run, such as runs/a."],
  ["the folder of all runs", "runs", "it has no config.json. Give the folder of one run, such as runs/b."],
  ["another file", "runs/note", "it is a file. Give the folder that the run printed."],
])("the path of %s is refused with the folder of a run that may be meant", ([, path, message]) => {
  for (const run of ["runs/a", "runs/b"]) writeJson(createRunFolder(run, "m", now).config, {});
  mkdirSync("runs/a/checkpoints");
  for (const file of ["runs/a/Tiny.safetensors", "runs/note"]) writeFileSync(file, "");
  expect(() => openRunFolder(path)).toThrow(`Expected the folder of a run at ${resolve(path)}, but ${message}`);
});

test("a run folder is opened with its configuration, and a folder without a run is refused with the reason", () => {
  expect(() => openRunFolder("a")).toThrow(`Expected the folder of a run at ${resolve("a")}, but it does not exist.`);
  mkdirSync("a");
  expect(() => openRunFolder("a")).toThrow("a, but it has no config.json. Give the folder that the run printed.");
  writeFileSync("a/config.json", "{");
  expect(() => openRunFolder("a")).toThrow(
    expect.objectContaining({
      code: "ERR_RUN_FILE",
      message: expect.stringMatching(
        /^a\/config\.json is damaged \(.*JSON.*\)\. Restore it from a backup, or start a new/,
      ),
    }),
  );
  writeJson("a/config.json", { lr: 0.1 });
  expect(openRunFolder("a").config).toEqual({ lr: 0.1 });
  expect(openRunFolder("a").folder.metrics).toBe("a/metrics.jsonl");
});

test("the temporary files of this program are deleted from a run folder, and those of the user are not", () => {
  const folder = createRunFolder("a", "m", now);
  const users = ["notes.tmp", "a.0123456789ag.tmp", "0123456789ab.tmp"];
  for (const name of [...users, temporaryName("config.json")]) writeFileSync(join(folder.dir, name), "");
  removeTemporaries(folder);
  expect(readdirSync(folder.dir).sort()).toEqual(users.sort());
});
