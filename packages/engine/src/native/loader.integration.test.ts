import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { onLinuxX64, tempDir } from "../testing/fakes.ts";
import { loadNative } from "./loader.ts";

test.runIf(onLinuxX64)(
  "an addon where nothing may be run is not to be built again, but elsewhere (needs the right to mount)",
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
        message: `${addon} lies on a file system from which nothing may be run (mounted with noexec). Name a folder elsewhere in LOCKSTEP_CACHE.`,
      }),
    );
  },
);
