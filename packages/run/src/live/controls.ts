/** Commands from the dashboard. The run executes them between two tasks, where it can also stop safely. */
import { EventEmitter, once } from "node:events";
import { LockstepError } from "@lockstep/errors";
import { z } from "zod";
import { StopReason } from "../stop-reason.ts";
import type { Team } from "../team.ts";
import type { LiveRun } from "./live-run.ts";
import { hasLeft, isOver } from "./run-snapshot.ts";
import type { LogEvent } from "./updates.ts";

const commandSchema = z.discriminatedUnion("do", [
  z.strictObject({ do: z.enum(["pause", "resume", "checkpoint", "stop"]) }),
  z.strictObject({ do: z.literal("drop"), worker: z.string() }),
]);

/** A command that the run's page can send. */
export type Command = z.infer<typeof commandSchema>;

/** Parses a command. @throws LockstepError ERR_COMMAND if the text is not one */
export function parseCommand(text: string): Command {
  try {
    return commandSchema.parse(JSON.parse(text));
  } catch (cause) {
    const text = 'Expected {"do": "pause"}, "resume", "checkpoint" or "stop", or {"do": "drop", "worker": NAME}.';
    throw new LockstepError("ERR_COMMAND", text, { cause });
  }
}

/** Names the requester in messages. All senders of commands share one token, so they cannot be told apart. */
const REASON = "requested from the dashboard";

/** Queues commands until the run executes them between two tasks. */
export class Controls {
  /** Drops a worker. Returns false if it is not connected. Absent in a run in one process. */
  dismiss: ((worker: string) => boolean) | undefined;
  readonly #live: LiveRun;
  readonly #logEvent: LogEvent;
  #paused = false;
  #checkpoint = false;
  readonly #stop = new AbortController();
  readonly #received = new EventEmitter<{ command: [] }>();

  /** @param logEvent logs each command that is executed. @default it only adds the event to `live` */
  constructor(live: LiveRun, logEvent: LogEvent = live.event.bind(live)) {
    this.#live = live;
    this.#logEvent = logEvent;
  }

  /** Queues a command. @throws LockstepError ERR_COMMAND if it is not possible now */
  handle(command: Command): void {
    const now = this.#live.snapshot();
    if (isOver(now)) throw new LockstepError("ERR_COMMAND", "The run is over.");
    if (command.do === "drop") this.#drop(command.worker);
    else if (now.run === undefined)
      throw new LockstepError("ERR_COMMAND", "The run has not started yet; wait until its workers have joined.");
    this.#obey(command.do);
    this.#received.emit("command");
  }

  #obey(command: Command["do"]): void {
    switch (command) {
      case "pause":
        if (!this.#paused) this.#logEvent(`the run pauses: ${REASON}`, "paused");
        this.#paused = true;
        return;
      case "resume":
        if (this.#paused) this.#logEvent(`the run continues: ${REASON}`, "goes-on");
        this.#paused = false;
        return;
      case "checkpoint":
        this.#logEvent(`saving a checkpoint after this step: ${REASON}`, "wanted");
        this.#checkpoint = true;
        return;
      case "stop":
        this.#logEvent(`stopping after this step: ${REASON}`, "wanted");
        this.#stop.abort(new StopReason({ type: "dashboard" }));
    }
  }

  /** Aborts when a stop is requested. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Saves requested checkpoints, and waits while the run is paused. The run calls it between two tasks. */
  async attend(
    team: Pick<Team, "pause" | "resume">,
    checkpoint: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    for (let isPaused = false; ; isPaused = true) {
      while (this.#checkpoint) {
        this.#checkpoint = false; // cleared first: another one may be requested meanwhile
        await checkpoint();
      }
      if (!this.#paused || signal.aborted) {
        if (isPaused) team.resume?.();
        return;
      }
      if (!isPaused) team.pause?.(REASON);
      await once(this.#received, "command", { signal }).catch(() => {}); // an abort ends the pause too
    }
  }

  #drop(worker: string): void {
    const here = this.#live.snapshot().workers.filter((one) => !hasLeft(one));
    if (here.length < 2)
      throw new LockstepError("ERR_COMMAND", "The last worker cannot be dropped. Pause or stop the run instead.");
    if (this.dismiss?.(worker) !== true) throw new LockstepError("ERR_COMMAND", `No worker ${worker} is connected.`);
  }
}
