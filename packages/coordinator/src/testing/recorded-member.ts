/** For tests: a member without a real worker, whose session records the messages that the coordinator sends. */
import {
  type CoordinatorMessage,
  decodeFromCoordinator,
  PROTOCOL_VERSION,
  toWorkerId,
  type WorkerId,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import type { MessageHandler } from "../connections/admission-control.ts";
import type { ReadySession } from "../connections/ready-session.ts";
import { Member } from "../membership/members.ts";

const DEVICE = { device: "d", backend: "native", libraryVersion: "2.0", instructionSet: "AVX", threads: 4 };
/** State dict of the toy model. */
const STATE_DICT = [
  { name: "weight", shape: [2, 3] },
  { name: "bias", shape: [3] },
];

/** A session that records what is sent to its worker. */
export class RecordedSession implements ReadySession {
  readonly workerId: WorkerId;
  readonly hello: ReadySession["hello"];
  readonly ready: ReadySession["ready"];
  readonly address = "192.0.2.1";
  readonly connectedMs = 0;
  heardMs = 0;
  bytesUp = 0;
  bytesDown = 0;
  waitingBytes = 0;
  readonly sent: Buffer[] = [];
  /** The code with which it was closed; undefined while it is open. */
  closed: string | undefined;
  /** Handles the worker's messages; the team sets it when it admits the worker. */
  handle: MessageHandler = ({ type }) => {
    throw new Error(`A worker that was not admitted says ${type}.`);
  };
  /** The promise that `drained` returns. */
  draining: Promise<void> = Promise.resolve();

  constructor(
    workerId: number,
    hello: Partial<ReadySession["hello"]> = {},
    ready: Partial<ReadySession["ready"]> = {},
  ) {
    this.workerId = toWorkerId(workerId);
    this.hello = { type: "hello", protocol: PROTOCOL_VERSION, name: `w${workerId}`, ...DEVICE, ...hello };
    this.ready = {
      type: "ready",
      fingerprint: "",
      modelName: "M",
      tensors: [],
      stateDict: STATE_DICT,
      factorable: [],
      code: { version: "v", arithmetic: 1, draws: "d" },
      inputShape: [1, 1, 1],
      numClasses: 2,
      classes: ["a", "b"],
      mean: [0],
      std: [1],
      topology: "{}",
      trainSamples: 8,
      validationSamples: 0,
      testSamples: 0,
      linkBytesPerSecond: 1e9,
      gemmFlopsPerSecond: 1e9,
      ...ready,
    };
  }

  send(bytes: Buffer): void {
    this.sent.push(bytes);
  }

  drained(): Promise<void> {
    return this.draining;
  }

  close(code: string): void {
    this.closed = code;
  }

  /** Delivers a message as if the worker had sent it. */
  deliver(message: WorkerMessage): void {
    this.handle(message);
  }

  /** The messages sent to the worker, in order. */
  get sentMessages(): CoordinatorMessage[] {
    return this.sent.map((bytes) => decodeFromCoordinator(bytes));
  }
}

/** Returns a member and its recorded session. */
export function recordedMember(id: number, hello: Partial<ReadySession["hello"]> = {}) {
  const session = new RecordedSession(id, hello);
  return { session, member: new Member(session, session.hello.name, 0) };
}
