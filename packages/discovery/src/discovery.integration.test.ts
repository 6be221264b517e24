/** Discovery by multicast DNS: in one process, between processes, and between machines. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { spawnForTest } from "@lockstep/testing";
import { expect, onTestFinished, test, vi } from "vitest";
import { announce, discover } from "./discovery.ts";

const PORT = 40_000 + (process.pid % 20_000);
const NAMESPACE = `lockstep-${process.pid}`;
const CAN_SPLIT =
  spawnSync("ip", ["netns", "add", NAMESPACE]).status === 0 &&
  spawnSync("ip", ["netns", "delete", NAMESPACE]).status === 0;

const endsWith = (urls: string[], port: number) => urls.filter((url) => url.endsWith(`:${port}`));

/** Discovers until what is found is as it should be, or for 10 s. */
const eventually = (assert: (urls: string[]) => void) =>
  vi.waitFor(async () => assert(await discover({ timeoutMs: 250 })), { timeout: 10_000, interval: 0 });

/** Runs a script beside the built discovery.js in a process of its own, in a network namespace if one is named. */
function runProgram(script: string, namespace?: string) {
  const program = `import { announce, discover } from ${JSON.stringify(import.meta.resolve("../dist/index.js"))};\n${script}`;
  const node = [process.execPath, "--input-type=module", "--eval", program];
  const child = spawnForTest(namespace === undefined ? node : ["ip", "netns", "exec", namespace, ...node]);
  child.stdout.setEncoding("utf8");
  return child;
}

/** Returns what a script prints, as JSON, when it exits by itself. */
async function outcomeOf(script: string, namespace: string): Promise<unknown> {
  const child = runProgram(script, namespace);
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const [exitCode] = await once(child, "close");
  expect(exitCode).toBe(0);
  return JSON.parse(text);
}

const DISCOVER = `
  let found = [];
  for (let tries = 0; tries < 40 && found.length === 0; tries++) found = await discover({ timeoutMs: 250 });
  console.log(JSON.stringify(found));
`;
const DISCOVER_ONCE = "console.log(JSON.stringify(await discover({ timeoutMs: 1000 })));";
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

test("each coordinator is found once, also two of one name, and none that has closed", async () => {
  const plain = announce({ port: PORT, name: "alexnet on a.b", secure: false });
  const secure = announce({ port: PORT + 1, name: "alexnet on a.b", secure: true });
  await eventually((urls) => {
    expect(endsWith(urls, PORT)).toEqual([expect.stringMatching(/^ws:\/\/\d+\.\d+\.\d+\.\d+:\d+$/)]);
    expect(endsWith(urls, PORT + 1)).toEqual([expect.stringMatching(/^wss:\/\/\d+\.\d+\.\d+\.\d+:\d+$/)]);
  });
  await plain.close();
  await eventually((urls) => expect([endsWith(urls, PORT).length, endsWith(urls, PORT + 1).length]).toEqual([0, 1]));
  await secure.close();
  await secure.close();
});

test("a coordinator is announced whatever the length and the letters of its name", async () => {
  const announcement = announce({ port: PORT + 2, name: "ü.\n".repeat(100), secure: false });
  await eventually((urls) => expect(endsWith(urls, PORT + 2)).toHaveLength(1));
  await announcement.close();
});

test("an announcement that closes at once leaves nothing behind, while another is found", async () => {
  const other = announce({ port: PORT + 4, name: "stays", secure: false });
  await announce({ port: PORT + 3, name: "brief", secure: false }).close();
  await eventually((urls) =>
    expect([endsWith(urls, PORT + 3).length, endsWith(urls, PORT + 4).length]).toEqual([0, 1]),
  );
  await other.close();
});

test("a coordinator in another process is found until it withdraws", async () => {
  const announcement = await announceIn();
  await eventually((urls) => expect(endsWith(urls, PORT)).toHaveLength(1));
  const listening = discover({ timeoutMs: 2000 });
  await announcement.close();
  expect(endsWith(await listening, PORT)).toEqual([]);
});

function ip(words: string): string {
  const { status, stdout, stderr } = spawnSync("ip", words.split(" "), { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${words}: ${stderr}`);
  return stdout;
}

const removeNamespace = (name: string) => void spawnSync("ip", ["netns", "delete", name]);

/** Two machines on one network, as network namespaces that exist until the file's last test ends. */
// biome-ignore lint/correctness/noEmptyPattern: vitest requires a destructuring pattern
const machineTest = test.extend("machines", { scope: "file" }, ({}, { onCleanup }) => {
  const [one, two] = [`${NAMESPACE}-one`, `${NAMESPACE}-two`];
  onCleanup(() => [one, two].forEach(removeNamespace));
  for (const name of [one, two]) ip(`netns add ${name}`);
  ip(`link add name veth0 netns ${one} type veth peer name veth0 netns ${two}`);
  ip(`-n ${one} addr add 10.99.0.1/24 dev veth0`);
  ip(`-n ${two} addr add 10.99.0.2/24 dev veth0`);
  for (const name of [one, two]) ip(`-n ${name} link set veth0 up`);
  // The kernel takes up to a second to call a new link running; Node lists no other.
  for (const name of [one, two]) while (!ip(`-n ${name} link show veth0`).includes("state UP"));
  return { one, two };
});

/** A machine without a network, as a network namespace that exists until the test ends. */
function lonelyMachine(): string {
  const name = `${NAMESPACE}-alone`;
  onTestFinished(() => removeNamespace(name));
  ip(`netns add ${name}`);
  return name;
}

machineTest.runIf(CAN_SPLIT)(
  "the address of a coordinator is the one on the network in between, with no default route",
  async ({ machines: { one, two } }) => {
    const announcement = await announceIn(one);
    expect(await outcomeOf(DISCOVER, two)).toEqual([`wss://10.99.0.1:${PORT}`]);
    await announcement.close();
    expect(await outcomeOf(DISCOVER_ONCE, two)).toEqual([]);
  },
);

test.runIf(CAN_SPLIT)("without a network no coordinator is found, and the program ends by itself", async () => {
  expect(await outcomeOf(DISCOVER_ONCE, lonelyMachine())).toEqual([]);
});

test.runIf(CAN_SPLIT)(
  "an announcement without a network gives the reason once, and the program ends by itself",
  async () => {
    const reasons = await outcomeOf(ANNOUNCE_WITHOUT_NETWORK, lonelyMachine());
    expect(reasons).toEqual(["no network interface has an IPv4 address"]);
  },
);

test.runIf(CAN_SPLIT)(
  "with only loopback, which is no multicast network, coordinators of this machine are found",
  async () => {
    const alone = lonelyMachine();
    ip(`-n ${alone} link set lo up`);
    const script = `
    const announcement = announce({ port: 9, name: "x", secure: false });
    ${DISCOVER}
    await announcement.close();
  `;
    expect(await outcomeOf(script, alone)).toEqual(["ws://127.0.0.1:9"]);
  },
);

machineTest.runIf(CAN_SPLIT)(
  "an announcement gives the reason where multicast is blocked, and nothing is found",
  async ({ machines }) => {
    expect(await outcomeOf(ANNOUNCE_BESIDE_RIVAL, machines.two)).toEqual({
      reason: expect.stringMatching(/^no multicast on 10\.99\.0\.2 \(.*EADDRINUSE/),
      found: [],
    });
  },
);

const ANNOUNCE_WITHOUT_NETWORK = `
  const reasons = [];
  const announcement = announce({ port: 1, name: "x", secure: false, onProblem: (reason) => reasons.push(reason) });
  await discover({ timeoutMs: 100 });
  await announcement.close();
  console.log(JSON.stringify(reasons));
`;

const ANNOUNCE_BESIDE_RIVAL = `
  const { createSocket } = await import("node:dgram");
  const { once } = await import("node:events");
  const rival = createSocket("udp4").bind(5353); // Shares the port with nobody.
  await once(rival, "listening");
  const reason = await new Promise((onProblem) => announce({ port: 9, name: "x", secure: false, onProblem }));
  console.log(JSON.stringify({ reason, found: await discover({ timeoutMs: 100 }) }));
  process.exit();
`;
