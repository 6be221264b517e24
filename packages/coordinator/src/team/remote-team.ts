/**
 * A team of workers behind sockets, which may join and leave at any time: a façade over its members, its phase and its
 * tasks. `decide` determines which members are dropped and who computes what; `StepRound` determines which messages
 * follow from an incoming chunk.
 */
import type { EvaluateTask, Evaluation, StateCapture, StepTask, StepTotals, Team } from "@lockstep/run";
import type { WorkerNow } from "@lockstep/run/live";
import type { MessageHandler } from "../connections/admission-control.ts";
import type { ReadySession } from "../connections/ready-session.ts";
import type { Drop, Member } from "../membership/members.ts";
import { Violations } from "../membership/violations.ts";
import { type RunStart, startWorkers } from "../state/initial-state.ts";
import type { Traffic } from "../step/step-stats.ts";
import { type ActiveRun, makeActiveRun } from "./active-run.ts";
import { CatchUp } from "./catch-up.ts";
import { allLost, Departures } from "./departures.ts";
import { EvaluationRunner } from "./evaluation-runner.ts";
import { MemberHandler } from "./member-handler.ts";
import type { Phase } from "./phase.ts";
import { Quorum } from "./quorum.ts";
import { StepRunner } from "./step-runner.ts";
import { Supervisor } from "./supervisor.ts";
import type { TeamOptions } from "./team-options.ts";
import { TeamState } from "./team-state.ts";
import { workersNow } from "./team-view.ts";

/** Workers behind sockets as the team of a run. The owner advances its time with `tick`. */
export class RemoteTeam implements Team {
  readonly #state: TeamState;
  readonly #steps: StepRunner;
  readonly #evaluations: EvaluationRunner;
  readonly #supervisor: Supervisor;
  readonly #departures: Departures;
  readonly #catchUp: CatchUp;
  readonly #quorum: Quorum;
  readonly #drop: Drop = (member, code, reason) => this.#departures.drop(member, code, reason);
  /** Reason why no worker can take part in this run, if `giveUp` was called. */
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
   * Adds a worker that has built the model. If the run has started, the worker catches up first.
   *
   * @returns the handler of its messages
   * @throws LockstepError ERR_NAME if its name is taken, even with its id appended
   */
  join(session: ReadySession): MessageHandler {
    const { membership, options } = this.#state;
    const member = membership.add(session, options.nowMs());
    const { device, backend } = session.hello;
    const renamed = member.name === session.hello.name ? "" : `, renamed because ${session.hello.name} is taken`;
    const line = `${member.name} joined${renamed}: ${device}, ${backend} (${this.#state.memberCount})`;
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

  /** Removes a worker whose connection has ended. */
  disconnect(session: ReadySession, reason: string): void {
    const member = this.#state.membership.get(session.workerId);
    if (member !== undefined) this.#departures.disconnect(member, reason);
  }

  /** Drops a worker at the user's request. @returns whether the worker was a member */
  dismiss(name: string): boolean {
    const member = this.members.find((one) => one.name === name);
    if (member !== undefined) this.#drop(member, "ERR_DISMISSED", "this was requested from the dashboard");
    return member !== undefined;
  }

  /**
   * Checks the time: drops silent and stalled members, and reassigns late slices. Call it several times per heartbeat.
   */
  tick(): void {
    this.#catchUp.start();
    this.#supervisor.decide();
    this.#departures.update();
  }

  // State of the run

  /** The current phase of the run. */
  get phase(): Phase {
    return this.#state.phase.now;
  }

  /** Number of workers that the run waits for before it begins. */
  get workers(): number {
    return this.#state.options.workers;
  }

  /** Number of members. */
  get size(): number {
    return this.#state.membership.size;
  }

  /** All members, in the order in which they joined. */
  get members(): readonly Member[] {
    return this.#state.membership.all;
  }

  /** The state of each worker, for the dashboard. */
  get workersNow(): WorkerNow[] {
    return workersNow(this.#state);
  }

  /** Number of committed updates. */
  get updatesMade(): number {
    return this.#state.progress.updatesMade;
  }

  /** Largest number of updates ever committed; resuming from a checkpoint undoes later ones. */
  get maxUpdatesMade(): number {
    return this.#state.progress.maxUpdatesMade;
  }

  /** Traffic of all steps and workers so far. */
  get traffic(): Readonly<Traffic> {
    return this.#steps.traffic;
  }

  /** Latest step whose weights members still held when they joined; undefined if none hold weights of this run. */
  get resumableStep(): number | undefined {
    return this.#state.membership.resumableStep(this.#state.options.runId);
  }

  /**
   * Whether, between steps, all members that hold the weights are leaving. The last of them stays until the weights are
   * saved and `reset` is called. During a step this is false, because others may still catch up at its end.
   */
  get lastLeaves(): boolean {
    return this.#state.phase.stepRound === undefined && this.#state.membership.lastLeaves;
  }

  /**
   * Resolves when `predicate` returns true; it is tested after every event. Rejects when no worker holds the weights.
   */
  until(predicate: () => boolean): Promise<void> {
    return this.#state.condition.wait(predicate);
  }

  // The run

  /** Starts or resumes the run with the current members; workers that join later catch up. */
  async begin(start: RunStart): Promise<void> {
    const { condition, membership, options, phase, progress, requests, streams } = this.#state;
    const [first] = membership.all;
    if (first === undefined) throw allLost();
    const { maxLogBytes, log } = options;
    const parts = { condition, membership, progress, requests, streams, maxLogBytes, log, drop: this.#drop };
    const run = makeActiveRun(start, first.session.ready, parts);
    phase.enter({ name: "starting", run });
    const { source } = start;
    progress.resumeAt(source.from === "seed" ? 0 : source.step);
    await startWorkers(start, { membership, replicas: run.replicas, runId: options.runId });
    phase.rest();
    progress.skipTime();
    this.#catchUp.start();
  }

  /** Resolves when enough members hold the weights; pauses the run until then. */
  assemble(signal: AbortSignal): Promise<void> {
    return this.#quorum.wait(signal);
  }

  /** Enters the phase `paused` with this reason. */
  pause(reason: string): void {
    const { phase } = this.#state;
    if (phase.run !== undefined) phase.enter({ name: "paused", run: phase.run, reason });
  }

  /** Ends a pause. */
  resume(): void {
    this.#state.phase.rest();
    this.#state.progress.skipTime();
  }

  /** Runs one step; see `Team`. */
  async step(task: StepTask, beforeCommit: (totals: StepTotals) => void): Promise<void> {
    const run = this.#activeRun();
    this.#state.progress.resumeAt(task.step);
    this.#catchUp.start();
    await this.#steps.run(task, run, beforeCommit);
    this.#catchUp.start();
  }

  /** Evaluates a split; see `Team`. */
  async evaluate(
    task: EvaluateTask,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Evaluation | undefined> {
    const evaluation = await this.#evaluations.run(task, this.#activeRun(), signal);
    this.#state.progress.skipTime();
    return evaluation;
  }

  /** Starts to read the current state; see `Team`. */
  captureState(): StateCapture {
    const state = this.#read();
    state.catch(() => {}); // `read` reports the error
    return { read: () => state };
  }

  /** Compares all replicas. @throws LockstepError ERR_REPLICA with the names of the faulty workers */
  async checkReplicas(): Promise<void> {
    await this.#activeRun().replicas.compare(this.#state.membership.withState("in"));
    this.#state.progress.skipTime();
  }

  /** Gathers workers again after no worker holds the weights any more. */
  reset(): void {
    const { assignments, condition, phase } = this.#state;
    phase.enter({ name: "gathering" });
    assignments.clear();
    if (this.#failure === undefined) condition.clear();
    else condition.fail(this.#failure);
    for (const member of this.members) {
      if (member.state === "leaving") this.#departures.release(member);
      else if (member.state !== "waiting")
        this.#drop(member, "ERR_STATE_LOST", "the workers that held its weights were lost");
    }
  }

  /** Rejects all waits, now and later, because no worker can take part in this run. */
  giveUp(reason: Error): void {
    this.#failure ??= reason;
    this.#state.condition.fail(this.#failure);
  }

  /** Tells all members that the run is over, and removes them. */
  finish(): void {
    for (const member of this.members) member.send({ type: "finished" });
    this.#state.membership.clear();
    this.#state.phase.enter({ name: "over" });
  }

  // Private

  /** Returns the active run. @throws LockstepError ERR_ALL_LOST when no worker holds the weights */
  #activeRun(): ActiveRun {
    const { condition, phase } = this.#state;
    if (phase.run === undefined) throw condition.failure ?? allLost();
    return phase.run;
  }

  async #read(): ReturnType<StateCapture["read"]> {
    return this.#activeRun().replicas.read();
  }
}
