/** Two machines on a network of their own, as network namespaces of Linux; they need root and iproute2. */
import { execFileSync, spawnSync } from "node:child_process";

export interface NetworkPair {
  /** Words that put a command on the first machine, which is at `address`. */
  one: string[];
  two: string[];
  address: string;
  /** Takes the machines away, with the network in between. */
  remove(): void;
}

const ADDRESS = "10.98.0.1";
const prefix = `lockstep-${process.pid}`;

export function canCreateNetworkPair(): boolean {
  const probe = `${prefix}-probe`;
  return ["add", "delete"].every((verb) => spawnSync("ip", ["netns", verb, probe]).status === 0);
}

export function createNetworkPair(): NetworkPair {
  const [one, two] = [`${prefix}-one`, `${prefix}-two`];
  for (const name of [one, two]) {
    ip(`netns add ${name}`);
    ip(`-n ${name} link set lo up`);
  }
  ip(`link add name eth0 netns ${one} type veth peer name eth0 netns ${two}`);
  ip(`-n ${one} addr add ${ADDRESS}/24 dev eth0`);
  ip(`-n ${two} addr add 10.98.0.2/24 dev eth0`);
  for (const name of [one, two]) ip(`-n ${name} link set eth0 up`);
  // The kernel takes up to a second to call a new link running; Node lists no other.
  for (const name of [one, two]) while (!ip(`-n ${name} link show eth0`).includes("state UP"));
  return {
    one: ["ip", "netns", "exec", one],
    two: ["ip", "netns", "exec", two],
    address: ADDRESS,
    remove: () => {
      for (const name of [one, two]) ip(`netns delete ${name}`);
    },
  };
}

function ip(words: string): string {
  return execFileSync("ip", words.split(" "), { encoding: "utf8" });
}
