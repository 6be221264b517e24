/** A coordinator that sends what its script says, right or wrong, and the messages that such scripts consist of. */
import { makeConfig } from "@lockstep/config";
import {
  type CoordinatorMessage,
  decodeFromWorker,
  encode,
  LINK_PROBES,
  MAX_MESSAGE_BYTES,
  type MessageOf,
  toStep,
  toSubtreeId,
  toWorkerId,
} from "@lockstep/gradient-sync";
import { openServer } from "@lockstep/transport";
import { onTestFinished } from "vitest";
import tiny from "../../fixtures/tiny-model.js";

/** A message, the bytes of a frame, or the end of the connection. */
export type Scripted = CoordinatorMessage | Uint8Array | "close";

/** What the coordinator sends when a worker connects, after its `hello`, and after its `ready`. */
export interface Script {
  open?: Scripted[];
  hello?: Scripted[];
  ready?: Scripted[];
}

/**
 * Starts a coordinator, which ends with the current test, and returns its URL.
 *
 * @param drops number of connections to drop on `hello` before the script
 */
export async function scriptedCoordinator(
  script: Script,
  { drops = 0, onFinished = onTestFinished }: { drops?: number; onFinished?: typeof onTestFinished } = {},
): Promise<string> {
  let dropped = 0;
  const server = await openServer({
    host: "127.0.0.1",
    port: 0,
    anyPort: true,
    maxPayload: MAX_MESSAGE_BYTES,
    onSocket: (socket) => {
      const sendAll = (messages: Scripted[] = []) => {
        for (const message of messages) {
          if (message === "close") socket.close(4000, "ERR_WHATEVER");
          else socket.send(message instanceof Uint8Array ? message : encode(message));
        }
      };
      sendAll(script.open);
      socket.on("message", (data: Buffer) => {
        const { type } = decodeFromWorker(data);
        if (type === "hello" && dropped++ < drops) socket.terminate();
        else if (type === "hello" || type === "ready") sendAll(script[type]);
      });
    },
  });
  onFinished(() => server.close());
  return `ws://127.0.0.1:${server.port}`;
}

/** The options of the run. */
export const config = { ...makeConfig({ model: "tiny", dataset: "shapes" }) };

/** A `welcome`, which lacks the options. */
export const welcome = {
  type: "welcome" as const,
  workerId: toWorkerId(0),
  heartbeatMs: 1000,
  run: "r",
  codeModel: false,
};

const probe: Scripted = { type: "link-probe", data: new Uint8Array(1000) };

/** What an honest coordinator sends after `hello`. */
export const greeting: Scripted[] = [
  { ...welcome, config, spec: tiny },
  ...new Array<Scripted>(LINK_PROBES).fill(probe),
];

/** Returns a script that welcomes the worker, and sends these messages once it is ready. */
export const afterReady = (...ready: Scripted[]): Script => ({ hello: greeting, ready });

/** Dense sums of all tensors. */
export const dense = new Array<MessageOf<"start">["forms"][number]>(6).fill("dense");

/** A start from the initial weights. */
export const start: MessageOf<"start"> = {
  type: "start",
  forms: dense,
  wire: "fp32",
  chunkBytes: 2 ** 20,
  state: "seed",
};

/** An assignment of the first step, in which this worker has no slice. */
export const assign: MessageOf<"assign"> = {
  type: "assign",
  step: toStep(0),
  epoch: 0,
  start: 0,
  end: 4,
  learningRate: 0.1,
  attempts: [],
  sliceSamples: [4],
  subtreeSlices: [1],
};

/** The commit of the first step. */
export const commit: Scripted = {
  type: "commit",
  step: toStep(0),
  attempts: [0],
  samples: 4,
  lossSum: 1,
  correct: 0,
};

const floats = (elements: number) => new Uint8Array(4 * elements);

/** Seven numbers of the first step's update. */
export const chunk: Scripted = {
  type: "update-chunk",
  step: toStep(0),
  subtree: toSubtreeId(0),
  attempt: 0,
  part: 0,
  offset: 0,
  packed: false,
  data: floats(7),
};

/** Returns an evaluation of samples of the test split. */
export function evaluate(start: number, end: number): Scripted {
  return { type: "evaluate", request: 0, part: "test", start, end };
}

/** Returns one weight of a state. */
export function load(tensor: number, offset: number): Scripted {
  return { type: "load-chunk", tensor, kind: "weight", offset, data: floats(1) };
}

/** Returns a request for the worker's state. */
export function sendState(request: number): Scripted {
  return { type: "send-state", request, window: 8 };
}

/** Returns a `welcome` to a run on CIFAR-10 whose records the coordinator supplies. */
export function cifar10(digest: string): Scripted {
  const facts = { dataset: "cifar10" as const, digest, trainSamples: 50_000, testSamples: 10_000 };
  const supplied = { ...facts, mean: [0, 0, 0], std: [1, 1, 1] };
  return { ...welcome, config: { ...config, dataset: "cifar10" }, spec: tiny, supplied };
}
