/** What runs on the thread of a lease. */
import { parentPort, workerData } from "node:worker_threads";
import { keepRenewing, type Renewal } from "./renew-lease.ts";

keepRenewing(workerData as Renewal, (found) => parentPort!.postMessage(found));
parentPort!.on("message", () => {}); // keeps the thread, whose timer alone does not, until it is ended
