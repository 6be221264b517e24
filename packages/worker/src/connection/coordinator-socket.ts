/** The socket of a worker's connection: it encodes and sends, receives and decodes, and sends heartbeats. */
import { LockstepError } from "@lockstep/errors";
import {
  type CoordinatorMessage,
  decodeFromCoordinator,
  encode,
  encodeFloats,
  MAX_MESSAGE_BYTES,
  packingPays,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { explainFailedJoin, openSocket } from "@lockstep/transport";
import { Heartbeat } from "./heartbeat.ts";
import { IoClock } from "./io-clock.ts";
import { LinkSpeed } from "./link-speed.ts";
import { machineMs } from "./machine-clock.ts";
import type { FromSocket, SocketData, ToSocket } from "./socket-messages.ts";

/** Interval until `welcome` sets another one: starting an engine may take long. */
const HEARTBEAT_MS = 1000;

type WebSocket = ReturnType<typeof openSocket>;
type SocketState = "connecting" | "open" | "closed";

/** Connects at once and reports every event to the computing thread; the last one is `closed`, with its reason. */
export class CoordinatorSocket {
  readonly #url: string;
  readonly #maxBufferedBytes: number;
  readonly #post: (from: FromSocket, transferred?: ArrayBuffer[]) => void;
  readonly #socket: WebSocket;
  readonly #clock = new IoClock(() => performance.now());
  readonly #link = new LinkSpeed();
  readonly #heartbeat = new Heartbeat({
    send: () => this.send({ type: "heartbeat" }),
    isReading: () => !this.#socket.isPaused,
    onSilence: (silentMs) => this.#failSilent(silentMs),
    nowMs: () => performance.now(),
  });
  #state: SocketState = "connecting";
  /** The first error; it is the reason why the socket closes. */
  #fault: LockstepError | undefined;
  #packing = true;
  /** Bytes of messages that were posted to the computing thread and not yet received there. */
  #bufferedBytes = 0;

  constructor(
    { url, join, maxBufferedBytes }: SocketData,
    post: (from: FromSocket, transferred?: ArrayBuffer[]) => void,
  ) {
    this.#url = url;
    this.#maxBufferedBytes = maxBufferedBytes;
    this.#post = post;
    const socket = openSocket(url, { ...join, maxPayload: MAX_MESSAGE_BYTES });
    this.#socket = socket;
    socket.on("open", () => this.#open());
    // Any bytes count as a sign of life: on a slow link one message may take longer than the allowed silence. The
    // listener is added on open, since a "data" listener would consume the bytes that arrive with the upgrade.
    socket.on("upgrade", ({ socket: link }) =>
      socket.on("open", () => link.on("data", () => this.#heartbeat.received())),
    );
    socket.on("message", (data: Buffer) => this.#receive(data));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#end());
  }

  send(message: WorkerMessage): void {
    const timed = message.type === "contribution" ? { ...message, io: this.#clock.readAndReset() } : message;
    const bytes = this.#clock.encode(() => encode(timed));
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(bytes, this.#clock.sending());
  }

  sendPiece({ piece, values, wire }: Extract<ToSocket, { type: "send-piece" }>): void {
    const encoded = this.#clock.encode(() => encodeFloats(values, wire, { packing: this.#packing }));
    this.send({ ...piece, type: "gradient-chunk", ...encoded });
  }

  /**
   * Sends a heartbeat every `everyMs` milliseconds, and fails the connection if the coordinator is silent for too long.
   */
  heartbeat(everyMs: number): void {
    this.#heartbeat.start(everyMs);
  }

  /** Notes that the computing thread has received `bytes` of messages, and resumes a paused socket once half are. */
  received(bytes: number): void {
    this.#bufferedBytes -= bytes;
    if (!this.#socket.isPaused || this.#bufferedBytes >= this.#maxBufferedBytes / 2) return;
    this.#heartbeat.received();
    this.#socket.resume();
  }

  close(): void {
    this.#socket.close(1000);
    this.#socket.resume(); // a paused socket would never read the other end's close frame
  }

  #open(): void {
    this.#state = "open";
    this.heartbeat(HEARTBEAT_MS);
    this.#post({ type: "open" });
  }

  #receive(data: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return; // this end is closing it
    try {
      this.#handle(
        this.#clock.receive(() => decodeFromCoordinator(data)),
        data.length,
      );
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      this.#fault = error;
      this.#socket.close(4000, error.code);
    }
  }

  #handle(message: CoordinatorMessage, bytes: number): void {
    switch (message.type) {
      case "alive":
        return;
      case "link-probe":
        this.#probe(message.data.length);
        break;
      case "welcome":
        this.send({ type: "clock", nowMs: machineMs() });
        this.#forward(message, bytes);
        break;
      default:
        this.#forward(message, bytes);
    }
  }

  #probe(bytes: number): void {
    const bytesPerSecond = this.#link.probe(bytes, performance.now());
    if (bytesPerSecond === undefined) return;
    this.#packing = packingPays(bytesPerSecond);
    this.#post({ type: "link", bytesPerSecond });
  }

  /** Posts a message to the computing thread, and pauses the socket while too many bytes wait there. */
  #forward(message: CoordinatorMessage, bytes: number): void {
    this.#bufferedBytes += bytes;
    if (this.#bufferedBytes > this.#maxBufferedBytes) this.#socket.pause();
    if (!("data" in message)) {
      this.#post({ type: "message", message, bytes });
      return;
    }
    // A message that fills its buffer owns it. Others share one with bytes that ws has yet to read.
    const data = message.data.buffer.byteLength === bytes ? message.data : message.data.slice();
    this.#post({ type: "message", message: { ...message, data }, bytes }, [data.buffer]);
  }

  #failSilent(silentMs: number): void {
    const text = `Nothing was received from the coordinator for ${Math.round(silentMs / 1000)} s.`;
    this.#fault ??= new LockstepError("ERR_SILENT", text);
    this.#socket.terminate();
  }

  #fail(error: Error): void {
    const opened = this.#state === "open";
    this.#fault ??= opened ? new LockstepError("ERR_CONNECT", error.message) : explainFailedJoin(error, this.#url);
  }

  #end(): void {
    this.#state = "closed";
    this.#heartbeat.stop();
    const text = "The coordinator closed the connection.";
    const { code, message } = this.#fault ?? new LockstepError("ERR_DISCONNECTED", text);
    this.#post({ type: "closed", code, reason: message });
  }
}
