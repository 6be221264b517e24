/** Connections that have not joined (yet), by where they come from: one address gets a share of the room, and no more. */
import { networkOf } from "./addresses.ts";

/** The other end of a connection, which is the same for the TLS on top of it. */
export interface RemoteEnd {
  address: string;
  port: number;
}

export class PendingConnections {
  readonly #perAddress: number;
  readonly #networks = new Map<string, string>();

  constructor(perAddress: number) {
    this.#perAddress = perAddress;
  }

  /** @returns whether there is room for it: then it is to be removed when it has joined, or is gone */
  add(end: RemoteEnd): boolean {
    const network = networkOf(end.address);
    const others = [...this.#networks.values()].filter((other) => other === network).length;
    if (others >= this.#perAddress) return false;
    this.#networks.set(keyOf(end), network);
    return true;
  }

  remove(end: RemoteEnd): void {
    this.#networks.delete(keyOf(end));
  }
}

const keyOf = ({ address, port }: RemoteEnd) => `${address} ${port}`;
