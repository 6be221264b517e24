/** For tests: what a run comes to when nobody disturbs it, without sockets or a team. */
import { type CoordinatorMessage, StepRound, toWorkerId, type WorkerMessage } from "@lockstep/gradient-sync";
import { planSlices, type StepTask } from "@lockstep/run";
import { LAYOUT, ToyWorker } from "../toy-worker.ts";

/** The number of the only worker. */
const SELF = toWorkerId(0);

class LoneWorker extends ToyWorker {
  readonly said: WorkerMessage[] = [];

  protected say(message: WorkerMessage): void {
    this.said.push(message);
  }

  protected compute(_: number, then: () => void): void {
    then();
  }

  protected leftAlone(): void {}
}

/** A worker that has taken these steps alone. */
export function undisturbedWorker(tasks: Iterable<StepTask>, sliceRows: number): ToyWorker {
  const worker = new LoneWorker();
  const tell = (message: CoordinatorMessage) => worker.receive(message);
  for (const task of tasks) {
    const round = new StepRound(task, planSlices(task.start, task.end, 1, sliceRows), LAYOUT);
    tell(
      round.assign(
        SELF,
        round.slices.map(({ slice }) => slice),
      ).message,
    );
    for (const message of worker.said.splice(0)) {
      const out = message.type === "gradient-chunk" ? round.onChunk(SELF, message) : [];
      if (message.type === "contribution") out.push(...round.onContribution(SELF, message));
      for (const { except, message: update } of out) if (except !== SELF) tell(update);
    }
    tell(round.commit().message);
  }
  return worker;
}
