/**
 * Before any test of processes: builds the programs, fetches and builds the engine once, with its progress on the
 * screen, and looks for a software GPU.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const turbo = join(root, "node_modules/turbo/bin/turbo");
const program = `
  import { startEngine } from "@lockstep/engine";
  const engine = await startEngine({ log: (line) => console.log(line) });
  console.log(\`tests run on the \${engine.backend} backend\`);
`;

/** The Vulkan driver in Debian's package chromium-common, which computes on the CPU; libvulkan1 has the loader. */
const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";

const hasVulkanLoader = () => String(spawnSync("/sbin/ldconfig", ["-p"]).stdout).includes("libvulkan.so.1");

export function setup(): void {
  if (existsSync(SWIFTSHADER) && hasVulkanLoader()) process.env["LOCKSTEP_TEST_SWIFTSHADER"] ??= SWIFTSHADER;
  runOrThrow("The build failed", [turbo, "run", "build", "--output-logs=errors-only"], root);
  runOrThrow("The engine did not start", ["--input-type=module", "--eval", program], join(root, "test"));
}

function runOrThrow(failure: string, words: string[], cwd: string): void {
  const { status } = spawnSync(process.execPath, words, { cwd, stdio: "inherit" });
  if (status !== 0) throw new Error(`${failure}: see the lines above (exit ${status}).`);
}
