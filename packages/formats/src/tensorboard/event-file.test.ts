/** Checks event files on disk, as a decoder of the tests reads them. */
import { readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { decodeEventFile } from "../testing/decoded-events.ts";
import { startEventFile } from "./event-file.ts";

const startedAt = new Date(1_700_000_000_500);

test("an event file starts with its version and holds each event's time, step and scalars", ({ folder }) => {
  const append = startEventFile(folder, startedAt, [{ timeMs: 1_700_000_001_000, step: 1, scalars: { lr: 0.25 } }]);
  append({ timeMs: 1_700_000_002_000, step: 300, scalars: { lr: 0.125, "train/loss": -1.5 } });
  expect(decodeEventFile(folder)).toEqual([
    { wallTime: 1_700_000_000.5, step: 0, fileVersion: "brain.Event:2", scalars: {} },
    { wallTime: 1_700_000_001, step: 1, scalars: { lr: 0.25 } },
    { wallTime: 1_700_000_002, step: 300, scalars: { lr: 0.125, "train/loss": -1.5 } },
  ]);
});

test("an event file replaces earlier event files, and no other file", ({ folder }) => {
  writeFileSync(join(folder, "events.out.tfevents.1.elsewhere"), "");
  writeFileSync(join(folder, "notes"), "");
  startEventFile(folder, startedAt, []);
  expect(readdirSync(folder).sort()).toEqual([`events.out.tfevents.1700000000.${hostname()}`, "notes"]);
});
