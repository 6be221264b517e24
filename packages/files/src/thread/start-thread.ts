/** Starts a worker thread on a module, from TypeScript sources and from built JavaScript alike. */
import { Worker } from "node:worker_threads";

/**
 * Starts a thread on a module beside its caller: `startThread("batch-thread-main", import.meta.url, data)`. If the
 * caller runs from TypeScript sources, so does the thread. The thread then registers tsx itself, for two reasons: a
 * test runner has no tsx to pass on, and Node 20 applies `--import` too late for the thread's first module.
 */
export function startThread(module: string, callerUrl: string, workerData: unknown): Worker {
  if (!callerUrl.endsWith(".ts")) return new Worker(new URL(`./${module}.js`, callerUrl), { workerData });
  const tsx = import.meta.resolve("tsx/esm/api");
  const source = new URL(`./${module}.ts`, callerUrl).href;
  const start = `import { register } from "${tsx}"; register(); await import("${source}");`;
  const execArgv = ["--conditions=lockstep-source"];
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(start)}`), { workerData, execArgv });
}
