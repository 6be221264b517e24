/** Creates network namespaces, which act as separate machines on the network. */
import { execFileSync } from "node:child_process";
import { LockstepError } from "@lockstep/errors";
import type { Cleanup } from "../cleanup.ts";

/** Returns why this machine cannot have namespaces with slow links, with the remedy; undefined if it can. */
export function missingForNetwork(): string | undefined {
  if (process.platform !== "linux") return "Network namespaces need Linux. Run the bench there.";
  for (const tool of ["ip", "tc"]) {
    try {
      execFileSync(tool, ["-V"], { stdio: "pipe" });
    } catch {
      return `The command \`${tool}\` was not found. Install iproute2 (\`apt-get install iproute2\`).`;
    }
  }
  if (process.getuid?.() !== 0)
    return 'Network namespaces need root. Run the command again with `sudo -E env "PATH=$PATH"` before it.';
  return undefined;
}

/** Returns the full name of a namespace, which is unique on this machine. */
export function namespace(name: string): string {
  return `lockstep-${process.pid}-${name}`;
}

/** Returns the command prefix that runs a command in a namespace. */
export function inNamespace(name: string): string[] {
  return ["ip", "netns", "exec", namespace(name)];
}

/** Adds a namespace with a loopback interface. `cleanup` removes it with the interfaces in it. */
export function addNamespace(name: string, cleanup: Cleanup): void {
  run("ip", ["netns", "add", namespace(name)]);
  cleanup.add(() => run("ip", ["netns", "delete", namespace(name)]));
  inside(name, "ip", "link", "set", "lo", "up");
}

/** Runs a command in a namespace. @throws LockstepError ERR_BENCH if it fails */
export function inside(name: string, ...command: string[]): void {
  const [program = "", ...args] = [...inNamespace(name), ...command];
  run(program, args);
}

function run(program: string, args: readonly string[]): void {
  try {
    execFileSync(program, args, { stdio: "pipe" });
  } catch (cause) {
    const words = [program, ...args].join(" ");
    const text = `\`${words}\` failed: ${detailOf(cause)}. The kernel must support namespaces, veth, bridge and sch_tbf. A container needs CAP_NET_ADMIN and CAP_SYS_ADMIN.`;
    throw new LockstepError("ERR_BENCH", text, { cause });
  }
}

/** Returns what a failed command wrote to stderr, or why it did not start. */
function detailOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const written = "stderr" in cause ? String(cause.stderr ?? "").trim() : "";
  return written || cause.message;
}
