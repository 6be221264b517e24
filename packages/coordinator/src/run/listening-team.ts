/** The team of a coordinator together with its server and its timers. */
import { eventLogger, failureSignal, type Resources, type RunPanel, readMetrics } from "@lockstep/run";
import { Admission } from "../admission/admission.ts";
import { throttleLog } from "../connections/log-throttle.ts";
import { serveSessions } from "../connections/session-server.ts";
import { RemoteTeam } from "../team/remote-team.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import { openLocalRecords } from "./local-records.ts";
import type { DistributedRun } from "./open-run.ts";
import { welcomeMessage } from "./welcome-message.ts";

/** Bytes of updates that are buffered for workers that join late. */
const MAX_LOG_BYTES = 512 * 2 ** 20;

/** Milliseconds between the updates of the workers' state on the dashboard. */
const TEAM_EVERY_MS = 500;

const nowMs = () => performance.now();

/** A team that workers can join, with its admission and its port. */
export interface ListeningTeam {
  team: RemoteTeam;
  admission: Admission;
  port: number;
  /** Aborts with the failure when the records that are served to workers cannot be read. */
  failed: AbortSignal;
}

/** Opens the team and its server, which `resources` closes. */
export async function openTeam(options: CoordinatorOptions, resources: Resources): Promise<ListeningTeam> {
  const { distributed, panel, heartbeatMs } = options;
  const { config, runId } = distributed.run;
  const records = openLocalRecords(config); // listening does not wait for this
  resources.add(() => records.then((source) => source?.close()).catch(() => {})); // `failed` reports this error
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

/** Returns what is known of the run's model before the first worker joins. */
function initialOf({ run: { folder, saved, checkpoint }, state }: DistributedRun) {
  const lastStep = readMetrics(folder.metrics).findLast((row) => row.type === "step");
  return {
    updates: lastStep === undefined ? 0 : lastStep.step + 1, // a row is written before its update is committed
    topologyDigest: saved?.derived.topologyDigest,
    weights: checkpoint?.tensors ?? state,
  };
}

/** Starts the timers that advance the team's time and refresh the dashboard. */
function keepTime(team: RemoteTeam, heartbeatMs: number, { live }: RunPanel, resources: Resources): void {
  // Ticks after pending input is read: after a suspension of this process, workers must not look silent.
  const ticking = setInterval(() => setImmediate(() => team.tick()), Math.max(20, heartbeatMs / 4));
  resources.add(() => clearInterval(ticking));
  const showing = setInterval(() => live.apply({ type: "team", workers: team.workersNow }), TEAM_EVERY_MS);
  resources.add(() => clearInterval(showing));
}
