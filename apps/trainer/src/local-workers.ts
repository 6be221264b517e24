/** Workers on this machine, each a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { LockstepError } from "@lockstep/errors";
import type { MachineOptions } from "@lockstep/run";

export interface LocalWorkers {
  /** Rejects if one of them fails; never resolves. */
  failed: Promise<never>;
  /** Resolves when all have ended. */
  ended: Promise<void>;
}

/**
 * Starts `workers` processes that join the coordinator at `url`; the cores are divided among them.
 *
 * @param codeModel path of the model, if it is made by code
 */
export function startLocalWorkers(
  workers: number,
  url: string,
  { backend, gpu, threads }: MachineOptions,
  codeModel?: string,
): LocalWorkers {
  const share = threads ?? Math.max(1, Math.floor(availableParallelism() / workers));
  const main = import.meta.resolve("@lockstep/worker").replace(/index(\.[jt]s)$/, "main$1");
  const options = ["--coordinator", url, "--threads", String(share)];
  if (codeModel !== undefined) options.push("--model", codeModel);
  if (backend !== undefined) options.push("--backend", backend);
  if (gpu !== undefined) options.push("--gpu", ...(typeof gpu === "number" ? [String(gpu)] : []));
  const children = Array.from({ length: workers }, (_, index) =>
    // A group of their own, which Ctrl-C does not reach: the coordinator tells them when to leave.
    spawn(process.execPath, [...process.execArgv, fileURLToPath(main), ...options, "--name", `worker-${index}`], {
      stdio: ["ignore", "ignore", "inherit"],
      detached: true,
    }),
  );
  const exits = children.map(async (child, index) => {
    const [status] = await once(child, "exit");
    return { index, status };
  });
  const failed = new Promise<never>((_, reject) => {
    for (const exit of exits) {
      void exit.then(({ index, status }) => {
        if (status === 0) return;
        for (const child of children) child.kill();
        reject(
          new LockstepError(
            "ERR_LOCAL_WORKER",
            `worker-${index} ended with status ${status}; its lines above tell why.`,
          ),
        );
      });
    }
  });
  failed.catch(() => {}); // whoever waits for it hears of the error
  return { failed, ended: Promise.all(exits).then(() => {}) };
}
