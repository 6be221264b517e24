/** Bundles a page's script for browsers. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * A page's script, written in TypeScript, with all that it imports, as one module for browsers. It is made when the
 * page is first needed, in about a second, so a clone serves its pages without a build step.
 *
 * @throws esbuild's error for a script that is wrong, which is a defect
 */
export async function bundleScript(entry: URL): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    format: "esm",
    conditions: ["lockstep-source"], // the workspace's packages as they are in the clone
    legalComments: "none",
    logLevel: "silent",
    write: false,
  });
  return outputFiles[0]!.text;
}
