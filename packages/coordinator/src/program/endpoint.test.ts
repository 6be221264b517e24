/** Checks the endpoint that command-line words lead to, with the files of credentials on disk. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { listenCommand } from "@lockstep/config/programs";
import { test as base, temporaryFolder } from "@lockstep/testing";
import { expect, onTestFinished, vi } from "vitest";
import { prepareEndpoint } from "./endpoint.ts";

/** Vitest's `test` in an environment without a token, with the empty folder in which credentials are stored. */
const test = base.extend("config", { auto: true }, () => {
  const config = temporaryFolder();
  vi.stubEnv("XDG_CONFIG_HOME", config);
  vi.stubEnv("LOCKSTEP_TOKEN", undefined);
  onTestFinished(() => void vi.unstubAllEnvs());
  return config;
});

/** Returns the endpoint for these command-line words. */
async function endpoint(words: string, { workers = 2, isTerminal = true } = {}) {
  const program = listenCommand("coordinator").parse(words === "" ? [] : words.split(" "), { from: "user" });
  return prepareEndpoint(program.opts(), workers, isTerminal);
}
const storedFiles = (config: string) => readdir(config, { recursive: true });

test.for(["", "--host localhost", "--host ::1", "--host 127.1"])(
  "on loopback nothing is required or stored: %j",
  async (words, { config }) => {
    const { listen, loopback, fingerprint } = await endpoint(words, { isTerminal: false });
    expect([loopback, listen.token, listen.tls, fingerprint]).toEqual([true, undefined, undefined, undefined]);
    expect(await storedFiles(config)).toEqual([]);
  },
);

test("a given token is required on loopback too, and TLS is used on request", async () => {
  vi.stubEnv("LOCKSTEP_TOKEN", "from-environment");
  expect((await endpoint("")).listen.token).toBe("from-environment");
  expect((await endpoint("--token other")).listen.token).toBe("other");
  expect((await endpoint("--tls self-signed")).fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
});

/** Hosts that other machines can reach. */
const HOSTS = ["--host 0.0.0.0", "--host ::", "--host 0", "--host 192.0.2.7", "--host box.lan"];

test.for(HOSTS)(
  "the first start with %s makes a token and a certificate, and later ones reuse them",
  async (host, { config }) => {
    const first = await endpoint(host);
    expect(first.listen.token).toMatch(/^[0-9a-f]{32}$/);
    expect(first.listen.tls).toBeDefined();
    expect([first.loopback, first.tokenPath]).toEqual([false, join(config, "lockstep", "token")]);
    const { listen, fingerprint } = await endpoint(host);
    expect([listen.token, fingerprint]).toEqual([first.listen.token, first.fingerprint]);
  },
);

test.for(HOSTS)(
  "a start with %s is refused if it needs a new token and has no terminal to print it",
  async (host, { config }) => {
    await expect(endpoint(host, { isTerminal: false })).rejects.toMatchObject({
      code: "ERR_TOKEN",
      message: expect.stringMatching(/got none, and a new one is printed only on a terminal.*set LOCKSTEP_TOKEN/),
    });
    expect(await storedFiles(config)).toEqual([]);
    vi.stubEnv("LOCKSTEP_TOKEN", "given");
    expect(await endpoint(host, { isTerminal: false })).toMatchObject({
      listen: { token: "given" },
      tokenPath: undefined,
    });
  },
);

test.for(HOSTS)("a start with %s and without a terminal uses the token of an earlier start", async (host) => {
  const { listen, tokenPath } = await endpoint(host);
  expect(await endpoint(host, { isTerminal: false })).toMatchObject({ listen: { token: listen.token }, tokenPath });
});

test("TLS can be turned off, and a token is required all the same", async () => {
  const { listen, fingerprint } = await endpoint("--host 0.0.0.0 --tls none");
  expect([listen.tls, fingerprint]).toEqual([undefined, undefined]);
  expect(listen.token).toBeDefined();
});

test("a certificate of the user is used, and needs its key", async ({ config }) => {
  await endpoint("--host 0.0.0.0");
  const pem = join(config, "lockstep", "certificate.pem");
  const { fingerprint } = await endpoint("--host 0.0.0.0");
  expect((await endpoint(`--tls-cert ${pem} --tls-key ${pem}`)).fingerprint).toBe(fingerprint);
  await expect(endpoint(`--tls-cert ${pem}`)).rejects.toThrow(/got only --tls-cert; add --tls-key/);
  await expect(endpoint(`--tls-key ${pem}`)).rejects.toThrow(/got only --tls-key; add --tls-cert/);
});

test("limits have defaults, and there is room for every worker that the run waits for", async () => {
  const limits = { maxWorkers: 256, refusedJoinsPerMinute: 10, handshakeMs: 10_000 };
  expect((await endpoint("")).listen).toMatchObject({ ...limits, port: 7077, anyPort: true, allowHosts: [] });
  const words =
    "--max-workers 2 --refused-joins-per-minute 3 --handshake-ms 4 --port 5 --allow-host a --allow-host b:6";
  const options = { maxWorkers: 2, refusedJoinsPerMinute: 3, handshakeMs: 4, port: 5, anyPort: false };
  expect((await endpoint(words)).listen).toMatchObject({ ...options, allowHosts: ["a", "b:6"] });
  expect((await endpoint("", { workers: 300 })).listen.maxWorkers).toBe(300);
  await expect(endpoint("--max-workers 2", { workers: 3 })).rejects.toThrow(
    /at least --workers \(3\), got 2\. Raise it/,
  );
});

test("a token with characters that no header can contain, and an invalid host, are refused", async () => {
  await expect(endpoint("--token ü")).rejects.toMatchObject({ code: "ERR_TOKEN" });
  await expect(endpoint("--host 0.0.0.0:7077")).rejects.toMatchObject({ code: "ERR_OPTION" });
});
