/**
 * A small network in namespaces of this machine, whose links are as slow as asked:
 *
 *     worker 0  eth0 ──── port0 ┐
 *     10.77.0.2                 ├ bridge 10.77.0.1, in a namespace of its own, with the coordinator
 *     worker 1  eth0 ──── port1 ┘
 *     10.77.0.3
 *
 * `tc tbf` shapes both ends of each cable: eth0 what a worker sends, portN what it receives. The coordinator is
 * attached to the bridge itself, so its own link is not shaped: each worker has the whole rate to it in each direction
 * at the same time, as in a cluster whose coordinator has a faster link. Two processes of PyTorch, in the workers'
 * namespaces, talk through both cables, with the whole rate in each direction.
 */
import { execFileSync } from "node:child_process";
import { LockstepError } from "@lockstep/errors";
import type { Cleanup } from "../cleanup.ts";
import { lastLine, nodeScript, start } from "../processes.ts";
import { mbitPerSecond, tbfWords } from "./rate.ts";
import type { Cores, Site } from "./site.ts";

const SUBNET = "10.77.0";
const BRIDGE_HOST = `${SUBNET}.1`;
const workerHost = (index: number): string => `${SUBNET}.${index + 2}`;
const namespace = (name: string): string => `lockstep-${process.pid}-${name}`;
const inNamespace = (name: string): string[] => ["ip", "netns", "exec", namespace(name)];

/** Why there can be no such network here, with the remedy; undefined if there can. */
export function missingForNetwork(): string | undefined {
  if (process.platform !== "linux") return "namespaces need Linux; run it there.";
  for (const tool of ["ip", "tc"]) {
    try {
      execFileSync(tool, ["-V"], { stdio: "pipe" });
    } catch {
      return `there is no \`${tool}\`; install iproute2 (\`apt-get install iproute2\`).`;
    }
  }
  if (process.getuid?.() !== 0)
    return 'namespaces need root; run it again with `sudo -E env "PATH=$PATH"` before the command.';
  return undefined;
}

/** Sets the network up; it is removed by `cleanup`. */
export function shapedNetwork(bitsPerSecond: number, { pins }: Cores, cleanup: Cleanup): Site {
  const shape = ["root", "tbf", ...tbfWords(bitsPerSecond)];
  addNamespace("bridge", cleanup);
  inside("bridge", "ip", "link", "add", "bridge", "type", "bridge");
  inside("bridge", "ip", "link", "set", "bridge", "up");
  inside("bridge", "ip", "address", "add", `${BRIDGE_HOST}/24`, "dev", "bridge");
  for (const index of pins.keys()) {
    const [worker, port] = [`worker${index}`, `port${index}`];
    addNamespace(worker, cleanup);
    const cable = ["type", "veth", "peer", "name", "eth0", "netns", namespace(worker)];
    inside("bridge", "ip", "link", "add", port, ...cable);
    inside("bridge", "ip", "link", "set", port, "master", "bridge", "up");
    inside("bridge", "tc", "qdisc", "add", "dev", port, ...shape);
    inside(worker, "ip", "address", "add", `${workerHost(index)}/24`, "dev", "eth0");
    inside(worker, "ip", "link", "set", "eth0", "up");
    inside(worker, "tc", "qdisc", "add", "dev", "eth0", ...shape);
  }
  return {
    workers: [
      [...inNamespace("worker0"), ...pins[0]],
      [...inNamespace("worker1"), ...pins[1]],
    ],
    coordinator: inNamespace("bridge"),
    coordinatorHost: BRIDGE_HOST,
    ddpHost: workerHost(0),
    ddpInterface: "eth0",
  };
}

export interface MeasuredMbit {
  /** From worker 0 to the coordinator. */
  up: number;
  /** From the coordinator to worker 0. */
  down: number;
  /** From worker 0 to worker 1. */
  across: number;
}

/**
 * What TCP gets through the links, sent for about two seconds in each direction.
 *
 * @throws LockstepError ERR_BENCH if they carry more than they should, or much less
 */
export async function measureLinks(bitsPerSecond: number, cleanup: Cleanup): Promise<MeasuredMbit> {
  const bytes = Math.round((bitsPerSecond / 8) * 2);
  const measured = {
    up: await measure("worker0", "bridge", BRIDGE_HOST, bytes, cleanup),
    down: await measure("bridge", "worker0", workerHost(0), bytes, cleanup),
    across: await measure("worker0", "worker1", workerHost(1), bytes, cleanup),
  };
  for (const [direction, mbit] of Object.entries(measured)) {
    const expected = bitsPerSecond / 1e6;
    if (mbit <= expected * 1.05 && mbit >= expected * 0.8) continue;
    const text = `Expected the shaped link (${direction}) to carry about ${expected} Mbit/s, measured ${mbit.toFixed(1)}; try a lower --rate, or a quieter machine.`;
    throw new LockstepError("ERR_BENCH", text);
  }
  return measured;
}

async function measure(from: string, to: string, host: string, bytes: number, cleanup: Cleanup): Promise<number> {
  const script = nodeScript("pairs/transfer.ts");
  const receiver = start([...inNamespace(to), ...script, "receive", host], cleanup);
  const [, port] = await receiver.prints(/port (\d+)/);
  const sender = start([...inNamespace(from), ...script, "send", host, port!, `${bytes}`], cleanup);
  await sender.ended;
  return mbitPerSecond(lastLine(await receiver.ended));
}

function addNamespace(name: string, cleanup: Cleanup): void {
  run("ip", "netns", "add", namespace(name));
  cleanup.add(() => run("ip", "netns", "delete", namespace(name))); // its ends of the cables go with it
  inside(name, "ip", "link", "set", "lo", "up");
}

/** Runs a command in a namespace. */
function inside(name: string, ...command: string[]): void {
  run(...inNamespace(name), ...command);
}

function run(...[command, ...args]: string[]): void {
  try {
    execFileSync(command!, args, { stdio: "pipe" });
  } catch (cause) {
    const detail = (cause as { stderr?: Buffer }).stderr?.toString().trim() || (cause as Error).message;
    const words = [command, ...args].join(" ");
    throw new LockstepError(
      "ERR_BENCH",
      `\`${words}\` failed: ${detail}. The kernel must allow namespaces, veth, bridge and sch_tbf; in a container, give it CAP_NET_ADMIN and CAP_SYS_ADMIN.`,
      { cause },
    );
  }
}
