import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
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
      message: expect.stringContaining(`add --coordinator ws://127.0.0.1:${port}; if it needs no token`),
    });
    await expect(found).rejects.toMatchObject({ message: expect.not.stringContaining("secret") });
  });
});

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

test.runIf(hasIpv6)("a coordinator on IPv6 only is found as well as one on IPv4", async () => {
  const server = createServer((socket) => socket.on("error", () => {}).resume());
  onTestFinished(() => void server.close());
  await once(server.listen(0, "::1"), "listening");
  const { port } = server.address() as AddressInfo;
  expect(await findCoordinator({}, () => {}, port)).toBe(`ws://[::1]:${port}`);
});

describe("where one announces itself on the network", () => {
  const findAnnounced = async (join: Parameters<typeof findCoordinator>[0], ...urls: string[]) => {
    const free = createServer();
    await once(free.listen(0, "127.0.0.1"), "listening");
    const { port } = free.address() as AddressInfo;
    await once(free.close(), "close");
    return findCoordinator(
      join,
      () => {},
      port,
      async () => urls,
    );
  };

  test("it is taken if it is the only one, and there is no token to lose", async () => {
    expect(await findAnnounced({}, "ws://192.0.2.1:7077")).toBe("ws://192.0.2.1:7077");
    await expect(findAnnounced({}, "ws://192.0.2.1:7077", "ws://192.0.2.2:7077")).rejects.toMatchObject({
      code: "ERR_NO_COORDINATOR",
    });
  });

  test.each(["ws://127.0.0.1:9999", "ws://192.0.2.1:7077", "wss://192.0.2.1:7077"])(
    "%s gets no token without a fingerprint's proof",
    async (url) => {
      await expect(findAnnounced({ token: "secret", insecure: true }, url)).rejects.toMatchObject({
        code: "ERR_UNPROVED",
      });
      const join = { token: "secret", tlsFingerprint: "AB".repeat(32) };
      expect(await findAnnounced(join, url)).toBe(url); // which `connect` then demands of it
    },
  );
});
