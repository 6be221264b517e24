/**
 * Builds a small network of namespaces on this machine, whose links have a given rate:
 *
 *     worker 0  eth0 ──── port0 ┐
 *     10.77.0.2                 ├ bridge 10.77.0.1, in a separate namespace, with the coordinator
 *     worker 1  eth0 ──── port1 ┘
 *     10.77.0.3
 *
 * `tc tbf` shapes both ends of each cable: eth0 for what a worker sends, portN for what it receives. The coordinator is
 * attached to the bridge itself, so its link is not shaped: each worker has the full rate to it in both directions at
 * the same time, as in a cluster whose coordinator has a faster link. The two processes of PyTorch, in the workers'
 * namespaces, communicate through both cables, with the full rate in each direction.
 */
import type { Cleanup } from "../cleanup.ts";
import { addNamespace, inNamespace, inside, namespace } from "./namespaces.ts";
import { tbfWords } from "./rate.ts";
import type { Cores, Site } from "./site.ts";

const SUBNET = "10.77.0";

/** The bridge's address. */
export const BRIDGE_HOST = `${SUBNET}.1`;

/** Returns a worker's address. */
export function workerHost(index: number): string {
  return `${SUBNET}.${index + 2}`;
}

/** Sets up the network. `cleanup` removes it. */
export function shapedNetwork(bitsPerSecond: number, { pins }: Cores, cleanup: Cleanup): Site {
  addBridge(cleanup);
  for (const index of pins.keys()) addWorker(index, bitsPerSecond, cleanup);
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

function addBridge(cleanup: Cleanup): void {
  addNamespace("bridge", cleanup);
  inside("bridge", "ip", "link", "add", "bridge", "type", "bridge");
  inside("bridge", "ip", "link", "set", "bridge", "up");
  inside("bridge", "ip", "address", "add", `${BRIDGE_HOST}/24`, "dev", "bridge");
}

/** Adds a worker's namespace, with a shaped cable to the bridge. */
function addWorker(index: number, bitsPerSecond: number, cleanup: Cleanup): void {
  const [worker, port] = [`worker${index}`, `port${index}`];
  const shape = ["root", "tbf", ...tbfWords(bitsPerSecond)];
  addNamespace(worker, cleanup);
  const cable = ["type", "veth", "peer", "name", "eth0", "netns", namespace(worker)];
  inside("bridge", "ip", "link", "add", port, ...cable);
  inside("bridge", "ip", "link", "set", port, "master", "bridge", "up");
  inside("bridge", "tc", "qdisc", "add", "dev", port, ...shape);
  inside(worker, "ip", "address", "add", `${workerHost(index)}/24`, "dev", "eth0");
  inside(worker, "ip", "link", "set", "eth0", "up");
  inside(worker, "tc", "qdisc", "add", "dev", "eth0", ...shape);
}
