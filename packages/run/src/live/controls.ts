/** What people ask of a run while it goes. It is done between two tasks of the run, where a stop is safe, too. */
import { EventEmitter, once } from "node:events";
import { LockstepError } from "@lockstep/errors";
import { z } from "zod";
import { StopReason } from "../stop-reason.ts";
import type { Team } from "../team.ts";
import { hasLeft, isOver, type LiveRun } from "./live-run.ts";
import type { LogEvent } from "./updates.ts";

const commandSchema = z.discriminatedUnion("do", [
  z.strictObject({ do: z.enum(["pause", "resume", "checkpoint", "stop"]) }),
  z.strictObject({ do: z.literal("drop"), worker: z.string() }),
]);

/** A command that the run's page can send. */
export type Command = z.infer<typeof commandSchema>;

/** @throws LockstepError ERR_COMMAND */
export function parseCommand(text: string): Command {
  try {
    return commandSchema.parse(JSON.parse(text));
  } catch (cause) {
    const text = 'Expected {"do": "pause"}, "resume", "checkpoint" or "stop", or {"do": "drop", "worker": NAME}.';
    throw new LockstepError("ERR_COMMAND", text, { cause });
  }
}

/** Names who asked. Nobody knows more, since all who may command show the same token. */
const REASON = "requested from the dashboard";

/** Holds the commands until the run carries them out between two tasks. */
export class Controls {
  /** Drops a worker, and says whether it was there. Absent where there is no team. */
  dismiss: ((worker: string) => boolean) | undefined;
  readonly #live: LiveRun;
  readonly #logEvent: LogEvent;
  #paused = false;
  #checkpoint = false;
  readonly #stop = new AbortController();
  readonly #received = new EventEmitter<{ command: [] }>();

  /** @param logEvent hears of each command that is obeyed. @default the page's events alone */
  constructor(live: LiveRun, logEvent: LogEvent = live.event.bind(live)) {
    this.#live = live;
    this.#logEvent = logEvent;
  }

  /** @throws LockstepError ERR_COMMAND for what can't be done now */
  handle(command: Command): void {
    const now = this.#live.snapshot();
    if (isOver(now)) throw new LockstepError("ERR_COMMAND", "The run is over.");
    if (command.do === "drop") this.#drop(command.worker);
    else if (now.run === undefined)
      throw new LockstepError("ERR_COMMAND", "The run has not begun yet; wait for its workers.");
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
        if (this.#paused) this.#logEvent(`the run goes on: ${REASON}`, "goes-on");
        this.#paused = false;
        return;
      case "checkpoint":
        this.#logEvent(`a checkpoint after this step: ${REASON}`, "wanted");
        this.#checkpoint = true;
        return;
      case "stop":
        this.#logEvent(`stopping after this step: ${REASON}`, "wanted");
        this.#stop.abort(new StopReason({ type: "dashboard" }));
    }
  }

  /** Aborts when someone asks for a stop. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Between two tasks: takes the checkpoint that was asked for, and waits while the run is paused. */
  async attend(
    team: Pick<Team, "pause" | "resume">,
    checkpoint: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    for (let isPaused = false; ; isPaused = true) {
      while (this.#checkpoint) {
        this.#checkpoint = false; // before it is taken: another one may be asked for meanwhile
        await checkpoint();
      }
      if (!this.#paused || signal.aborted) {
        if (isPaused) team.resume?.();
        return;
      }
      if (!isPaused) team.pause?.(REASON);
      await once(this.#received, "command", { signal }).catch(() => {}); // an abort ends the pause, too
    }
  }

  #drop(worker: string): void {
    const here = this.#live.snapshot().workers.filter((one) => !hasLeft(one));
    if (here.length < 2) throw new LockstepError("ERR_COMMAND", "The run needs one worker; pause or stop it instead.");
    if (this.dismiss?.(worker) !== true) throw new LockstepError("ERR_COMMAND", `No worker ${worker} is here.`);
  }
}
