/** Bundles the script of a page for browsers. */
import { fileURLToPath } from "node:url";

/**
 * Bundles a TypeScript file and all of its imports into one module for browsers. This takes about a second and runs
 * when a page is first requested, so a clone serves its pages without a build step.
 *
 * @throws Error from esbuild if the script is invalid, which is a bug
 */
export async function bundleScript(entry: URL): Promise<string> {
  const { build } = await import("esbuild"); // loaded here, since most runs serve no page
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    format: "esm",
    conditions: ["lockstep-source"], // bundle the source of the workspace's packages
    legalComments: "none",
    logLevel: "silent",
    write: false,
  });
  return outputFiles.map(({ text }) => text).join("");
}
