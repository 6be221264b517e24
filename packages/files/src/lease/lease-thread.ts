/** Renews a lease, on a thread of its own. */
import { workerData } from "node:worker_threads";
import { threadPort } from "../thread/thread-port.ts";
import { keepRenewing, type Renewal } from "./renew-lease.ts";

const port = threadPort();
keepRenewing(workerData as Renewal, (found) => port.postMessage(found));
port.on("message", () => {}); // keeps the thread, whose timer alone does not, until it is ended
