/** Starting a worker thread on a module, from TypeScript sources as from built JavaScript. */
import { Worker } from "node:worker_threads";

/**
 * Starts a thread on a module that lies beside its caller: `startThread("batch-thread-main", import.meta.url, data)`.
 * Where the caller runs from TypeScript sources, so does the thread. It registers tsx by itself for that: a test runner
 * has none to hand down, and with `--import` Node 20 registers it too late for the thread's first module.
 */
export function startThread(module: string, callerUrl: string, workerData: unknown): Worker {
  if (!callerUrl.endsWith(".ts")) return new Worker(new URL(`./${module}.js`, callerUrl), { workerData });
  const tsx = import.meta.resolve("tsx/esm/api");
  const source = new URL(`./${module}.ts`, callerUrl).href;
  const start = `import { register } from "${tsx}"; register(); await import("${source}");`;
  const execArgv = ["--conditions=lockstep-source"];
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(start)}`), { workerData, execArgv });
}
