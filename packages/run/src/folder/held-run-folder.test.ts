/** Tests run folders that a process holds: who is refused, and what is left when the process lets go. */
import { existsSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import {
  createRunFolder,
  holdRunFolder,
  openRunFolder,
  releaseRunFolder,
  watchRunFolder,
  writeJson,
} from "./run-folder.ts";

const now = new Date(2026, 10, 3, 9, 30);

const log = () => {};

/** Holds a folder in which no run has started. */
async function unstarted(out: string) {
  const folder = createRunFolder(out, "m", now);
  const lease = await holdRunFolder(folder, log);
  writeFileSync(folder.eventLog, "");
  return { folder, lease };
}

test("a folder that is released before its run starts is deleted with all that was written there", async ({
  folder: dir,
}) => {
  const { folder, lease } = await unstarted(join(dir, "unbegun"));
  releaseRunFolder(folder, lease);
  expect(existsSync(folder.dir)).toBe(false);
});

test("a folder that existed before stays with the user's files when it is released", async ({ folder: dir }) => {
  for (const own of [[], ["notes.txt"]]) {
    const out = mkdtempSync(join(dir, "own-"));
    for (const name of own) writeFileSync(join(out, name), "");
    const { folder, lease } = await unstarted(out);
    releaseRunFolder(folder, lease);
    expect(readdirSync(out)).toEqual(own);
  }
});

test("a folder in which a run has started stays when it is released", async ({ folder: dir }) => {
  const started = await unstarted(join(dir, "begun"));
  writeJson(started.folder.config, {});
  releaseRunFolder(started.folder, started.lease);
  expect(readdirSync(started.folder.dir).sort()).toEqual(["config.json", "events.jsonl"]);
});

test("a folder that is no longer held stays when it is released", async ({ folder: dir }) => {
  const lost = await unstarted(join(dir, "lost"));
  lost.lease.release();
  releaseRunFolder(lost.folder, lost.lease);
  expect(readdirSync(lost.folder.dir)).toEqual(["events.jsonl"]);
});

test("a folder that is held is refused to others, also for a new run once the first one has ended", async ({
  folder: dir,
}) => {
  const first = createRunFolder(join(dir, "held"), "m", now);
  const second = createRunFolder(join(dir, "held"), "m", now);
  const lease = await holdRunFolder(first, log);
  await expect(holdRunFolder(second, log)).rejects.toMatchObject({ code: "ERR_RUN_BUSY" });
  writeJson(first.config, {});
  expect(() => createRunFolder(first.dir, "m", now)).toThrow(expect.objectContaining({ code: "ERR_RUN_BUSY" }));
  lease.release();
  await expect(holdRunFolder(second, log)).rejects.toMatchObject({ code: "ERR_RUN_EXISTS" });
  (await holdRunFolder(openRunFolder(first.dir).folder, log)).release();
  expect(readdirSync(first.dir)).toEqual(["config.json"]);
});

test("a process that watches a folder knows whether it is held", async ({ folder: dir }) => {
  const folder = createRunFolder(join(dir, "watched"), "m", now);
  const holdsLease = watchRunFolder(folder);
  expect(holdsLease()).toBe(false);
  const lease = await holdRunFolder(folder, log);
  expect(holdsLease()).toBe(true);
  lease.release();
  expect(holdsLease()).toBe(false);
});
