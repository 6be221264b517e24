/** This worker's part in a run: its replica, kept through connections that end, and what it does when it is told to. */
import { LockstepError } from "@lockstep/errors";
import { elementsOf, type GradientForm, makeLayout } from "@lockstep/gradient-sync";
import { factorableKernels, initialWeights, type StateDict, toStateDict } from "@lockstep/model";
import {
  Batches,
  evaluateBatch,
  LapClock,
  type PreparedRun,
  parameterValues,
  Replica,
  StateSnapshot,
  stateDigest,
  takeStep,
  warmUp,
} from "@lockstep/training";
import type { Connection } from "./connection/connection.ts";
import { type ControlMessage, Dismissed, type Inbox, type ReceivedMessage } from "./connection/inbox.ts";
import { CoordinatorExchange } from "./exchange/coordinator-exchange.ts";
import { sliceToPrefetch } from "./exchange/prefetch.ts";
import { assertAssign, assertEvaluate, assertStart, assertWeights } from "./message-checks.ts";
import { StateIntake } from "./state/state-intake.ts";
import { StateSender } from "./state/state-sender.ts";

/** Of the step on zeros: what is to be compiled is the same for more. */
const WARM_UP_ROWS = 32;

type Message<Type extends ReceivedMessage["type"]> = Extract<ReceivedMessage, { type: Type }>;

export class Participant {
  readonly #run: PreparedRun;
  readonly #log: (line: string) => void;
  readonly #clock = new LapClock();
  #replica: Replica | undefined;
  /** Updates that the replica has; undefined while its weights are not those of the run. */
  #step: number | undefined;
  #forms: readonly GradientForm[] = [];
  #connection: Connection | undefined;
  #sender: StateSender | undefined;
  #intake: StateIntake | undefined;
  #assigned: Message<"assign"> | undefined;

  constructor(run: PreparedRun, log: (line: string) => void) {
    this.#run = run;
    this.#log = log;
  }

  /**
   * Has the device compile and choose what it does only once, so that the first slice takes as long as any other. The
   * weights are zeros meanwhile, and those of the run come with `start`.
   *
   * @throws LockstepError ERR_TENSOR_SIZE if the GPU does not take a tensor of the model
   */
  async warmUp(): Promise<void> {
    const { config, loaded, names, maxRows = WARM_UP_ROWS } = this.#run;
    const zeros = names.map(({ name, torchShape }) => {
      return [name, { shape: torchShape, data: new Float32Array(elementsOf(torchShape)) }] as const;
    });
    this.#install(parameterValues(loaded.model, names, new Map(zeros)));
    this.#replica!.factor(factorableKernels(loaded.model)); // as most runs have it
    const rows = Math.min(config.sliceRows ?? config.batchSize, maxRows, WARM_UP_ROWS);
    await warmUp(this.#replica!, loaded.inputShape, rows);
  }

  /** What it holds, for a coordinator that was started again. */
  held(run: string): { run: string; step: number } | undefined {
    return this.#step === undefined ? undefined : { run, step: this.#step };
  }

  /**
   * Does what the coordinator asks for, in order, until it says that the run is over or that this worker may leave.
   *
   * @throws Dismissed then
   * @throws LockstepError when the connection ends; the replica is then as it was after the last whole step
   */
  async serve(connection: Connection, inbox: Inbox): Promise<never> {
    this.#connection = connection;
    this.#sender = new StateSender(connection);
    const begin = async (start: Message<"start">) => {
      assertStart(start, this.#tensors(), this.#step);
      await this.#begin(start);
      return new CoordinatorExchange(connection, inbox, makeLayout(this.#tensors(), start), this.#clock);
    };
    let exchange = await begin(await inbox.expect("start"));
    const batches = new Batches(this.#run.thread, (last) =>
      sliceToPrefetch(this.#assigned, this.#run.thread.meta, last),
    );
    try {
      for (;;) {
        const message = await inbox.next();
        if (message.type === "finished") throw new Dismissed();
        if (message.type === "start") {
          exchange.dispose();
          exchange = await begin(message); // whoever sent its state was lost
        } else await this.#obey(message, exchange, batches);
      }
    } finally {
      this.#connection = undefined;
      exchange.dispose();
      await this.#sender.close();
      await batches.drain();
    }
  }

  /**
   * Does what concerns no step, and may be asked for at any time.
   *
   * @returns what goes on after the call, if anything does
   * @throws LockstepError ERR_MESSAGE_ORDER for what may not be asked for now
   */
  handleControl(message: ControlMessage): Promise<void> | undefined {
    if (this.#connection === undefined) {
      throw new LockstepError(
        "ERR_MESSAGE_ORDER",
        `The coordinator sent ${message.type} before this worker took part.`,
      );
    }
    switch (message.type) {
      case "send-state":
        assertWeights(this.#step, message.type);
        this.#sender!.assertRoom(message.request);
        return this.#sender!.send(message, this.#step, new StateSnapshot(this.#replica!, this.#run.names));
      case "sync":
        this.#connection.send({ type: "synced" });
        break;
      case "state-ack":
        this.#sender!.acknowledged(message.request);
        break;
      case "rejected":
        this.#log(
          `the coordinator refused what this worker sent for slice ${message.slice} of step ${message.step}: ${message.reason}`,
        );
    }
    return undefined;
  }

  dispose(): void {
    this.#replica?.dispose();
  }

  async #obey(message: ReceivedMessage, exchange: CoordinatorExchange, batches: Batches): Promise<void> {
    const connection = this.#connection!;
    const replica = this.#replica!; // there, if there are weights
    const sizes = this.#run.thread.meta;
    switch (message.type) {
      case "assign": {
        assertAssign(message, this.#step, sizes);
        this.#clock.lap("wait");
        this.#assigned = message;
        exchange.assign(message);
        const { config, maxRows } = this.#run;
        const context = { config: { ...config, maxRows }, replica, batches, exchange, clock: this.#clock };
        await takeStep(context, { ...message, type: "step" }, () => {});
        this.#step = message.step + 1;
        return;
      }
      case "evaluate": {
        assertWeights(this.#step, message.type);
        assertEvaluate(message, sizes);
        const { request, part, start, end } = message;
        const batch = await batches.take({ part, epoch: 0, start, end });
        const { predictions, ...sums } = await evaluateBatch(replica, batch);
        const shown = message.part === "test" && { predictions };
        connection.send({ type: "evaluation", request, ...sums, ...shown });
        this.#clock.finish(); // the next step begins after the evaluation
        return;
      }
      case "digest": {
        assertWeights(this.#step, message.type);
        const digest = await stateDigest(replica, this.#run.names);
        connection.send({ type: "digest-result", step: this.#step, digest });
        this.#clock.finish();
        return;
      }
      case "load-chunk":
        this.#intake ??= new StateIntake(this.#run.names);
        this.#intake.take(message);
        return;
      case "load-end":
        return this.#load(message);
      default:
        throw new LockstepError("ERR_MESSAGE_ORDER", `The coordinator sent ${message.type} where a task was expected.`);
    }
  }

  /** With weights from the seed, with those that it holds, or with none until they have come. */
  async #begin({ state, forms }: Message<"start">): Promise<void> {
    this.#forms = forms;
    this.#intake = undefined;
    if (state === "held") {
      this.#replica!.factor(this.#factored());
      return;
    }
    this.#step = undefined;
    if (state === "follows") return;
    const { config, loaded, names } = this.#run;
    const weights = toStateDict(names, await initialWeights(loaded.model, config, this.#run.own));
    this.#install(parameterValues(loaded.model, names, weights));
    this.#step = 0;
  }

  /** Takes the state that has come instead of its own. */
  async #load({ step }: Message<"load-end">): Promise<void> {
    const { loaded, names } = this.#run;
    const intake = this.#intake ?? new StateIntake(names);
    this.#intake = undefined;
    intake.assertWhole();
    const [weights, velocities] = [intake.dict("weight"), intake.dict("velocity")];
    const largestDifference =
      this.#step === undefined ? 0 : await this.#differenceFrom({ weight: weights, velocity: velocities });
    this.#install(parameterValues(loaded.model, names, weights, velocities));
    this.#step = step;
    this.#connection!.send({ type: "loaded", largestDifference });
    this.#clock.finish();
  }

  #install(values: ReturnType<typeof parameterValues>): void {
    const { config, loaded } = this.#run;
    if (this.#replica === undefined) this.#replica = new Replica(loaded.model, values, { dropout: config.dropout });
    else this.#replica.load(values);
    this.#replica.factor(this.#factored());
  }

  #factored(): number[] {
    return this.#forms.flatMap((form, index) => (form === "factored" ? [index] : []));
  }

  /** The largest absolute difference of any weight or momentum. */
  async #differenceFrom(state: Record<"weight" | "velocity", StateDict>): Promise<number> {
    let largest = 0;
    const snapshot = new StateSnapshot(this.#replica!, this.#run.names);
    for await (const { tensor, kind, offset, values } of snapshot.pieces(2 ** 20)) {
      const others = state[kind].get(this.#run.names[tensor]!.name)!.data;
      for (let i = 0; i < values.length; i++) {
        largest = Math.max(largest, Math.abs(values[i]! - others[offset + i]!));
      }
    }
    return largest;
  }

  #tensors() {
    const { loaded, names } = this.#run;
    return names.map(({ name }, index) => ({
      name,
      shape: loaded.model.weights[index]!.shape as number[],
      dtype: "float32" as const,
    }));
  }
}
