/**
 * Before any test of processes: builds the programs, fetches and builds the engine once, with its progress on the
 * screen, and looks for a software GPU.
 */
import { type SpawnSyncOptions, spawnSync } from "node:child_process";
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
/** Set once this has run: two projects of tests need it. */
const DONE = "LOCKSTEP_TEST_ENGINE_PROVIDED";

const hasVulkanLoader = () => String(spawnSync("/sbin/ldconfig", ["-p"]).stdout).includes("libvulkan.so.1");

/** Runs before the tests of a project. */
export function setup(): void {
  if (process.env[DONE] !== undefined) return;
  if (existsSync(SWIFTSHADER) && hasVulkanLoader()) process.env["LOCKSTEP_TEST_SWIFTSHADER"] ??= SWIFTSHADER;
  runNode("The build failed", [turbo, "run", "build", "--output-logs=errors-only"], { cwd: root });
  runNode("The engine did not start", ["--input-type=module", "--eval", program], {
    cwd: join(root, "test"),
    stdio: "inherit",
  });
  process.env[DONE] = "yes";
}

function runNode(failure: string, words: string[], options: SpawnSyncOptions): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, words, options);
  if (status !== 0) throw new Error(`${failure} (exit ${status}).\n${stdout ?? ""}${stderr ?? ""}`);
}
