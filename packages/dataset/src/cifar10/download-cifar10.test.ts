import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { createGzip, gunzipSync, gzipSync } from "node:zlib";
import { defined } from "@lockstep/testing";
import { pack } from "tar-stream";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { CIFAR10_NAMES, cifar10File, temporaryFolder } from "../testing/cifar10-for-tests.ts";
import { cifar10Files } from "./cifar10.ts";
import { downloadCifar10 } from "./download-cifar10.ts";

// All of this runs as on a machine in FIPS mode, which computes no MD5.
vi.mock(import("node:crypto"), async (original) => {
  const crypto = await original();
  const createHash: typeof crypto.createHash = (algorithm, options) => {
    if (algorithm === "md5") throw new Error("error:0308010C:digital envelope routines::unsupported");
    return crypto.createHash(algorithm, options);
  };
  return { ...crypto, createHash };
});

let archive: Buffer;
let dir: string;
let server: Server | undefined;
/** Called when bytes have come. */
let onBytes: (doneBytes: number) => void = () => {};

beforeAll(async () => {
  archive = await archiveOf(CIFAR10_NAMES);
});
beforeEach(() => {
  dir = join(temporaryFolder(), "data");
});
afterEach(() => {
  rmSync(join(dir, ".."), { recursive: true });
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  onBytes = () => {};
});

async function archiveOf(names: readonly string[]): Promise<Buffer> {
  const tar = pack();
  const packed = buffer(tar.pipe(createGzip({ level: 1 })));
  tar.entry({ name: "cifar-10-batches-bin/", type: "directory" });
  tar.entry({ name: "cifar-10-batches-bin/readme.html" }, "<p>");
  for (const [index, name] of names.entries()) {
    tar.entry({ name: `cifar-10-batches-bin/${name}` }, cifar10File(index + 1));
  }
  tar.finalize();
  return packed;
}

/** Downloads from a server that answers with `listener`, expecting `content` with its right or a given sha256. */
async function downloadFrom(
  listener: RequestListener,
  content = archive,
  sha256 = sha256Of(content),
): Promise<number[]> {
  server?.close();
  server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cifar-10-binary.tar.gz`;
  const progress: number[] = [];
  const onProgress = (doneBytes: number, totalBytes: number) => {
    progress.push(doneBytes / totalBytes);
    onBytes(doneBytes);
  };
  await downloadCifar10({ dir, url, bytes: content.length, sha256, stallMs: 5000, onProgress });
  return progress;
}

const sha256Of = (content: Buffer) => createHash("sha256").update(content).digest("hex");
const partial = () => join(dir, "cifar-10-binary.tar.gz.partial");
const complete: RequestListener = (_, response) => response.end(archive);
const ranges: RequestListener = ({ headers }, response) => {
  const start = Number(defined(/^bytes=(\d+)-$/.exec(headers.range ?? ""))[1]);
  const range = `bytes ${start}-${archive.length - 1}/${archive.length}`;
  response.writeHead(206, { "content-range": range, "content-length": archive.length - start });
  response.end(archive.subarray(start));
};
/** Closes the connection once that many bytes have come. */
const cutAfter =
  (bytes: number): RequestListener =>
  (_, response) => {
    response.writeHead(200, { "content-length": archive.length });
    response.write(archive.subarray(0, bytes));
    onBytes = (doneBytes) => doneBytes === bytes && response.destroy();
  };

function assertComplete(): void {
  expect(readdirSync(dir)).toEqual(["cifar-10-batches-bin"]);
  for (const [index, path] of [...defined(cifar10Files(dir)).train, ...defined(cifar10Files(dir)).test].entries()) {
    expect(readFileSync(path).equals(cifar10File(index + 1))).toBe(true);
  }
}

describe("downloadCifar10", () => {
  test("downloadCifar10 leaves only the unpacked folder, and reports its progress up to the end", async () => {
    const progress = await downloadFrom(complete);
    assertComplete();
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
  });

  test("only one of several simultaneous calls downloads", async () => {
    let requests = 0;
    server = createServer((_, response) => {
      requests++;
      response.end(archive);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const lines: string[] = [];
    const options = {
      dir,
      url,
      bytes: archive.length,
      sha256: sha256Of(archive),
      log: (line: string) => lines.push(line),
    };
    await Promise.all([downloadCifar10(options), downloadCifar10(options)]);
    assertComplete();
    expect(requests).toBe(1);
    expect(lines).toEqual([
      `waiting for process ${process.pid} on ${hostname()}, which is downloading CIFAR-10 to ${dir}`,
    ]);
  });

  test("an interrupted download continues with a request for the rest", async () => {
    await expect(downloadFrom(cutAfter(5000))).rejects.toMatchObject({
      code: "ERR_DOWNLOAD",
      message: expect.stringContaining(
        `after 5,000 of ${archive.length.toLocaleString("en")} bytes. Run the same command`,
      ),
    });
    expect(readdirSync(dir)).toEqual(["cifar-10-binary.tar.gz.partial"]);
    expect(readFileSync(partial()).equals(archive.subarray(0, 5000))).toBe(true);
    const progress = await downloadFrom(ranges);
    expect(progress[0]).toBeGreaterThan(5000 / archive.length);
    assertComplete();
  });

  test("a download starts again if the server ignores the range", async () => {
    await expect(downloadFrom(cutAfter(5000))).rejects.toThrow("Could not download");
    await downloadFrom(complete);
    assertComplete();
  });

  test("a download starts again if the .partial file is longer than the archive", async () => {
    mkdirSync(dir);
    writeFileSync(partial(), Buffer.alloc(archive.length + 1));
    await downloadFrom(complete);
    assertComplete();
  });

  test("a complete .partial file is only unpacked", async () => {
    mkdirSync(dir);
    writeFileSync(partial(), archive);
    expect(await downloadFrom((_, response) => response.destroy())).toEqual([]);
    assertComplete();
  });

  test("a .partial file is deleted if the server refuses its range", async () => {
    mkdirSync(dir);
    writeFileSync(partial(), "not of this archive");
    await expect(downloadFrom((_, response) => response.writeHead(416).end())).rejects.toThrow("status 416");
    expect(readdirSync(dir)).toEqual([]);
  });

  test.each([
    ["a missing page", (_, response) => response.writeHead(404).end(), "the server responded with status 404"],
    ["a login page", (_, response) => response.end("<p>"), "bytes, the server offers 3"],
    ["a closed connection", (_, response) => response.destroy(), "socket hang up"],
    [
      "more than there should be",
      (_, response) => response.write(Buffer.concat([archive, Buffer.alloc(1)])),
      "the file is longer than",
    ],
  ] satisfies [string, RequestListener, string][])(
    "the error after %s names the alternatives",
    async (_, listener, reason) => {
      await expect(downloadFrom(listener)).rejects.toMatchObject({
        code: "ERR_DOWNLOAD",
        message: expect.stringMatching(new RegExp(`${reason}.*--data-dir.*--dataset shapes`)),
      });
      expect(existsSync(join(dir, "cifar-10-batches-bin"))).toBe(false);
    },
  );

  test("a folder that cannot be made is reported as a disk error, not as a network error", async () => {
    writeFileSync(dir, "a file where the folder is to be");
    await expect(downloadFrom(complete)).rejects.toMatchObject({
      code: "ERR_NOT_WRITABLE",
      message: expect.stringMatching(/Could not store CIFAR-10 in .* \(EEXIST.*LOCKSTEP_DATA/),
    });
  });

  test("the error for a refused connection says so", async () => {
    const url = "http://127.0.0.1:1/cifar-10-binary.tar.gz";
    await expect(downloadCifar10({ dir, url })).rejects.toThrow(/Could not download .*ECONNREFUSED.*--dataset shapes/);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("a download fails if the server does not respond", async () => {
    server = createServer(() => {}).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await expect(downloadCifar10({ dir, url, stallMs: 50 })).rejects.toThrow("no data arrived for 0.05 s");
  });

  test("an archive with a wrong sha256 is deleted, and the error names both digests", async () => {
    await expect(downloadFrom(complete, archive, "0".repeat(64))).rejects.toMatchObject({
      code: "ERR_DATA_ARCHIVE",
      message: expect.stringContaining(
        `its sha256 is ${sha256Of(archive)} and should be ${"0".repeat(64)}. It was deleted`,
      ),
    });
    expect(readdirSync(dir)).toEqual([]);
  });

  test.each([
    ["a gzip cut short", () => archive.subarray(0, archive.length - 9), "unexpected end of file"],
    [
      "a tar cut short",
      () => gzipSync(gunzipSync(archive).subarray(0, 40_000_000), { level: 1 }),
      "Unexpected end of data",
    ],
    ["something else", () => Buffer.from("<p>not found</p>"), "the response is a web page instead of an archive"],
    ["an empty tar", () => gzipSync(Buffer.alloc(1024)), "it has no data_batch_1.bin"],
  ])("downloadCifar10 leaves nothing of %s", async (_, content, reason) => {
    const sent = content();
    await expect(downloadFrom((_, response) => response.end(sent), sent)).rejects.toThrow(reason);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("a good archive is kept after a disk error, and only unpacked the next time", async () => {
    mkdirSync(dir);
    writeFileSync(join(dir, "cifar-10-batches-bin"), "a file where the folder is to be");
    await expect(downloadFrom(complete)).rejects.toMatchObject({
      code: "ERR_NOT_WRITABLE",
      message: expect.stringMatching(/could not be unpacked .*ENOTDIR.*The archive is kept\. Free some space/),
    });
    expect(readFileSync(partial()).equals(archive)).toBe(true);
    rmSync(join(dir, "cifar-10-batches-bin"));
    await downloadFrom((_, response) => response.destroy());
    assertComplete();
  });

  test("downloadCifar10 leaves nothing of an archive that lacks one of the files", async () => {
    const sent = await archiveOf(CIFAR10_NAMES.slice(0, 4));
    await expect(downloadFrom((_, response) => response.end(sent), sent)).rejects.toThrow(
      /data_batch_5.bin: expected 30,730,000 bytes, got no such file/,
    );
    expect(readdirSync(dir)).toEqual([]);
  });
});
