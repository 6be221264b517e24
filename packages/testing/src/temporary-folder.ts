/** Temporary folders of tests, and the test function whose fixture is one. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, test as base, TestRunner } from "vitest";

/**
 * Creates an empty folder and returns its path. It is deleted at the end of the current test; a folder that is created
 * while the file loads is deleted after the file's last test.
 */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lockstep-")));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const test = TestRunner.getCurrentTest();
  if (test === undefined) afterAll(remove);
  else test.context.onTestFinished(remove);
  return folder;
}

const withFolder = () => base.extend("folder", () => temporaryFolder());
/** Programs that are not tests import this package, too. Vitest's `extend` fails in them. */
const isTestRun = "__vitest_worker__" in globalThis;

/** Vitest's `test` with the fixture `folder`: the path of an empty folder, which is deleted at the end of the test. */
export const test = isTestRun ? withFolder() : (base as ReturnType<typeof withFolder>);
