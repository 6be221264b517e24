/** Tests that the half-written files of a killed process do not keep its run from being resumed. */
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "@lockstep/testing";
import { assertResumes } from "../testing/assert-resumes.ts";
import { CountingTeam, countingRun } from "../testing/counting-team.ts";
import { createRunFolder } from "./run-folder.ts";

test("a resume after a kill deletes half-written files and ends like an undisturbed run", async ({ folder }) => {
  const killed = createRunFolder(join(folder, "killed"), "m", new Date());
  await countingRun({ folder: killed, options: {}, team: new CountingTeam(), stopAfter: 3 }).outcome();
  appendFileSync(killed.metrics, '{"type":"step","epoch":2,"st');
  const checkpoint = join(killed.checkpoints, "step-00000006.safetensors");
  const best = join(killed.checkpoints, "best.safetensors");
  for (const path of [checkpoint, best, killed.metrics, killed.weights("M"), killed.report]) {
    writeFileSync(`${path}.0123456789ab.tmp`, "half of a fi");
  }
  await assertResumes(killed, folder);
});
