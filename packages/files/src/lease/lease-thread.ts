/** The main module of the thread that renews a lease. */
import { workerData } from "node:worker_threads";
import { threadPort } from "../thread/thread-port.ts";
import { keepRenewing, type Renewal } from "./renew-lease.ts";

const port = threadPort();
keepRenewing(workerData as Renewal, (found) => port.postMessage(found));
port.on("message", () => {}); // keeps the thread alive, which its unreferenced timer does not
