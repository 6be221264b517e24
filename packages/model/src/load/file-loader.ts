/** Supports `tf.loadLayersModel("file://…/model.json")` on backends without a file loader: WebAssembly, WebGPU, CPU. */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { tf } from "@lockstep/engine";

const SCHEME = "file://";

/** Registers a loader of models from files, unless TensorFlow.js already has one, as tfjs-node does. */
export function registerFileLoader(): void {
  if (tf.io.getLoadHandlers(`${SCHEME}model.json`).length > 0) return;
  // biome-ignore-start lint/style/noNonNullAssertion: TensorFlow.js' types omit null, which a router returns for other URLs
  tf.io.registerLoadRouter((url) => (typeof url === "string" && url.startsWith(SCHEME) ? loaderOf(url) : null!));
  // biome-ignore-end lint/style/noNonNullAssertion: see above
}

function loaderOf(url: string): tf.io.IOHandler {
  const path = url.startsWith(`${SCHEME}/`) ? fileURLToPath(url) : resolve(url.slice(SCHEME.length));
  return {
    load: async () => {
      const model = JSON.parse(await readFile(path, "utf8")) as tf.io.ModelJSON;
      return tf.io.getModelArtifactsForJSON(model, async (manifest) => {
        const files = manifest.flatMap(({ paths }) => paths.map((name) => readFile(join(dirname(path), name))));
        const bytes = Buffer.concat(await Promise.all(files));
        const weights = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
        return [manifest.flatMap(({ weights }) => weights), weights];
      });
    },
  };
}
