/** A way from a worker to its coordinator, through a port of this process, that can be held, made slow, and cut. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** Lets bytes through in one direction. */
class Gate {
  readonly #speed: { bytesPerSecond: number };
  #passedBytes = 0;
  #limitBytes = Number.POSITIVE_INFINITY;
  #closed = false;
  #resume = () => {};
  #onHeld = () => {};

  constructor(speed: { bytesPerSecond: number }) {
    this.#speed = speed;
  }

  /** After so many more bytes everything waits here. Resolves when something does. */
  hold(afterBytes = 0): Promise<void> {
    this.#limitBytes = this.#passedBytes + afterBytes;
    return new Promise((resolve) => (this.#onHeld = resolve));
  }

  release(): void {
    this.#limitBytes = Number.POSITIVE_INFINITY;
    this.#resume();
  }

  /** What waits here is lost. */
  close(): void {
    this.#closed = true;
    this.#resume();
  }

  /** Hands on `data`, in pieces, when they may pass. */
  async *forward(data: Buffer): AsyncGenerator<Buffer> {
    for (let offset = 0; offset < data.length && !this.#closed; ) {
      const { bytesPerSecond } = this.#speed;
      const atOnce = Math.ceil(bytesPerSecond / 50);
      const bytes = Math.min(data.length - offset, this.#limitBytes - this.#passedBytes, atOnce);
      if (bytes === 0) {
        this.#onHeld();
        await new Promise<void>((resolve) => (this.#resume = resolve));
        continue;
      }
      this.#passedBytes += bytes;
      if (bytesPerSecond < Number.POSITIVE_INFINITY) await pause((1000 * bytes) / bytesPerSecond);
      yield data.subarray(offset, offset + bytes);
      offset += bytes;
    }
  }
}

const FULL_SPEED = { bytesPerSecond: Number.POSITIVE_INFINITY };

export class TcpProxy {
  /** Of all that goes to the coordinator. */
  readonly upSpeed = { bytesPerSecond: Number.POSITIVE_INFINITY };
  /** Of the connection that was opened last. */
  up = new Gate(this.upSpeed);
  down = new Gate(FULL_SPEED);
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    server.on("connection", (worker) => {
      const coordinator = connect(port, "127.0.0.1");
      this.up = new Gate(this.upSpeed);
      this.down = new Gate(FULL_SPEED);
      void this.#relay(worker, coordinator, this.up);
      void this.#relay(coordinator, worker, this.down);
    });
  }

  /** @param port where the coordinator listens, on loopback */
  static async to(port: number): Promise<TcpProxy> {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    return new TcpProxy(server, port);
  }

  /** Where the worker is to look for its coordinator. */
  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends the connections that are open, as a pulled cable does; what was held is lost. New ones find their way. */
  cut(): void {
    for (const gate of [this.up, this.down]) gate.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  async #relay(from: Socket, to: Socket, gate: Gate): Promise<void> {
    this.#sockets.add(from.on("close", () => this.#sockets.delete(from)));
    try {
      for await (const data of from) {
        for await (const piece of gate.forward(data as Buffer)) {
          if (!to.write(piece)) await once(to, "drain");
        }
      }
      to.end();
    } catch {
      // One of the two ends is gone: so is the other, then.
      from.destroy();
      to.destroy();
    }
  }
}
