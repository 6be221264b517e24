/** Runs the script of GPU measurements with every GPU hidden. */
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("../../gpu/run.sh", import.meta.url));

test.runIf(process.platform === "linux")("test/gpu/run.sh reports why it cannot measure without a GPU", () => {
  const path = `${dirname(process.execPath)}:${process.env["PATH"]}`;
  const hidden = { CUDA_VISIBLE_DEVICES: "-1", VK_ICD_FILENAMES: "/no/driver.json", VK_DRIVER_FILES: undefined };
  const { status, stdout, stderr } = spawnSync(script, ["--dry-run"], {
    env: { ...process.env, ...hidden, PATH: path },
    encoding: "utf8",
  });
  expect(stderr).toMatch(/^ERR_NO_GPU: No GPU is usable\. CUDA: .+ WebGPU: .+ Install/m);
  expect(stdout).toMatch(/^.. {2}backend native /m);
  expect(status).toBe(1);
});
