/** Loads an addon from a real file system that is mounted with noexec. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { onLinuxX64, tempDir } from "../testing/fakes.ts";
import { loadNative } from "./loader.ts";

test.runIf(onLinuxX64)(
  "an addon on a file system with noexec is an error that names another place (needs permission to mount)",
  ({ skip, onTestFinished }) => {
    const dir = tempDir();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "noexec,size=1000000", "lockstep-test", dir]);
    if (mounted.status !== 0) return skip("mounting is not allowed here");
    onTestFinished(() => void spawnSync("umount", ["--lazy", dir]));
    const addon = join(dir, "tfjs_binding.node");
    spawnSync("g++", ["-shared", "-fPIC", "-x", "c++", "-", "-o", addon], { input: "int answer = 42;" });
    expect(() => loadNative(addon)).toThrow(
      expect.objectContaining({
        code: "ERR_NOEXEC",
        message: `${addon} is on a file system that is mounted with noexec, from which nothing can be loaded. Set LOCKSTEP_CACHE to a folder on another file system.`,
      }),
    );
  },
);
