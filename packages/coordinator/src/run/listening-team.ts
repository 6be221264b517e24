/** The team of a coordinator: workers can connect, and time passes for those who have. */
import { eventLogger, failureSignal, type Resources, type RunPanel, readMetrics } from "@lockstep/run";
import { Admission } from "../admission/admission.ts";
import { throttleLog } from "../connections/log-throttle.ts";
import { serveSessions } from "../connections/session-server.ts";
import { RemoteTeam } from "../team/remote-team.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import { openLocalRecords } from "./local-records.ts";
import type { DistributedRun } from "./open-run.ts";
import { welcomeMessage } from "./welcome-message.ts";

/** Bytes of updates that are kept for workers that join. */
const MAX_LOG_BYTES = 512 * 2 ** 20;

/** How often those who watch the run are told of its workers. */
const TEAM_EVERY_MS = 500;

const nowMs = () => performance.now();

/** The workers of a run, and those who ask to be among them. */
export interface ListeningTeam {
  team: RemoteTeam;
  admission: Admission;
  port: number;
  /** Aborts with the failure when the records that workers are to be given cannot be read. */
  failed: AbortSignal;
}

/** Opens the team, and has `resources` close it. */
export async function openTeam(options: CoordinatorOptions, resources: Resources): Promise<ListeningTeam> {
  const { distributed, panel, heartbeatMs } = options;
  const { config, runId } = distributed.run;
  const records = openLocalRecords(config); // listening does not wait for it
  resources.add(() => records.then((source) => source?.close()).catch(() => {})); // told already
  const welcome = records.then((source) => welcomeMessage(distributed, source));
  const log = eventLogger(panel.display, panel.live);
  const onPhase = panel.live.phase.bind(panel.live);
  const team = new RemoteTeam({ ...options, runId, maxLogBytes: MAX_LOG_BYTES, log, onPhase, nowMs });
  panel.controls.dismiss = (name) => team.dismiss(name);
  const logRefusal = options.localWorkers === undefined ? throttleLog((line) => log(line, "refused")) : undefined;
  const initial = initialOf(distributed);
  const admission = new Admission({
    config,
    team,
    version: options.version,
    initial,
    ...(logRefusal && { log: logRefusal }),
  });
  const server = await serveSessions({ ...options, welcome, records, admission, nowMs });
  resources.add(() => server.close());
  keepTime(team, heartbeatMs, panel, resources);
  return { team, admission, port: server.port, failed: failureSignal(welcome) };
}

/** Returns what is known of the run's model before the first worker comes. */
function initialOf({ run: { folder, saved, checkpoint }, state }: DistributedRun) {
  const lastStep = readMetrics(folder.metrics).findLast((row) => row.type === "step");
  return {
    updates: lastStep === undefined ? 0 : lastStep.step + 1, // a row is written before its update is made
    topologyDigest: saved?.derived.topologyDigest,
    weights: checkpoint?.tensors ?? state,
  };
}

function keepTime(team: RemoteTeam, heartbeatMs: number, { live }: RunPanel, resources: Resources): void {
  // After what has come in: if this process was suspended, nobody was silent, it just has not listened.
  const ticking = setInterval(() => setImmediate(() => team.tick()), Math.max(20, heartbeatMs / 4));
  resources.add(() => clearInterval(ticking));
  const showing = setInterval(() => live.apply({ type: "team", workers: team.workersNow }), TEAM_EVERY_MS);
  resources.add(() => clearInterval(showing));
}
