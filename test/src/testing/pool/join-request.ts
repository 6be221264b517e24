/** The requests that make a standby worker join a run. */

/** Options with which a standby worker joins a run. */
export interface JoinOptions {
  /** Path of its copy of a code model. @default it has none */
  model?: string;
  /** Milliseconds for which it tries to reconnect. @default 30,000 */
  reconnectMs?: number;
}

/** The line that makes a standby worker join a run. */
export interface JoinRequest extends JoinOptions {
  /** Number of the run, counted from 1. */
  run: number;
  name: string;
  /** URL of the coordinator. */
  coordinator: string;
  reconnectMs: number;
  /** Whether the worker outlives a failure of the run, which it prints. */
  mayFail: boolean;
}
