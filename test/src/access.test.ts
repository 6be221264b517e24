/** Checks which workers may join a coordinator, with real processes on two machines and on loopback. */

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { defined, temporaryFolder } from "@lockstep/testing";
import { afterAll, test as base, expect, test } from "vitest";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { canCreateNetworkPair, createNetworkPair, type NetworkPair } from "./testing/network/network-pair.ts";
import { hasTerminals, launch, type Running, run, start, terminalPrefix, tinyModel } from "./testing/program.ts";

const patient = ["--heartbeat-ms", "10000"]; // an engine starts slowly on a busy machine
const training = ["--model", tinyModel, "--dataset", "shapes", "--no-test", ...patient];
const folder = temporaryFolder();
const configFolder = join(folder, "config");
const path = `${folderWithPnpm()}:${process.env["PATH"]}`;
const env = { XDG_CONFIG_HOME: configFolder, LOCKSTEP_TOKEN: undefined, PATH: path };

/** Creates a folder with a `pnpm` that starts the programs of this repository, so that printed lines can be pasted. */
function folderWithPnpm(): string {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const program = `"${process.execPath}" apps/$command/dist/main.js`;
  writeFileSync(join(bin, "pnpm"), `#!/bin/sh\ncommand=$1\nshift\nexec ${program} "$@"\n`);
  chmodSync(join(bin, "pnpm"), 0o755);
  return bin;
}

/** Returns the contents of all files below a folder. */
function contents(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), "latin1")).join("\n");
}

/** Returns the command lines and titles of all processes that contain a text. */
function processesWith(text: string): string[] {
  const read = (path: string) => {
    try {
      return readFileSync(path, "latin1");
    } catch {
      return ""; // The process has ended.
    }
  };
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const processes = ids.map((id) => `${read(`/proc/${id}/cmdline`)} ${read(`/proc/${id}/comm`)}`);
  return processes.filter((process) => process.includes(text));
}

const machines = canCreateNetworkPair() ? createNetworkPair() : undefined;
afterAll(() => machines?.remove());

/** Tests with two machines. */
const networkTest = base.extend("network", { scope: "file" }, () => defined(machines, "two machines"));

const fingerprintIn = (stdout: string) => /--tls-fingerprint ([0-9A-F:]{95})/.exec(stdout)?.[1];

/** Starts a worker on the second machine. */
const worker = ({ two }: NetworkPair, words: string, more: NodeJS.ProcessEnv = {}) =>
  start(["worker", "--threads", "1", ...words.split(" ")], { ...env, ...more }, two).finished;

/** Reads the line that a coordinator prints for its workers. */
function workerLine(coordinator: Running) {
  const line = defined(/LOCKSTEP_TOKEN=.*/.exec(coordinator.stdout()))[0].trim();
  const token = defined(defined(/=([0-9a-f]{32}) /.exec(line))[1]);
  return { line, token, fingerprint: defined(fingerprintIn(line)) };
}

/** Asserts that workers which lack a part of the line are refused, and that none prints the token. */
async function assertRefusals(network: NetworkPair, { token, fingerprint }: ReturnType<typeof workerLine>) {
  const pinned = `--coordinator wss://${network.address}:7077 --tls-fingerprint ${fingerprint}`;
  const right = { LOCKSTEP_TOKEN: token };
  const refusals: [string, NodeJS.ProcessEnv, RegExp][] = [
    [pinned, {}, /^ERR_TOKEN: .*got none\. Set LOCKSTEP_TOKEN/],
    [pinned, { LOCKSTEP_TOKEN: "wrong" }, /^ERR_TOKEN: .*got another one\./],
    [pinned.replace(/..$/, fingerprint.endsWith("00") ? "11" : "00"), right, /^ERR_CERTIFICATE: .*nothing was sent/],
    [`--coordinator ws://${network.address}:7077`, right, /^ERR_INSECURE: Expected a wss:/],
  ];
  const refuse = async ([words, secrets, expected]: (typeof refusals)[number]) => {
    const { status, stdout, stderr } = await worker(network, words, secrets);
    expect(stderr).toMatch(expected);
    expect(status).toBe(1);
    expect(stdout + stderr).not.toContain(token);
  };
  await Promise.all(refusals.map(refuse));
}

networkTest.runIf(machines !== undefined && hasTerminals)(
  "only the line on the terminal admits workers from another machine",
  async ({ network }) => {
    const out = join(folder, "terminal");
    const words = [...training, "--max-steps", "2", "--workers", "2", "--host", "0.0.0.0", "--out", out];
    const coordinator = start(["coordinator", ...words], env, [...network.one, ...terminalPrefix]);
    await coordinator.prints("later starts reuse this token");
    const printed = workerLine(coordinator);
    const { line, token, fingerprint } = printed;
    const url = `wss://${network.address}:7077`;
    expect(line).toBe(`LOCKSTEP_TOKEN=${token} pnpm worker --coordinator ${url} --tls-fingerprint ${fingerprint}`);
    await assertRefusals(network, printed);
    expect(coordinator.stdout()).toMatch(/refused 10\.98\.0\.2: Expected the token of this coordinator, got /);

    const paste = () => {
      const shell = launch([...network.two, "sh"], env);
      defined(shell.child.stdin).end(`${line}\n`);
      return shell.finished;
    };
    const first = paste();
    await coordinator.prints("(1 of 2)");
    expect(processesWith(`apps/worker/dist/main.js\0--coordinator\0${url}`)).not.toEqual([]);
    expect(processesWith(token)).toEqual([]);
    for (const finished of await Promise.all([first, paste()])) assertSucceeded(finished);
    expect((await coordinator.finished).status).toBe(0);
    expect(contents(out)).not.toContain(token);
    expect(contents(out)).not.toContain("PRIVATE KEY");
    expect(contents(configFolder)).toContain(token);
  },
);

networkTest.runIf(machines !== undefined)(
  "without a terminal the line omits the token; the coordinator is discovered, and restarts with the same certificate",
  async ({ network }) => {
    const [out, right] = [join(folder, "found"), { LOCKSTEP_TOKEN: "given-to-both" }];
    const words = [...training, "--max-steps", "2", "--workers", "1", "--host", "0.0.0.0", "--out", out];
    const coordinator = start(["coordinator", ...words], { ...env, ...right }, network.one);
    await coordinator.prints("only on a terminal");
    const fingerprint = defined(fingerprintIn(coordinator.stdout()));
    const url = `wss://${network.address}:7077`;
    expect(coordinator.stdout()).toContain(`  LOCKSTEP_TOKEN=… pnpm worker --coordinator ${url} --tls-fingerprint`);

    const bare = await worker(network, "--name bare");
    expect(bare.stdout).toContain(`found ${url}`);
    expect(bare.stderr).toMatch(/^ERR_UNPROVED: .*fingerprint \(--tls-fingerprint\) and its token \(LOCKSTEP_TOKEN\)/);
    assertSucceeded(await worker(network, `--tls-fingerprint ${fingerprint}`, right));
    const finished = await coordinator.finished;
    assertSucceeded(finished);
    expect(finished.stdout + contents(out)).not.toContain("given-to-both");

    const again = start(
      ["coordinator", "--resume", out, "--max-steps", "4", "--workers", "1", "--host", "0.0.0.0"],
      { ...env, ...right },
      network.one,
    );
    await again.prints("only on a terminal");
    expect(fingerprintIn(again.stdout())).toBe(fingerprint);
    again.child.kill("SIGINT");
    await again.finished;
  },
);

test("a coordinator on the network without a terminal and a token does not start", async () => {
  const out = join(folder, "unknown-token");
  const first = { ...env, XDG_CONFIG_HOME: join(folder, "first-start") }; // no token is stored from an earlier start
  const { status, stdout, stderr } = await run(["coordinator", ...training, "--host", "0.0.0.0", "--out", out], first);
  expect(stderr).toMatch(/^ERR_TOKEN: Expected a token .*set LOCKSTEP_TOKEN/);
  expect([status, stdout, existsSync(out)]).toEqual([1, "", false]);
});

const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** Returns the status of the response: 101 for a WebSocket. */
function ask(port: number, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const onResponse = (response: IncomingMessage) => {
      response.socket.destroy();
      resolve(response.statusCode);
    };
    const asking = request({ host: "127.0.0.1", port, headers });
    asking.on("response", onResponse).on("upgrade", onResponse).on("error", reject).end();
  });
}

test("a coordinator on loopback refuses requests of foreign web pages", async () => {
  const coordinator = start(
    ["coordinator", ...training, "--port", "0", "--allow-host", "train.example.org", "--out", join(folder, "local")],
    env,
  );
  await coordinator.prints("--host 0.0.0.0");
  const port = Number(defined(/pnpm worker --coordinator ws:\/\/127\.0\.0\.1:(\d+)/.exec(coordinator.stdout()))[1]);
  const [own, foreign] = [`127.0.0.1:${port}`, `evil.example:${port}`];
  expect(await ask(port, { ...upgrade, host: own })).toBe(101);
  expect(await ask(port, { ...upgrade, host: own, origin: `http://${own}` })).toBe(101);
  expect(await ask(port, { ...upgrade, host: own, origin: "https://evil.example" })).toBe(403);
  expect(await ask(port, { ...upgrade, host: foreign, origin: `http://${foreign}` })).toBe(403);
  expect(await ask(port, { host: foreign })).toBe(403);
  expect(await ask(port, { host: "train.example.org" })).toBe(200); // the dashboard
  coordinator.child.kill("SIGINT");
  await coordinator.finished;
  expect(coordinator.stdout()).toContain('refused 127.0.0.1: Pages of "https://evil.example" may not connect');
});
