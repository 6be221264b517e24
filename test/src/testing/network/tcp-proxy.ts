/** A TCP proxy between a worker and its coordinator that can delay, throttle and cut connections. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** Forwards the bytes of one direction. */
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

  /** Holds all bytes after the next `afterBytes`. Resolves when the first byte is held. */
  hold(afterBytes = 0): Promise<void> {
    this.#limitBytes = this.#passedBytes + afterBytes;
    return new Promise((resolve) => (this.#onHeld = resolve));
  }

  /** Forwards what is held. */
  release(): void {
    this.#limitBytes = Number.POSITIVE_INFINITY;
    this.#resume();
  }

  /** Drops what is held. */
  close(): void {
    this.#closed = true;
    this.#resume();
  }

  /** Yields `data` in pieces as they may pass. */
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

/** A proxy that listens on loopback. */
export class TcpProxy {
  /** Speed of everything that goes to the coordinator. */
  readonly upSpeed = { bytesPerSecond: Number.POSITIVE_INFINITY };
  /** Gates of the newest connection: to the coordinator and from it. */
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

  /** Starts a proxy. @param port port of the coordinator on loopback */
  static async to(port: number): Promise<TcpProxy> {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    return new TcpProxy(server, port);
  }

  /** URL that the worker connects to. */
  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when the next connection has arrived, before any byte has passed. */
  async nextConnection(): Promise<void> {
    await once(this.#server, "connection");
  }

  /** Cuts all open connections, and drops what is held. New connections are accepted. */
  cut(): void {
    for (const gate of [this.up, this.down]) gate.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Stops listening, and cuts all connections. */
  close(): void {
    this.#server.close();
    this.cut();
  }

  async #relay(from: Socket, to: Socket, gate: Gate): Promise<void> {
    this.#sockets.add(from.on("close", () => this.#sockets.delete(from)));
    try {
      for await (const data of from as AsyncIterable<Buffer>) {
        for await (const piece of gate.forward(data)) {
          if (!to.write(piece)) await once(to, "drain");
        }
      }
      to.end();
    } catch {
      // One end has disconnected, so the other is disconnected, too.
      from.destroy();
      to.destroy();
    }
  }
}
