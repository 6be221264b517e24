/** Downloads archives made here from a local server that lacks files or truncates them. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { emptyMachine, tempDir, writeFiles } from "../testing/fakes.ts";
import { fetchTfjsLibrary } from "./tfjs-download.ts";

const LIBRARY = "/tensorflow/libtensorflow/libtensorflow-cpu-linux-x86_64-2.9.1.tar.gz";
const ADDON = "/tf-builds/pre-built-binary/napi-v8/4.22.0/CPU-linux-4.22.0.tar.gz";

function archive(...names: string[]): Buffer {
  const dir = tempDir();
  writeFiles(dir, names);
  return execFileSync("tar", ["-czf", "-", "-C", dir, "."]);
}

/** Serves these files in the place of Google's server. */
async function serve(files: Record<string, Buffer>): Promise<void> {
  const path = process.env["PATH"];
  emptyMachine();
  vi.stubEnv("PATH", path); // for tar
  const server = createServer((request, response) => {
    const file = files[request.url ?? ""];
    response.writeHead(file ? 200 : 404).end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  vi.stubEnv("TFJS_NODE_CDN_STORAGE", `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

const library = archive("lib/libtensorflow.so.2", "include/tensorflow/c/eager/c_api.h");

test("the download contains library and headers", async () => {
  await serve({ [LIBRARY]: library });
  const dir = tempDir();
  await fetchTfjsLibrary("2.9.1", dir, { withAddon: false, log: () => {} });
  expect(readdirSync(dir)).toEqual(["deps"]);
  expect(readdirSync(join(dir, "deps")).sort()).toEqual(["include", "lib"]);
  expect(readFileSync(join(dir, "deps/lib/libtensorflow.so.2"), "utf8")).toBe("lib/libtensorflow.so.2");
});

test("the ready-made addon is downloaded on request, to where it finds the library", async () => {
  await serve({ [LIBRARY]: library, [ADDON]: archive("tfjs_binding.node") });
  const dir = tempDir();
  await fetchTfjsLibrary("2.9.1", dir, { withAddon: true, log: () => {} });
  expect(readdirSync(join(dir, "lib/napi-v8"))).toEqual(["tfjs_binding.node"]);
});

test("a file that the server does not have is an error with its URL", async () => {
  await serve({});
  await expect(fetchTfjsLibrary("2.9.1", tempDir(), { withAddon: false, log: () => {} })).rejects.toMatchObject({
    code: "ERR_TFJS_DOWNLOAD",
    message: expect.stringMatching(
      /2\.9\.1\.tar\.gz could not be downloaded: the server responded with status 404\. Check/,
    ),
  });
});

test("a truncated archive is an error", async () => {
  await serve({ [LIBRARY]: library.subarray(0, library.length / 2) });
  const download = fetchTfjsLibrary("2.9.1", tempDir(), { withAddon: false, log: () => {} });
  await expect(download).rejects.toThrow(/could not be unpacked: .*(unexpected|Unexpected)/);
});

test("a download without a network is an error with the reason", async () => {
  emptyMachine();
  const download = fetchTfjsLibrary("2.9.1", tempDir(), { withAddon: false, log: () => {} });
  await expect(download).rejects.toThrow(/could not be downloaded: .*(ECONNREFUSED|bad port)/);
});
