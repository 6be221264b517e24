/** The weights and momentum of a worker, which outlive its connections. */
import { type CoordinatorMessage, elementsOf, type GradientForm, type MessageOf } from "@lockstep/gradient-sync";
import { factorableKernels, initialWeights, type StateDict, toStateDict } from "@lockstep/model";
import { type PreparedRun, parameterValues, Replica, StateSnapshot, stateDigest, warmUp } from "@lockstep/training";
import { missingWeightsError } from "../message-checks.ts";

/** Batch size of the warm-up step: a larger one would compile the same kernels. */
const WARM_UP_ROWS = 32;
/** Elements of the pieces in which two states are compared. */
const COMPARED_ELEMENTS = 2 ** 20;

/** `stale` weights are not those of the run: zeros, or outdated ones. `current` weights have `step` updates. */
type HeldReplica =
  | { name: "nothing" }
  | { name: "stale"; replica: Replica }
  | { name: "current"; replica: Replica; step: number };

type Values = ReturnType<typeof parameterValues>;

/** This worker's replica and the number of its updates. */
export class ReplicaState {
  readonly #run: PreparedRun;
  #replica: HeldReplica = { name: "nothing" };
  #forms: readonly GradientForm[] = [];

  constructor(run: PreparedRun) {
    this.#run = run;
  }

  /** Number of updates in the weights; undefined if they are not those of the run. */
  get step(): number | undefined {
    return this.#replica.name === "current" ? this.#replica.step : undefined;
  }

  /**
   * Returns the replica, for a message that needs the weights of the run.
   *
   * @throws LockstepError ERR_MESSAGE_ORDER if there are none
   */
  current(type: CoordinatorMessage["type"]): { replica: Replica; step: number } {
    if (this.#replica.name === "current") return this.#replica;
    throw missingWeightsError(type);
  }

  /**
   * Runs one step on zeros, so that the device compiles its kernels before the first slice. The weights are zeros until
   * `start` brings those of the run.
   *
   * @throws LockstepError ERR_TENSOR_SIZE if a tensor of the model is too large for the GPU
   */
  async warmUp(): Promise<void> {
    const { config, loaded, names, maxRows = WARM_UP_ROWS } = this.#run;
    const zeros = names.map(({ name, torchShape }) => {
      return [name, { shape: torchShape, data: new Float32Array(elementsOf(torchShape)) }] as const;
    });
    const replica = this.#install(parameterValues(loaded.model, names, new Map(zeros)));
    this.#replica = { name: "stale", replica };
    replica.factor(factorableKernels(loaded.model)); // as in most runs
    const rows = Math.min(config.sliceRows ?? config.batchSize, maxRows, WARM_UP_ROWS);
    await warmUp(replica, loaded.inputShape, rows);
  }

  /** Starts from the seed's weights, from the held ones, or without any until they are loaded. */
  async start({ state, forms }: MessageOf<"start">): Promise<void> {
    this.#forms = forms;
    if (state === "held") this.current("start").replica.factor(this.#factoredKernels());
    else if (this.#replica.name === "current") this.#replica = { name: "stale", replica: this.#replica.replica };
    if (state !== "seed") return;
    const { config, loaded, names, own } = this.#run;
    const weights = toStateDict(names, await initialWeights(loaded.model, config, own));
    this.#replica = { name: "current", replica: this.#install(parameterValues(loaded.model, names, weights)), step: 0 };
  }

  /** Notes that an update was applied: the weights now have `step` of them. */
  advance(step: number): void {
    this.#replica = { name: "current", replica: this.current("commit").replica, step };
  }

  /**
   * Replaces the state with a received one.
   *
   * @returns the largest absolute difference between the two states' weights and momentum; 0 if none was held
   */
  async load(weights: StateDict, velocities: StateDict, step: number): Promise<number> {
    const { loaded, names } = this.#run;
    const difference = this.#replica.name === "current" ? await this.#differenceFrom(weights, velocities) : 0;
    const replica = this.#install(parameterValues(loaded.model, names, weights, velocities));
    this.#replica = { name: "current", replica, step };
    return difference;
  }

  /** Captures the current state, to be read while training continues. */
  snapshot(): StateSnapshot {
    return new StateSnapshot(this.current("send-state").replica, this.#run.names);
  }

  /** Computes the digest of all weights and momentum. */
  digest(): Promise<string> {
    return stateDigest(this.current("digest").replica, this.#run.names);
  }

  dispose(): void {
    if (this.#replica.name !== "nothing") this.#replica.replica.dispose();
  }

  #install(values: Values): Replica {
    const { config, loaded } = this.#run;
    const factoredKernels = this.#factoredKernels();
    if (this.#replica.name === "nothing") {
      return new Replica(loaded.model, values, { factoredKernels, dropout: config.dropout });
    }
    const { replica } = this.#replica;
    replica.load(values);
    replica.factor(factoredKernels);
    return replica;
  }

  #factoredKernels(): number[] {
    return this.#forms.flatMap((form, index) => (form === "factored" ? [index] : []));
  }

  async #differenceFrom(weights: StateDict, velocities: StateDict): Promise<number> {
    let largest = 0;
    for await (const { tensor, kind, offset, values } of this.snapshot().pieces(COMPARED_ELEMENTS)) {
      const receivedDict = kind === "weight" ? weights : velocities;
      const receivedValues = receivedDict.get(this.#run.names[tensor]?.name ?? "")?.data ?? new Float32Array();
      for (let i = 0; i < values.length; i++) {
        largest = Math.max(largest, Math.abs((values[i] ?? 0) - (receivedValues[offset + i] ?? 0)));
      }
    }
    return largest;
  }
}
