/** Workers on this machine, each a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { usableCores } from "@lockstep/engine/cores";
import { LockstepError } from "@lockstep/errors";
import type { LogFormat, MachineOptions } from "@lockstep/run";

export interface LocalWorkers {
  /** Rejects when one has failed; never resolves. */
  oneFailed: Promise<never>;
  /** Rejects when all have ended, however they did: nobody is left who could come again. Never resolves. */
  allEnded: Promise<never>;
  /** Resolves when all have ended. */
  ended: Promise<void>;
  /** Ends one of them at once, as a power cut would. */
  kill(index: number): void;
}

/** The coordinator is this process: if it ends, its workers need not look for it long. */
const RECONNECT_MS = 2000;

/**
 * Starts `workers` processes that join the coordinator at `url`; the cores are divided among them.
 *
 * @param codeModel path of the model, if it is made by code
 * @param log how they tell of what ends them
 */
export function startLocalWorkers(
  workers: number,
  url: string,
  { backend, gpu, threads }: MachineOptions,
  { codeModel, log = "text" }: { codeModel?: string | undefined; log?: LogFormat | undefined } = {},
): LocalWorkers {
  const share = threads ?? Math.max(1, Math.floor(usableCores().usable / workers));
  const main = import.meta.resolve("@lockstep/worker").replace(/index(\.[jt]s)$/, "main$1");
  const options = [
    "--coordinator",
    url,
    "--threads",
    String(share),
    "--reconnect-ms",
    String(RECONNECT_MS),
    "--log",
    log,
  ];
  if (codeModel !== undefined) options.push("--model", codeModel);
  if (backend !== undefined) options.push("--backend", backend);
  const children = Array.from({ length: workers }, (_, index) =>
    // A group of their own, which Ctrl-C does not reach: the coordinator tells them when to leave.
    spawn(process.execPath, [...process.execArgv, fileURLToPath(main), ...options, ...ownOptions(index, gpu)], {
      stdio: ["ignore", "ignore", "inherit"],
      detached: true,
    }),
  );
  const exits = children.map(async (child, index) => {
    const [status] = (await once(child, "exit")) as [number | null];
    return { index, status };
  });
  const never = () => new Promise<never>(() => {});
  const failed = exits.map((exit) => exit.then(({ index, status }) => (status === 0 ? never() : fail(index, status))));
  const oneFailed = Promise.race([never(), ...failed]);
  const allEnded = Promise.all(exits).then(() => {
    const text = "All workers have ended; lines above may tell why. The run's folder goes on with --resume.";
    throw new LockstepError("ERR_LOCAL_WORKER", text);
  });
  for (const failure of [oneFailed, allEnded]) failure.catch(() => {}); // whoever waits for it hears of the error
  return {
    oneFailed,
    allEnded,
    ended: Promise.all(exits).then(() => {}),
    kill: (index) => void children[index]!.kill("SIGKILL"),
  };
}

/** Where any GPU will do, each worker takes its own. */
function ownOptions(index: number, gpu: MachineOptions["gpu"]): string[] {
  const own = gpu === true ? index : gpu;
  return ["--name", `worker-${index}`, ...(typeof own === "number" ? ["--gpu", String(own)] : [])];
}

function fail(index: number, status: number | null): never {
  const how = status === null ? "was killed" : `ended with status ${status}`;
  throw new LockstepError("ERR_LOCAL_WORKER", `worker-${index} ${how}; the lines above tell why.`);
}
