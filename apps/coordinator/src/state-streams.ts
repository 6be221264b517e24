/** The weights and momentum of workers, on their way here piece by piece while training goes on. */
import { LockstepError } from "@lockstep/errors";
import { elementsOf, STATE_WINDOW, type WorkerMessage } from "@lockstep/gradient-sync";
import type { Member } from "./members.ts";

export type StateSpec = { name: string; shape: number[] };
type Chunk = Extract<WorkerMessage, { type: "state-chunk" }>;
export type StatePiece = Pick<Chunk, "tensor" | "kind" | "offset" | "data">;

interface Stream {
  source: Member;
  stateDict: readonly StateSpec[];
  onPiece: (piece: StatePiece) => Promise<void>;
  end: (whole: boolean) => void;
}

export class StateStreams {
  readonly #streams = new Map<number, Stream>();
  #requests = 0;

  /**
   * Has a worker send its state as it is now. Further pieces are asked for as `onPiece` resolves.
   *
   * @returns whether all of it came, before the worker was lost
   */
  request(source: Member, stateDict: readonly StateSpec[], onPiece: Stream["onPiece"]): Promise<boolean> {
    const request = this.#requests++;
    return new Promise((resolve) => {
      const end = (whole: boolean) => {
        this.#streams.delete(request);
        resolve(whole);
      };
      this.#streams.set(request, { source, stateDict, onPiece, end });
      source.send({ type: "send-state", request, window: STATE_WINDOW });
    });
  }

  /** @throws LockstepError ERR_CHUNK for a piece that was not asked for, or lies in no tensor */
  take(member: Member, { request, tensor, kind, offset, data }: Chunk): void {
    const stream = this.#of(member, request);
    const spec = stream.stateDict[tensor];
    if (spec === undefined || data.length % 4 !== 0 || offset + data.length / 4 > elementsOf(spec.shape)) {
      throw new LockstepError("ERR_CHUNK", `${data.length} bytes at ${offset} lie in no tensor number ${tensor}.`);
    }
    void stream.onPiece({ tensor, kind, offset, data }).then(() => member.send({ type: "state-ack", request }));
  }

  /** @throws LockstepError ERR_CHUNK if it was not asked for */
  end(member: Member, request: number): void {
    this.#of(member, request).end(true);
  }

  lose(member: Member): void {
    for (const { source, end } of this.#streams.values()) if (source === member) end(false);
  }

  isSource(member: Member): boolean {
    return [...this.#streams.values()].some(({ source }) => source === member);
  }

  #of(member: Member, request: number): Stream {
    const stream = this.#streams.get(request);
    if (stream?.source === member) return stream;
    throw new LockstepError("ERR_CHUNK", `Nobody has asked ${member.name} for its state under number ${request}.`);
  }
}
