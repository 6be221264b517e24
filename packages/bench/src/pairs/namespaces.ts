/** Network namespaces of this bench: machines of their own as far as sockets go. */
import { execFileSync } from "node:child_process";
import { LockstepError } from "@lockstep/errors";
import type { Cleanup } from "../cleanup.ts";

/** Says why there can be no namespaces with slow links here, with the remedy; undefined if there can. */
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

/** Returns the whole name of a namespace, which no other bench on this machine has. */
export function namespace(name: string): string {
  return `lockstep-${process.pid}-${name}`;
}

/** Returns the words that put a command into a namespace. */
export function inNamespace(name: string): string[] {
  return ["ip", "netns", "exec", namespace(name)];
}

/** Makes a namespace with a loopback; `cleanup` removes it, and the ends of cables in it. */
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
    const text = `\`${words}\` failed: ${detailOf(cause)}. The kernel must allow namespaces, veth, bridge and sch_tbf; in a container, give it CAP_NET_ADMIN and CAP_SYS_ADMIN.`;
    throw new LockstepError("ERR_BENCH", text, { cause });
  }
}

/** Returns what a command that failed wrote to stderr, or why it could not be started. */
function detailOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const written = "stderr" in cause ? String(cause.stderr ?? "").trim() : "";
  return written || cause.message;
}
