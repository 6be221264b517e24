/** Checks which coordinators get a token, with real ports of this machine and invented announcements. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { findCoordinator } from "./find-coordinator.ts";

/** Listens on a port of this machine until the end of the test. */
async function listen(): Promise<number> {
  const server = createServer((socket) => socket.on("error", () => {}).resume());
  onTestFinished(() => void server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

test("a coordinator on this machine is used by a worker without a token", async () => {
  const port = await listen();
  expect(await findCoordinator({}, () => {}, port)).toBe(`ws://127.0.0.1:${port}`);
});

test("a coordinator on this machine must prove its identity to a worker with a fingerprint", async () => {
  const port = await listen();
  const join = { token: "secret", tlsFingerprint: "AB".repeat(32) };
  expect(await findCoordinator(join, () => {}, port)).toBe(`wss://127.0.0.1:${port}`);
});

test("a coordinator on this machine gets no token without proof: another user may use the port", async () => {
  const port = await listen();
  const found = findCoordinator({ token: "secret" }, () => {}, port);
  await expect(found).rejects.toMatchObject({
    code: "ERR_UNPROVED",
    message: expect.stringContaining(`add --coordinator ws://127.0.0.1:${port}; if it needs no token`),
  });
  await expect(found).rejects.toMatchObject({ message: expect.not.stringContaining("secret") });
});

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

test.runIf(hasIpv6)("a coordinator that listens on IPv6 only is found", async () => {
  const server = createServer((socket) => socket.on("error", () => {}).resume());
  onTestFinished(() => void server.close());
  await once(server.listen(0, "::1"), "listening");
  const { port } = server.address() as AddressInfo;
  expect(await findCoordinator({}, () => {}, port)).toBe(`ws://[::1]:${port}`);
});

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

test("the only announced coordinator is used by a worker without a token", async () => {
  expect(await findAnnounced({}, "ws://192.0.2.1:7077")).toBe("ws://192.0.2.1:7077");
  await expect(findAnnounced({}, "ws://192.0.2.1:7077", "ws://192.0.2.2:7077")).rejects.toMatchObject({
    code: "ERR_NO_COORDINATOR",
  });
});

test.each(["ws://127.0.0.1:9999", "ws://192.0.2.1:7077", "wss://192.0.2.1:7077"])(
  "the announced coordinator %s gets no token without the proof of a fingerprint",
  async (url) => {
    await expect(findAnnounced({ token: "secret", insecure: true }, url)).rejects.toMatchObject({
      code: "ERR_UNPROVED",
    });
    const join = { token: "secret", tlsFingerprint: "AB".repeat(32) };
    expect(await findAnnounced(join, url)).toBe(url); // `connect` then requires the proof
  },
);
