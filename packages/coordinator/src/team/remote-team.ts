/**
 * A team of workers behind sockets, who may come and go: a façade over its members, its phase, and the tasks that they
 * carry out. `decide` says who is gone and who computes what; `StepRound` says what goes out when a chunk comes in.
 */
import type { EvaluateTask, Evaluation, StateCapture, StepTask, StepTotals, Team } from "@lockstep/run";
import type { WorkerNow } from "@lockstep/run/live";
import type { MessageHandler } from "../connections/admission-control.ts";
import type { ReadySession } from "../connections/ready-session.ts";
import type { Member } from "../membership/members.ts";
import { Violations } from "../membership/violations.ts";
import { type RunStart, startWorkers } from "../state/initial-state.ts";
import type { Traffic } from "../step/step-stats.ts";
import { activeRun } from "./active-run.ts";
import { CatchUp } from "./catch-up.ts";
import { allLost, Departures, type Drop } from "./departures.ts";
import { EvaluationRunner } from "./evaluation-runner.ts";
import { MemberHandler } from "./member-handler.ts";
import type { ActiveRun, Phase } from "./phase.ts";
import { Quorum } from "./quorum.ts";
import { StepRunner } from "./step-runner.ts";
import { Supervisor } from "./supervisor.ts";
import type { TeamOptions } from "./team-options.ts";
import { TeamState } from "./team-state.ts";
import { workersNow } from "./team-view.ts";

/** Workers behind sockets as the team of a run. Time comes from outside, with `tick`. */
export class RemoteTeam implements Team {
  readonly #state: TeamState;
  readonly #steps: StepRunner;
  readonly #evaluations: EvaluationRunner;
  readonly #supervisor: Supervisor;
  readonly #departures: Departures;
  readonly #catchUp: CatchUp;
  readonly #quorum: Quorum;
  readonly #drop: Drop = (member, code, reason) => this.#departures.drop(member, code, reason);
  /** Why no worker can take part in this run, if that is so. */
  #failure: Error | undefined;

  constructor(options: TeamOptions) {
    const state = new TeamState(options);
    const decide = () => this.#supervisor.decide();
    const violations = new Violations({ log: options.log, drop: this.#drop });
    const steps = new StepRunner(state, { violations, drop: this.#drop, decide });
    const evaluations = new EvaluationRunner(state, violations);
    const reclaim = (member: Member) => {
      evaluations.withdraw(member);
      steps.withdraw(member);
    };
    this.#state = state;
    this.#steps = steps;
    this.#evaluations = evaluations;
    this.#supervisor = new Supervisor(state, { steps, drop: this.#drop });
    this.#departures = new Departures(state, { reclaim, decide });
    this.#catchUp = new CatchUp(state, () => this.tick());
    this.#quorum = new Quorum(state);
  }

  // Members

  /**
   * Takes in a worker that has built the model. If the run is under way, it catches up and takes part.
   *
   * @returns the handler of what it sends
   * @throws LockstepError ERR_NAME if its name is another's, even with its number
   */
  join(session: ReadySession): MessageHandler {
    const { membership, options } = this.#state;
    const member = membership.add(session, options.nowMs());
    const { device, backend } = session.hello;
    const line = `${member.name} joined: ${device}, ${backend} (${this.#state.memberCount})`;
    options.log(line, "joined", { worker: member.name, device, backend });
    this.#departures.update();
    const handler = new MemberHandler(member, {
      state: this.#state,
      steps: this.#steps,
      evaluations: this.#evaluations,
      departures: this.#departures,
    });
    return (message) => handler.onMessage(message);
  }

  /** A worker's connection has ended. */
  disconnect(session: ReadySession, reason: string): void {
    const member = this.#state.membership.get(session.workerId);
    if (member !== undefined) this.#departures.disconnect(member, reason);
  }

  /** Drops a worker for good, whatever it does. @returns whether it was here */
  dismiss(name: string): boolean {
    const member = this.members.find((one) => one.name === name);
    if (member !== undefined) this.#drop(member, "ERR_DISMISSED", "this was requested from the dashboard");
    return member !== undefined;
  }

  /** Looks at the time: who is silent, late or stalled. To be called several times in a heartbeat. */
  tick(): void {
    this.#catchUp.begin();
    this.#supervisor.decide();
    this.#departures.update();
  }

  // What is known of the run

  /** The phase that the run is in. */
  get phase(): Phase {
    return this.#state.phase.now;
  }

  /** How many the run waits for before it begins. */
  get workers(): number {
    return this.#state.options.workers;
  }

  /** Number of workers that have built the model. */
  get size(): number {
    return this.#state.membership.size;
  }

  get members(): readonly Member[] {
    return this.#state.membership.all;
  }

  /** What there is to show of each worker. */
  get workersNow(): WorkerNow[] {
    return workersNow(this.#state);
  }

  /** Number of updates that everyone was told of. */
  get updatesMade(): number {
    return this.#state.progress.updatesMade;
  }

  /** The most that there ever were: a run that goes on from its checkpoint has undone those after it. */
  get mostUpdatesMade(): number {
    return this.#state.progress.mostUpdatesMade;
  }

  /** Traffic of all steps and workers so far. */
  get traffic(): Readonly<Traffic> {
    return this.#steps.traffic;
  }

  /** The most updates that workers here still hold the weights of, if any hold those of this run. */
  get resumableStep(): number | undefined {
    return this.#state.membership.resumableStep(this.#state.options.runId);
  }

  /**
   * Whether, between steps, all who hold the weights want to leave: the last of them waits until they are saved, and
   * `reset` is called. At the end of a step others may still catch up.
   */
  get lastLeaves(): boolean {
    return this.#state.phase.stepRound === undefined && this.#state.membership.lastLeaves;
  }

  /** Resolves when `holds` returns true, after whatever happens. Rejects when nobody is left who holds the weights. */
  until(predicate: () => boolean): Promise<void> {
    return this.#state.condition.wait(predicate);
  }

  // The run

  /** All who are here begin; those who come later catch up. */
  async begin(start: RunStart): Promise<void> {
    const { membership, options, phase, progress } = this.#state;
    const [first] = membership.all;
    if (first === undefined) throw allLost();
    const run = activeRun(start, first.session.ready, this.#state, this.#drop);
    phase.enter({ name: "starting", run });
    const { source } = start;
    progress.standAt(source.from === "seed" ? 0 : source.step);
    await startWorkers(start, { membership, replicas: run.replicas, runId: options.runId });
    phase.rest();
    progress.skipTime();
    this.#catchUp.begin();
  }

  /** Resolves when enough workers take part; until then the run is paused, which is said. */
  assemble(signal: AbortSignal): Promise<void> {
    return this.#quorum.wait(signal);
  }

  pause(reason: string): void {
    const { phase } = this.#state;
    if (phase.run !== undefined) phase.enter({ name: "paused", run: phase.run, reason });
  }

  resume(): void {
    this.#state.phase.rest();
    this.#state.progress.skipTime();
  }

  async step(task: StepTask, beforeCommit: (totals: StepTotals) => void): Promise<void> {
    const run = this.#activeRun();
    this.#state.progress.standAt(task.step);
    this.#catchUp.begin();
    await this.#steps.run(task, run, beforeCommit);
    this.#catchUp.begin();
  }

  async evaluate(
    task: EvaluateTask,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Evaluation | undefined> {
    const evaluation = await this.#evaluations.run(task, this.#activeRun(), signal);
    this.#state.progress.skipTime();
    return evaluation;
  }

  captureState(): StateCapture {
    const state = this.#read();
    state.catch(() => {}); // whoever reads it hears of it
    return { read: () => state };
  }

  /** @throws LockstepError ERR_REPLICA that names the worker whose replica is not what it must be */
  async checkReplicas(): Promise<void> {
    await this.#activeRun().replicas.compare(this.#state.membership.in("in"));
    this.#state.progress.skipTime();
  }

  /** Nobody is left who holds the weights: those who are here, and those who come, may begin again. */
  reset(): void {
    const { assignments, condition, phase } = this.#state;
    phase.enter({ name: "gathering" });
    assignments.clear();
    condition.fail(this.#failure);
    for (const member of this.members) {
      if (member.state === "leaving") this.#departures.release(member);
      else if (member.state !== "waiting")
        this.#drop(member, "ERR_STATE_LOST", "the workers that had the weights for it are lost");
    }
  }

  /** No worker can take part in this run: whoever waits for something, now or later, hears why. */
  giveUp(reason: Error): void {
    this.#failure ??= reason;
    this.#state.condition.fail(this.#failure);
  }

  /** Says goodbye to all. */
  finish(): void {
    for (const member of this.members) member.send({ type: "finished" });
    this.#state.membership.clear();
    this.#state.phase.enter({ name: "over" });
  }

  // Inside

  /** @throws LockstepError ERR_ALL_LOST when nobody holds the weights */
  #activeRun(): ActiveRun {
    const { condition, phase } = this.#state;
    if (phase.run === undefined) throw condition.failure ?? allLost();
    return phase.run;
  }

  async #read(): ReturnType<StateCapture["read"]> {
    return this.#activeRun().replicas.read();
  }
}
