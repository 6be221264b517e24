/** The entry point of the socket thread. */
import { workerData } from "node:worker_threads";
import { threadPort } from "@lockstep/files";
import type { SocketData } from "./socket-messages.ts";
import { openSocketAt } from "./socket-port.ts";

openSocketAt(threadPort(), workerData as SocketData);
