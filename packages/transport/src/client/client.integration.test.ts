/** Sockets of workers with TLS, and the frames that they send. */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { at } from "@lockstep/errors";
import { spawnForTest, temporaryFolder } from "@lockstep/testing";
import { expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { selfSigned } from "../credentials/certificate.ts";
import { eavesdropper, failure, greeting, listening, secureServer, TOKEN } from "../testing/client-peers.ts";
import { openSocket } from "./client.ts";

test("a self-signed certificate is accepted by its fingerprint, in any spelling, for any name", async () => {
  const tls = await selfSigned({ hosts: ["elsewhere.example"] });
  const port = await secureServer(tls);
  const plain = tls.fingerprint.replaceAll(":", "").toLowerCase();
  expect(await greeting(`wss://127.0.0.1:${port}`, tls.fingerprint)).toBe("welcome");
  expect(await greeting(`wss://localhost:${port}`, plain)).toBe("welcome");
  const refused = await failure(`wss://127.0.0.1:${port}`, { token: "wrong", tlsFingerprint: plain });
  expect(refused.code).toBe("ERR_TOKEN");
});

test("a server with another certificate gets not one byte of the request", async () => {
  const [ours, theirs] = [await selfSigned({ hosts: ["127.0.0.1"] }), await selfSigned({ hosts: ["127.0.0.1"] })];
  const { url, heard } = await eavesdropper(theirs);
  const pinned = await failure(url, { tlsFingerprint: ours.fingerprint });
  expect(pinned.code).toBe("ERR_CERTIFICATE");
  expect(pinned.message).toContain(ours.fingerprint);
  expect(pinned.message).toContain(theirs.fingerprint);
  expect(await heard()).toBe("");
  const unpinned = await failure(url);
  expect(unpinned.code).toBe("ERR_CERTIFICATE");
  expect(unpinned.message).toMatch(
    /self-signed certificate.*the complete command that it printed: .*--tls-fingerprint/,
  );
  expect(await heard()).toBe("");
  await failure(url, { tlsFingerprint: theirs.fingerprint });
  expect(await heard()).toContain(`Bearer ${TOKEN}`); // It would have heard the token.
});

test("without a fingerprint, the certificate must be valid for the name and from a known authority", async () => {
  const tls = await selfSigned({ hosts: ["127.0.0.1"] });
  const port = await secureServer(tls);
  const folder = temporaryFolder();
  await writeFile(join(folder, "ca.pem"), tls.cert);
  const program = `
    import { openSocket } from ${JSON.stringify(import.meta.resolve("./client.ts"))};
    for (const host of ["127.0.0.1", "localhost"]) {
      const socket = openSocket("wss://" + host + ":${port}", { token: "${TOKEN}", maxPayload: 1000 });
      socket.on("message", () => { console.log(host, "welcome"); socket.close(); });
      socket.on("error", ({ code, message }) => console.log(host, code, message));
      await new Promise((resolve) => socket.on("close", resolve));
    }
  `;
  const words = ["--import", "tsx", "--conditions=lockstep-source", "--input-type=module", "--eval", program];
  const child = spawnForTest([process.execPath, ...words], {
    cwd: fileURLToPath(new URL("../../../..", import.meta.url)),
    env: { NODE_EXTRA_CA_CERTS: join(folder, "ca.pem") },
  });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  await once(child, "close");
  expect(text).toMatch(/^127\.0\.0\.1 welcome\nlocalhost ERR_CERTIFICATE .*altnames.*\n$/);
});

test.each<[string, (socket: Socket) => unknown]>([
  ["nobody speaks", () => {}],
  ["somebody hangs up", (socket) => socket.end()],
  ["somebody speaks something else", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")],
])("where %s, a socket with TLS closes with an error of the network", async (_, onConnection) => {
  const port = await listening(createServer((socket) => onConnection(socket.on("error", () => {}))));
  expect(await failure(`wss://127.0.0.1:${port}`, { handshakeMs: 100 })).not.toMatchObject({ name: "LockstepError" });
});

test("a socket that is closed while it connects never opens", async () => {
  const tls = await selfSigned({ hosts: ["127.0.0.1"] });
  const { server, url, heard } = await eavesdropper(tls);
  const arrival = once(server, "connection");
  const socket = openSocket(url, { token: TOKEN, tlsFingerprint: tls.fingerprint, maxPayload: 1000 });
  socket.on("error", () => {});
  socket.terminate();
  await new Promise((resolve) => socket.once("close", resolve));
  await arrival;
  expect(await heard()).toBe("");
});

test("frames have the mask bit, as they must, and a key of zeros: their bytes are those of the message", async () => {
  const server = createHttpServer();
  const webSockets = new WebSocketServer({ server });
  const raw: Buffer[] = [];
  server.on("upgrade", (_, connection) => connection.on("data", (data) => raw.push(data)));
  const messages = [9, 300, 70_000].map((bytes) => Buffer.from(Array.from({ length: bytes }, (_, i) => 1 + (i % 251))));
  const heard: unknown[] = [];
  const all = new Promise<void>((resolve) => {
    webSockets.on("connection", (other) => {
      other.on("message", (data) => heard.push(data) === messages.length && resolve());
    });
  });
  const socket = openSocket(`ws://127.0.0.1:${await listening(server)}`, { maxPayload: 1000 });
  await once(socket, "open");
  for (const message of messages) socket.send(message);
  await all;
  expect(heard).toEqual(messages);
  // RFC 6455, section 5.2: the last frame and binary; mask bit and length, in two or eight more bytes; the key.
  const heads = ["8289", "82fe012c", "82ff0000000000011170"].map((hex) => Buffer.from(`${hex}00000000`, "hex"));
  const expected = Buffer.concat(messages.flatMap((message, i) => [at(heads, i), message]));
  expect(Buffer.concat(raw).equals(expected)).toBe(true);
});
