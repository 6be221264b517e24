/** Tests downloads over https, with a self-signed certificate. */

import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { download } from "@lockstep/outbound";
import { startRecordingProxy } from "@lockstep/outbound/testing";
import { test as base, defined } from "@lockstep/testing";
import { type Certificate, selfSigned } from "@lockstep/transport";
import { expect, onTestFinished, vi } from "vitest";

const ARCHIVE = gzipSync("words");

/** Downloads go through a proxy, and the server's certificate is trusted. */
const test = base
  .extend("certificate", { scope: "file" }, () =>
    selfSigned({ hosts: ["archive.example", "mirror.example", "192.0.2.7"] }),
  )
  .extend("proxy", async ({ folder: _ }, { onCleanup }) => {
    const proxy = await startRecordingProxy();
    vi.stubEnv("HTTPS_PROXY", `http://me:secret@${proxy.address}`);
    onCleanup(() => {
      vi.unstubAllEnvs();
      return proxy.close();
    });
    return proxy;
  })
  .extend("downloaded", ({ folder, certificate }) => async (url: string, ca: string = certificate.cert) => {
    const path = join(folder, "archive");
    rmSync(path, { force: true });
    await download({ url, path, stallMs: 5000, ca });
    return readFileSync(path);
  })
  .extend("port", ({ certificate }) => secureServer(certificate));

async function listening(server: Server): Promise<number> {
  onTestFinished(() => void server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

/** Starts an https server that serves the archive, or redirects to the URL in the query. */
function secureServer(certificate: Certificate): Promise<number> {
  return listening(
    createSecureServer({ key: certificate.key, cert: certificate.cert }, ({ url }, response) => {
      const to = new URL(defined(url), "https://a").searchParams.get("to");
      if (to === null) response.end(ARCHIVE);
      else response.writeHead(307, { location: to }).end();
    }),
  );
}

test("downloads go through HTTPS_PROXY, and the server behind it must have a valid certificate", async ({
  proxy,
  port,
  downloaded,
}) => {
  expect((await downloaded(`https://archive.example:${port}/a.gz`)).equals(ARCHIVE)).toBe(true);
  expect((await downloaded(`https://192.0.2.7:${port}/a.gz`)).equals(ARCHIVE)).toBe(true);
  expect(proxy.requests).toEqual([
    { line: `CONNECT archive.example:${port}`, user: "me:secret" },
    { line: `CONNECT 192.0.2.7:${port}`, user: "me:secret" },
  ]);
  await expect(downloaded(`https://evil.example:${port}/a.gz`)).rejects.toThrow(/evil\.example.*altnames/);
  const untrusted = await selfSigned({ hosts: ["archive.example"] });
  await expect(downloaded(`https://archive.example:${port}/a.gz`, untrusted.cert)).rejects.toThrow(/self-signed/);
});

test("redirects from https are followed to https, never to http", async ({ proxy, port, downloaded }) => {
  const plainPort = await listening(createServer((_, response) => response.end(ARCHIVE)));
  const to = (target: string) => `https://archive.example:${port}/?to=${encodeURIComponent(target)}`;
  expect((await downloaded(to(`https://mirror.example:${port}/a.gz`))).equals(ARCHIVE)).toBe(true);
  expect(proxy.requests.map(({ line }) => line)).toEqual([
    `CONNECT archive.example:${port}`,
    `CONNECT mirror.example:${port}`,
  ]);
  await expect(downloaded(to(`http://127.0.0.1:${plainPort}/a.gz?signature=secret`))).rejects.toThrow(
    `the server redirects to http://127.0.0.1:${plainPort}/a.gz, which is not https`,
  );
});
