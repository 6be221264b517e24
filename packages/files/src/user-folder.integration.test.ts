/** Checks the folder for each set of variables, and in a process whose user has no home folder. */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type UserFolder, userFolder } from "./user-folder.ts";

const cache: UserFolder = { variable: "XDG_CACHE_HOME", name: ".cache", instead: "LOCKSTEP_CACHE" };
const root = fileURLToPath(new URL("../../..", import.meta.url));

afterEach(() => vi.unstubAllEnvs());

describe("the folder of a user", () => {
  test("the user folder is in the XDG folder, or else in the home folder", () => {
    vi.stubEnv("XDG_CACHE_HOME", "/xdg");
    expect(userFolder(cache)).toBe("/xdg/lockstep");
    vi.stubEnv("XDG_CACHE_HOME", "");
    vi.stubEnv("HOME", "/home/ann");
    expect(userFolder(cache)).toBe("/home/ann/.cache/lockstep");
  });

  test("the user folder is not the working folder if HOME is empty", () => {
    vi.stubEnv("XDG_CACHE_HOME", "");
    vi.stubEnv("HOME", undefined);
    const own = homedir();
    vi.stubEnv("HOME", "");
    expect(userFolder(cache)).toBe(`${own}/.cache/lockstep`);
  });

  // Only root can become a user that the system does not know.
  test.runIf(process.getuid?.() === 0)("the error for a user without a home folder names the variable to set", () => {
    const { HOME: _, XDG_CACHE_HOME: __, ...env } = process.env;
    const script = `process.setuid(54321);
      const { userFolder } = await import("./packages/files/src/user-folder.ts");
      try { userFolder(${JSON.stringify(cache)}); } catch (error) { console.log(error.code, error.message); }`;
    const flags = ["--import", "tsx", "--conditions=lockstep-source", "--input-type=module", "-e"];
    const { stdout, stderr } = spawnSync(process.execPath, [...flags, script], { cwd: root, env, encoding: "utf8" });
    expect(stdout + stderr).toBe(
      "ERR_NO_HOME Expected a home folder, but HOME is not set and the system has no entry for user 54321. Set LOCKSTEP_CACHE to a folder, or set HOME.\n",
    );
  });
});
