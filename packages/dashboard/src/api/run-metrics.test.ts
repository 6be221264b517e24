/** Tests /metrics, which Prometheus reads. */
import { expect } from "vitest";
import { parseMetrics } from "../testing/prometheus.ts";
import { NOW_MS, type ServedSite, test, trusted } from "../testing/served-site.ts";
import { addTwoSteps } from "../testing/two-steps.ts";

const metricsOf = async (site: ServedSite) => parseMetrics((await site.ask("/metrics", { headers: trusted })).text);

const b = 'worker=b "the \\ second"';
const AFTER_TWO_STEPS = {
  lockstep_step: 8,
  lockstep_epoch: 2,
  lockstep_loss: 2.5,
  lockstep_learning_rate: 0.1,
  lockstep_images_per_second: 32,
  lockstep_step_seconds: 0.25,
  lockstep_workers: 1,
  lockstep_last_step_timestamp_seconds: NOW_MS / 1000,
  "lockstep_step_part_seconds part=forward worker=a": 0.1,
  "lockstep_step_part_seconds part=wait worker=a": 0.15,
  "lockstep_socket_seconds part=send worker=a": 0.03,
  "lockstep_heartbeat_age_seconds worker=a": 0.07,
  "lockstep_images_total worker=a": 8,
  [`lockstep_images_total ${b}`]: 8,
  "lockstep_bytes_total direction=up worker=a": 2000,
  "lockstep_bytes_total direction=down worker=a": 6000,
  [`lockstep_bytes_total direction=up ${b}`]: 2000,
  [`lockstep_bytes_total direction=down ${b}`]: 6000,
  lockstep_redone_slices_total: 1,
  lockstep_refused_messages_total: 1,
};

test("/metrics is in the text format of Prometheus", async ({ site }) => {
  const { status, type } = await site.ask("/metrics", { headers: trusted });
  expect({ status, type }).toEqual({ status: 200, type: "text/plain; version=0.0.4; charset=utf-8" });
});

test("/metrics has all figures in seconds, and no gauges of a worker that has left", async ({ site }) => {
  addTwoSteps(site.live);
  expect((await metricsOf(site)).values).toEqual(AFTER_TWO_STEPS);
});

test("the counters in /metrics do not grow by being read", async ({ site }) => {
  addTwoSteps(site.live);
  await metricsOf(site);
  expect((await metricsOf(site)).values).toEqual(AFTER_TWO_STEPS);
});

test("the metrics that are counters are those whose names end with _total", async ({ site }) => {
  addTwoSteps(site.live);
  const { types } = await metricsOf(site);
  for (const [name, type] of Object.entries(types)) expect(type === "counter", name).toBe(name.endsWith("_total"));
});

test("/metrics has the phase as a state set", async ({ site }) => {
  site.live.phase("stepping");
  const phases = Object.entries((await metricsOf(site)).values).filter(([name]) =>
    name.startsWith("lockstep_run_phase"),
  );
  expect(Object.fromEntries(phases)).toEqual({
    "lockstep_run_phase phase=gathering": 0,
    "lockstep_run_phase phase=starting": 0,
    "lockstep_run_phase phase=idle": 0,
    "lockstep_run_phase phase=stepping": 1,
    "lockstep_run_phase phase=evaluating": 0,
    "lockstep_run_phase phase=paused": 0,
    "lockstep_run_phase phase=lost": 0,
    "lockstep_run_phase phase=over": 0,
  });
});

test("/metrics has no samples of unknown figures", async ({ site }) => {
  expect((await metricsOf(site)).values).toEqual({
    lockstep_step: 0,
    lockstep_workers: 0,
    lockstep_redone_slices_total: 0,
    lockstep_refused_messages_total: 0,
  });
});
