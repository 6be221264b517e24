import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { spawnForTest } from "@lockstep/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { announce, discover } from "./discovery.ts";

const PORT = 40_000 + (process.pid % 20_000);
const TIMEOUT_MS = 1000;
const NAMESPACE = `lockstep-${process.pid}`;
const CAN_SPLIT =
  spawnSync("ip", ["netns", "add", NAMESPACE]).status === 0 &&
  spawnSync("ip", ["netns", "delete", NAMESPACE]).status === 0;

function endsWith(urls: string[], port: number): string[] {
  return urls.filter((url) => url.endsWith(`:${port}`));
}

/** Runs a script beside discovery.ts in a process of its own, in a network namespace if one is named. */
function runProgram(script: string, namespace?: string) {
  const program = `import { announce, discover } from ${JSON.stringify(import.meta.resolve("./index.ts"))};\n${script}`;
  const node = [process.execPath, "--import", "tsx", "--conditions=lockstep-source", "--input-type=module", "--eval"];
  const words = [...(namespace === undefined ? [] : ["ip", "netns", "exec", namespace]), ...node, program];
  const cwd = fileURLToPath(new URL("../../..", import.meta.url));
  const child = spawnForTest(words, { cwd });
  child.stdout.setEncoding("utf8");
  return child;
}

/** @returns what it prints, as JSON, when it exits by itself */
async function outcomeOf(script: string, namespace?: string): Promise<unknown> {
  const child = runProgram(script, namespace);
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const [exitCode] = await once(child, "close");
  expect(exitCode).toBe(0);
  return JSON.parse(text);
}

const DISCOVER = `console.log(JSON.stringify(await discover({ timeoutMs: ${TIMEOUT_MS} })));`;
const ANNOUNCE_UNTIL_STDIN_ENDS = `
  const announcement = announce({ port: ${PORT}, name: "ours", secure: true, onProblem: (reason) => console.log(reason) });
  console.log("announced");
  process.stdin.on("end", () => announcement.close()).resume();
`;

async function announceIn(namespace?: string) {
  const child = runProgram(ANNOUNCE_UNTIL_STDIN_ENDS, namespace);
  const [line] = await once(child.stdout, "data");
  expect(line).toBe("announced\n");
  return {
    /** Withdraws it; waits until the process has ended by itself. */
    close: async () => {
      child.stdin.end();
      const [exitCode] = await once(child, "close");
      expect(exitCode).toBe(0);
    },
  };
}

describe("in one process", () => {
  test("finds each coordinator once, also two of one name, and none that has closed", async () => {
    const plain = announce({ port: PORT, name: "alexnet on a.b", secure: false });
    const secure = announce({ port: PORT + 1, name: "alexnet on a.b", secure: true });
    const found = await discover({ timeoutMs: TIMEOUT_MS });
    expect(endsWith(found, PORT)).toEqual([expect.stringMatching(/^ws:\/\/\d+\.\d+\.\d+\.\d+:\d+$/)]);
    expect(endsWith(found, PORT + 1)).toEqual([expect.stringMatching(/^wss:\/\/\d+\.\d+\.\d+\.\d+:\d+$/)]);
    await plain.close();
    const left = await discover({ timeoutMs: TIMEOUT_MS });
    expect([endsWith(left, PORT).length, endsWith(left, PORT + 1).length]).toEqual([0, 1]);
    await secure.close();
    await secure.close();
  });

  test("a name of any length and letters is announced", async () => {
    const announcement = announce({ port: PORT + 2, name: "ü.\n".repeat(100), secure: false });
    expect(endsWith(await discover({ timeoutMs: TIMEOUT_MS }), PORT + 2)).toHaveLength(1);
    await announcement.close();
  });

  test("an announcement that closes at once leaves nothing behind", async () => {
    await announce({ port: PORT + 3, name: "brief", secure: false }).close();
    expect(endsWith(await discover({ timeoutMs: TIMEOUT_MS }), PORT + 3)).toEqual([]);
  });
});

test("finds a coordinator in another process until that withdraws", async () => {
  const announcement = await announceIn();
  expect(endsWith(await discover({ timeoutMs: TIMEOUT_MS }), PORT)).toHaveLength(1);
  const listening = discover({ timeoutMs: 2 * TIMEOUT_MS });
  await announcement.close();
  expect(endsWith(await listening, PORT)).toEqual([]);
});

describe.runIf(CAN_SPLIT)("between machines, as network namespaces", () => {
  const one = `${NAMESPACE}-one`;
  const two = `${NAMESPACE}-two`;
  const alone = `${NAMESPACE}-alone`;

  function ip(words: string): string {
    const { status, stdout, stderr } = spawnSync("ip", words.split(" "), { encoding: "utf8" });
    if (status !== 0) throw new Error(`ip ${words}: ${stderr}`);
    return stdout;
  }

  beforeAll(() => {
    for (const name of [one, two, alone]) ip(`netns add ${name}`);
    ip(`link add name veth0 netns ${one} type veth peer name veth0 netns ${two}`);
    ip(`-n ${one} addr add 10.99.0.1/24 dev veth0`);
    ip(`-n ${two} addr add 10.99.0.2/24 dev veth0`);
    for (const name of [one, two]) ip(`-n ${name} link set veth0 up`);
    // The kernel takes up to a second to call a new link running; Node lists no other.
    for (const name of [one, two]) while (!ip(`-n ${name} link show veth0`).includes("state UP"));
  });

  afterAll(() => {
    for (const name of [one, two, alone]) spawnSync("ip", ["netns", "delete", name]);
  });

  test("the address found is the one on the network in between, with no default route", async () => {
    const announcement = await announceIn(one);
    expect(await outcomeOf(DISCOVER, two)).toEqual([`wss://10.99.0.1:${PORT}`]);
    await announcement.close();
    expect(await outcomeOf(DISCOVER, two)).toEqual([]);
  });

  test("without a network nothing is found, the reason is told once, and the program ends by itself", async () => {
    expect(await outcomeOf(DISCOVER, alone)).toEqual([]);
    const script = `
      const reasons = [];
      const announcement = announce({ port: 1, name: "x", secure: false, onProblem: (reason) => reasons.push(reason) });
      await discover({ timeoutMs: 100 });
      await announcement.close();
      console.log(JSON.stringify(reasons));
    `;
    expect(await outcomeOf(script, alone)).toEqual(["no network interface has an IPv4 address"]);
  });

  test("with only loopback, which is no multicast network, coordinators of this machine are found", async () => {
    ip(`-n ${alone} link set lo up`);
    const script = `
      const announcement = announce({ port: 9, name: "x", secure: false });
      console.log(JSON.stringify(await discover({ timeoutMs: ${TIMEOUT_MS} })));
      await announcement.close();
    `;
    expect(await outcomeOf(script, alone)).toEqual(["ws://127.0.0.1:9"]);
  });

  test("where multicast is blocked, the reason is told", async () => {
    const script = `
      const { createSocket } = await import("node:dgram");
      const { once } = await import("node:events");
      const rival = createSocket("udp4").bind(5353); // Shares the port with nobody.
      await once(rival, "listening");
      const reason = await new Promise((onProblem) => announce({ port: 9, name: "x", secure: false, onProblem }));
      console.log(JSON.stringify([reason, await discover({ timeoutMs: 100 })]));
      process.exit();
    `;
    const [reason, found] = (await outcomeOf(script, two)) as [string, string[]];
    expect(reason).toMatch(/^no multicast on 10\.99\.0\.2 \(.*EADDRINUSE/);
    expect(found).toEqual([]);
  });
});
