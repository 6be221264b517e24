/** Downloads small archives from a real HTTP server that breaks off, ignores ranges or sends damaged bytes. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { createGzip, gunzipSync, gzipSync } from "node:zlib";
import { defined, test as withFolder } from "@lockstep/testing";
import { pack } from "tar-stream";
import { expect, vi } from "vitest";
import { CIFAR10_NAMES, cifar10File } from "../testing/cifar10-for-tests.ts";
import { cifar10Files } from "./cifar10.ts";
import { type DownloadCifar10Options, downloadCifar10 } from "./download-cifar10.ts";

// All of this runs as on a machine in FIPS mode, which computes no MD5.
vi.mock(import("node:crypto"), async (original) => {
  const crypto = await original();
  const createHash: typeof crypto.createHash = (algorithm, options) => {
    if (algorithm === "md5") throw new Error("error:0308010C:digital envelope routines::unsupported");
    return crypto.createHash(algorithm, options);
  };
  return { ...crypto, createHash };
});

/** The records in a file of most tests; those of the official archive are a thousand times as large. */
const RECORDS = 10;
const FILE_BYTES = RECORDS * 3073;
const sha256Of = (content: Buffer) => createHash("sha256").update(content).digest("hex");

async function archiveOf(names: readonly string[], { records = RECORDS, level = 0 } = {}): Promise<Buffer> {
  const tar = pack();
  const packed = buffer(tar.pipe(createGzip({ level })));
  tar.entry({ name: "cifar-10-batches-bin/", type: "directory" });
  tar.entry({ name: "cifar-10-batches-bin/readme.html" }, "<p>");
  for (const [index, name] of names.entries()) {
    tar.entry({ name: `cifar-10-batches-bin/${name}` }, cifar10File(index + 1, records));
  }
  tar.finalize();
  return packed;
}

const archive = await archiveOf(CIFAR10_NAMES);
/** An archive of 3.7 MB, of which several chunks arrive before its end is found to be missing. */
const larger = await archiveOf(CIFAR10_NAMES, { records: 200, level: 1 });

/** A server that sends an archive, and the folder that it is downloaded to. */
class ArchiveServer {
  readonly dir: string;
  readonly partial: string;
  /** Answers each request. */
  send: RequestListener = () => {};
  readonly #server = createServer((request, response) => this.send(request, response));
  #onBytes: (doneBytes: number) => void = () => {};

  constructor(folder: string) {
    this.dir = join(folder, "data");
    this.partial = join(this.dir, "cifar-10-binary.tar.gz.partial");
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error(`Expected a port, got ${address}.`);
    return `http://127.0.0.1:${address.port}/cifar-10-binary.tar.gz`;
  }

  async start(): Promise<void> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
  }

  end(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Creates the folder with a file in it. */
  put(path: string, content: string | Buffer): void {
    mkdirSync(this.dir);
    writeFileSync(path, content);
  }

  /** Downloads what `listener` sends, and returns the progress. The expected archive is `content`. */
  async download(
    listener: RequestListener,
    content = archive,
    { fileBytes = FILE_BYTES, ...options }: Partial<DownloadCifar10Options> = {},
  ): Promise<number[]> {
    this.send = listener;
    const progress: number[] = [];
    await downloadCifar10({
      dir: this.dir,
      url: this.url,
      bytes: content.length,
      sha256: sha256Of(content),
      fileBytes,
      stallMs: 5000,
      onProgress: (doneBytes, totalBytes) => {
        progress.push(doneBytes / totalBytes);
        this.#onBytes(doneBytes);
      },
      ...options,
    });
    return progress;
  }

  /** Sends the start of the archive, and closes the connection once it has arrived. */
  cutAfter(bytes: number): RequestListener {
    return (_, response) => {
      response.writeHead(200, { "content-length": archive.length });
      response.write(archive.subarray(0, bytes));
      this.#onBytes = (doneBytes) => doneBytes === bytes && response.destroy();
    };
  }

  assertComplete(records = RECORDS): void {
    expect(readdirSync(this.dir)).toEqual(["cifar-10-batches-bin"]);
    const { train, test } = defined(cifar10Files(this.dir, records * 3073));
    for (const [index, path] of [...train, ...test].entries()) {
      expect(readFileSync(path).equals(cifar10File(index + 1, records))).toBe(true);
    }
  }
}

const test = withFolder.extend("server", async ({ folder }, { onCleanup }) => {
  const server = new ArchiveServer(folder);
  await server.start();
  onCleanup(() => server.end());
  return server;
});

const complete: RequestListener = (_, response) => response.end(archive);
const closed: RequestListener = (_, response) => response.destroy();
const ranges: RequestListener = ({ headers }, response) => {
  const start = Number(defined(/^bytes=(\d+)-$/.exec(headers.range ?? ""))[1]);
  const range = `bytes ${start}-${archive.length - 1}/${archive.length}`;
  response.writeHead(206, { "content-range": range, "content-length": archive.length - start });
  response.end(archive.subarray(start));
};

test("downloadCifar10 leaves only the unpacked folder, and reports its progress up to the end", async ({ server }) => {
  const official = await archiveOf(CIFAR10_NAMES, { records: 10_000, level: 1 });
  const progress: number[] = [];
  const onProgress = (doneBytes: number, totalBytes: number) => progress.push(doneBytes / totalBytes);
  const { dir, url } = server;
  server.send = (_, response) => response.end(official);
  await downloadCifar10({ dir, url, bytes: official.length, sha256: sha256Of(official), onProgress });
  server.assertComplete(10_000);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  expect(progress.at(-1)).toBe(1);
});

test("only one of several simultaneous calls downloads", async ({ server }) => {
  const requests: unknown[] = [];
  const send: RequestListener = ({ url }, response) => {
    requests.push(url);
    response.end(archive);
  };
  const lines: string[] = [];
  const download = () => server.download(send, archive, { log: (line) => lines.push(line) });
  await Promise.all([download(), download()]);
  server.assertComplete();
  expect(requests).toEqual(["/cifar-10-binary.tar.gz"]);
  expect(lines).toEqual([
    `waiting for process ${process.pid} on ${hostname()}, which is downloading CIFAR-10 to ${server.dir}`,
  ]);
});

test("an interrupted download keeps what arrived, and its error says how to continue", async ({ server }) => {
  await expect(server.download(server.cutAfter(5000))).rejects.toMatchObject({
    code: "ERR_DOWNLOAD",
    message: expect.stringContaining(
      `after 5,000 of ${archive.length.toLocaleString("en")} bytes. Run the same command`,
    ),
  });
  expect(readdirSync(server.dir)).toEqual(["cifar-10-binary.tar.gz.partial"]);
  expect(readFileSync(server.partial).equals(archive.subarray(0, 5000))).toBe(true);
});

test("an interrupted download continues with a request for the rest", async ({ server }) => {
  await expect(server.download(server.cutAfter(5000))).rejects.toThrow("Could not download");
  const progress = await server.download(ranges);
  expect(progress[0]).toBeGreaterThan(5000 / archive.length);
  server.assertComplete();
});

test("a download starts again if the server ignores the range", async ({ server }) => {
  await expect(server.download(server.cutAfter(5000))).rejects.toThrow("Could not download");
  await server.download(complete);
  server.assertComplete();
});

test("a download starts again if the .partial file is longer than the archive", async ({ server }) => {
  server.put(server.partial, Buffer.alloc(archive.length + 1));
  await server.download(complete);
  server.assertComplete();
});

test("a complete .partial file is only unpacked", async ({ server }) => {
  server.put(server.partial, archive);
  expect(await server.download(closed)).toEqual([]);
  server.assertComplete();
});

test("a .partial file is deleted if the server refuses its range", async ({ server }) => {
  server.put(server.partial, "not of this archive");
  await expect(server.download((_, response) => response.writeHead(416).end())).rejects.toThrow("status 416");
  expect(readdirSync(server.dir)).toEqual([]);
});

test.for<[string, RequestListener, string]>([
  ["a missing page", (_, response) => response.writeHead(404).end(), "the server responded with status 404"],
  ["a login page", (_, response) => response.end("<p>"), "bytes, the server offers 3"],
  ["a closed connection", closed, "socket hang up"],
  [
    "more than there should be",
    (_, response) => response.write(Buffer.concat([archive, Buffer.alloc(1)])),
    "the file is longer than",
  ],
])("the error after %s names the alternatives", async ([, listener, reason], { server }) => {
  await expect(server.download(listener)).rejects.toMatchObject({
    code: "ERR_DOWNLOAD",
    message: expect.stringMatching(new RegExp(`${reason}.*--data-dir.*--dataset shapes`)),
  });
  expect(existsSync(join(server.dir, "cifar-10-batches-bin"))).toBe(false);
});

test("a folder that cannot be made is reported as a disk error, not as a network error", async ({ server }) => {
  writeFileSync(server.dir, "a file where the folder is to be");
  await expect(server.download(complete)).rejects.toMatchObject({
    code: "ERR_NOT_WRITABLE",
    message: expect.stringMatching(/Could not store CIFAR-10 in .* \(EEXIST.*LOCKSTEP_DATA/),
  });
});

test("the error for a refused connection says so", async ({ folder }) => {
  const url = "http://127.0.0.1:1/cifar-10-binary.tar.gz";
  await expect(downloadCifar10({ dir: folder, url })).rejects.toThrow(
    /Could not download .*ECONNREFUSED.*--dataset shapes/,
  );
  expect(readdirSync(folder)).toEqual([]);
});

test("a download fails if the server does not respond", async ({ server }) => {
  await expect(server.download(() => {}, archive, { stallMs: 50 })).rejects.toThrow("no data arrived for 0.05 s");
});

test("an archive with a wrong sha256 is deleted, and the error names both digests", async ({ server }) => {
  const sha256 = "0".repeat(64);
  await expect(server.download(complete, archive, { sha256 })).rejects.toMatchObject({
    code: "ERR_DATA_ARCHIVE",
    message: expect.stringContaining(`its sha256 is ${sha256Of(archive)} and should be ${sha256}. It was deleted`),
  });
  expect(readdirSync(server.dir)).toEqual([]);
});

test.for([
  ["a gzip cut short", larger.subarray(0, larger.length - 9), "unexpected end of file"],
  ["a tar cut short", gzipSync(gunzipSync(larger).subarray(0, 800_000)), "Unexpected end of data"],
  ["something else", Buffer.from("<p>not found</p>"), "the response is a web page instead of an archive"],
  ["an empty tar", gzipSync(Buffer.alloc(1024)), "it has no data_batch_1.bin"],
  [
    "an archive that lacks one of the files",
    await archiveOf(CIFAR10_NAMES.slice(0, 4)),
    /data_batch_5.bin: expected 30,730 bytes, got no such file/,
  ],
] as const)("downloadCifar10 leaves nothing of %s", async ([, sent, reason], { server }) => {
  await expect(server.download((_, response) => response.end(sent), sent)).rejects.toThrow(reason);
  expect(readdirSync(server.dir)).toEqual([]);
});

test("an archive that is cut short while a file is being unpacked is reported as cut short", async ({ server }) => {
  const tar = gunzipSync(await archiveOf(CIFAR10_NAMES, { records: 1 })); // it arrives in one chunk
  for (let bytes = 4000; bytes < tar.length - 2000; bytes += 1000) {
    const sent = gzipSync(tar.subarray(0, bytes));
    await expect(server.download((_, response) => response.end(sent), sent)).rejects.toThrow("Unexpected end of data");
  }
});

test("a good archive is kept after a disk error, and only unpacked the next time", async ({ server }) => {
  const inTheWay = join(server.dir, "cifar-10-batches-bin");
  server.put(inTheWay, "a file where the folder is to be");
  await expect(server.download(complete)).rejects.toMatchObject({
    code: "ERR_NOT_WRITABLE",
    message: expect.stringMatching(/could not be unpacked .*ENOTDIR.*The archive is kept\. Free some space/),
  });
  expect(readFileSync(server.partial).equals(archive)).toBe(true);
  rmSync(inTheWay);
  await server.download(closed);
  server.assertComplete();
});
