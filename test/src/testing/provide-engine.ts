/** Before any test: fetches and builds the engine once, with its progress on the screen, and looks for a software GPU. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
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
  const args = ["--import", "tsx", "--conditions=lockstep-source", "--input-type=module", "--eval", program];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) throw new Error(`The engine did not start: see the lines above (exit ${status}).`);
}
