/** Creates two machines on a separate network, as network namespaces of Linux. Needs root and iproute2. */
import { execFileSync, spawnSync } from "node:child_process";

/** Two machines on a separate network. */
export interface NetworkPair {
  /** Command prefix of the first machine. */
  one: string[];
  /** Command prefix of the second machine. */
  two: string[];
  /** Address of the first machine. */
  address: string;
  /** Removes the machines and their network. */
  remove(): void;
}

const ADDRESS = "10.98.0.1";
const prefix = `lockstep-${process.pid}`;

/** Returns whether this process may create network namespaces. */
export function canCreateNetworkPair(): boolean {
  const probe = `${prefix}-probe`;
  return ["add", "delete"].every((verb) => spawnSync("ip", ["netns", verb, probe]).status === 0);
}

/** Creates the two machines. */
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
  // The kernel takes up to a second to mark a new link as up; Node lists only links that are.
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
