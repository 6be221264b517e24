import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findCoordinator } from "./find-coordinator.ts";

describe("where something listens on this machine", () => {
  let server: Server;
  let port: number;
  beforeAll(async () => {
    server = createServer((socket) => socket.on("error", () => {}).resume());
    await once(server.listen(0, "127.0.0.1"), "listening");
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => server.close());

  test("it is taken for the coordinator by a worker that has nothing to lose", async () => {
    expect(await findCoordinator({}, () => {}, port)).toBe(`ws://127.0.0.1:${port}`);
  });

  test("it must prove who it is to one with a fingerprint", async () => {
    const join = { token: "secret", tlsFingerprint: "AB".repeat(32) };
    expect(await findCoordinator(join, () => {}, port)).toBe(`wss://127.0.0.1:${port}`);
  });

  test("it gets no token unasked: another user may have taken the port", async () => {
    const found = findCoordinator({ token: "secret" }, () => {}, port);
    await expect(found).rejects.toMatchObject({
      code: "ERR_UNPROVED",
      message: expect.stringContaining(`add --coordinator ws://127.0.0.1:${port}; if it has no token`),
    });
    await expect(found).rejects.toMatchObject({ message: expect.not.stringContaining("secret") });
  });
});
