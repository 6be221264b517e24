export { type WorkerOptions, work } from "./worker.ts";
