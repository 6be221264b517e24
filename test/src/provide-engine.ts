/** Before any test: fetches and builds the engine once, with its progress on the screen. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = `
  import { startEngine } from "@lockstep/engine";
  const engine = await startEngine({ log: (line) => console.log(line) });
  console.log(\`tests run on the \${engine.backend} backend\`);
`;

export function setup(): void {
  const args = ["--import", "tsx", "--conditions=lockstep-source", "--input-type=module", "--eval", program];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) throw new Error(`The engine did not start: see the lines above (exit ${status}).`);
}
