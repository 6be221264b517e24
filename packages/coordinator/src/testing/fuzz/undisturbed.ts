/** For tests: computes the weights of an undisturbed run, with one worker, without sockets and without a team. */
import { type CoordinatorMessage, StepRound, toWorkerId, type WorkerMessage } from "@lockstep/gradient-sync";
import { planSubtrees, type StepTask } from "@lockstep/run";
import { LAYOUT } from "../toy-model.ts";
import { ToyWorker } from "../toy-worker.ts";

/** The id of the only worker. */
const SELF = toWorkerId(0);

class LoneWorker extends ToyWorker {
  readonly sent: WorkerMessage[] = [];

  protected send(message: WorkerMessage): void {
    this.sent.push(message);
  }

  protected compute(_: number, then: () => void): void {
    then();
  }

  protected leftAlone(): void {}
}

/** Returns a worker that has made these steps alone. */
export function undisturbedWorker(tasks: Iterable<StepTask>, sliceRows: number): ToyWorker {
  const worker = new LoneWorker();
  const send = (message: CoordinatorMessage) => worker.receive(message);
  for (const task of tasks) {
    const round = new StepRound(task, planSubtrees(task.start, task.end, 1, sliceRows), LAYOUT);
    send(
      round.assign(
        SELF,
        round.subtrees.map(({ id }) => id),
      ).message,
    );
    for (const message of worker.sent.splice(0)) {
      const out = message.type === "gradient-chunk" ? round.onChunk(SELF, message) : [];
      if (message.type === "contribution") out.push(...round.onContribution(SELF, message));
      for (const { except, message: update } of out) if (except !== SELF) send(update);
    }
    send(round.commit().message);
  }
  return worker;
}
