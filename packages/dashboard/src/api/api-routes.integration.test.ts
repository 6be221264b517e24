import { readFileSync } from "node:fs";
import { request } from "node:http";
import { LiveRun, PHASE_NAMES } from "@lockstep/run/live";
import { defined } from "@lockstep/testing";
import { openServer, type TransportServer } from "@lockstep/transport";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeSite, type Site } from "../site.ts";

const STEP_ENDED_MS = Date.UTC(2026, 10, 24, 12, 0, 0, 500);
const TOKEN = "the-token";
let live: LiveRun;
let server: TransportServer;
let site: Site;
beforeEach(async () => {
  live = new LiveRun(undefined, () => STEP_ENDED_MS);
  site = makeSite({ live });
  const { onRequest, isProtected } = site;
  server = await openServer({
    host: "127.0.0.1",
    port: 0,
    anyPort: false,
    maxPayload: 1024,
    token: TOKEN,
    refusedJoinsPerMinute: 3,
    onSocket: () => {},
    onRequest,
    isProtected,
  });
});
afterEach(async () => {
  site.close();
  await server.close();
});

interface Reply {
  status: number;
  type: string | undefined;
  text: string;
}

function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port: server.port, path, method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (data: string) => (text += data));
      response.on("end", () =>
        resolve({ status: defined(response.statusCode), type: response.headers["content-type"], text }),
      );
    });
    sent.on("error", reject).end();
  });
}
const trusted = { authorization: `Bearer ${TOKEN}` };

/** Parses the text format of Prometheus, version 0.0.4: `name{label="value"} number`; each name has a help and a type. */
function parse(text: string): { types: Record<string, string>; values: Record<string, number> } {
  const types: Record<string, string> = {};
  const values: Record<string, number> = {};
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("# HELP ")) continue;
    const [, typed, type] = /^# TYPE (\S+) (gauge|counter)$/.exec(line) ?? [];
    if (typed !== undefined) {
      types[typed] = defined(type);
      continue;
    }
    const [, name, labels = "", value] = defined(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line));
    expect(types, line).toHaveProperty(defined(name));
    const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)/g)];
    expect(pairs.map(([pair]) => pair).join(""), line).toBe(labels);
    const key = pairs.map(([, label, escaped]) => `${label}=${defined(escaped).replace(/\\(.)/g, "$1")}`).sort();
    values[[name, ...key].join(" ")] = Number(value);
  }
  return { types, values };
}

/** Two steps of two workers, one of which is lost afterwards: its slice is reassigned. */
function twoSteps(): void {
  const sums = { type: "step", epoch: 2, samples: 8, correct: 1, lr: 0.1, slices: 2 } as const;
  const share = (name: string, ms: Record<string, number>) => {
    return { name, samples: 4, bytesUp: 1000, bytesDown: 3000, ms, io: { send: 30 } };
  };
  const a = share("a", { forward: 100, wait: 150 });
  const quoted = share('b "the \\ second"', { forward: 240, wait: 10 });
  live.event("joined", "joined", { worker: "a", device: "a CPU", backend: "native" });
  live.apply({ type: "row", row: { ...sums, step: 6, loss: 3, ms: { step: 260 }, workers: [a, quoted] } });
  live.apply({ type: "row", row: { ...sums, step: 7, loss: 2.5, ms: { step: 250 }, workers: [a, quoted] } });
  live.event("refused", "refused", { worker: quoted.name });
  live.event("lost", "lost", { worker: quoted.name });
  live.event("slice 1 goes to a", "slice-redone", { worker: "a" });
  live.apply({ type: "progress", progress: { step: 8, steps: 20, loss: 2.5, samplesPerSecond: 32, secondsLeft: 3 } });
  const now = { state: "in", slices: [{ start: 8, end: 16 }], heartbeatAgeMs: 70 } as const;
  live.apply({ type: "team", workers: [{ name: "a", device: "a CPU", backend: "native", ...now }] });
}

describe("/metrics", () => {
  test("/metrics has all figures in seconds, and no gauges of a worker that has left", async () => {
    twoSteps();
    const { status, type, text } = await ask("/metrics", trusted);
    expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    const { types, values } = parse(text);
    const second = 'worker=b "the \\ second"';
    expect(values).toEqual({
      lockstep_step: 8,
      lockstep_epoch: 2,
      lockstep_loss: 2.5,
      lockstep_learning_rate: 0.1,
      lockstep_images_per_second: 32,
      lockstep_step_seconds: 0.25,
      lockstep_workers: 1,
      lockstep_last_step_timestamp_seconds: STEP_ENDED_MS / 1000,
      "lockstep_step_part_seconds part=forward worker=a": 0.1,
      "lockstep_step_part_seconds part=wait worker=a": 0.15,
      "lockstep_socket_seconds part=send worker=a": 0.03,
      "lockstep_heartbeat_age_seconds worker=a": 0.07,
      "lockstep_images_total worker=a": 8,
      [`lockstep_images_total ${second}`]: 8,
      "lockstep_bytes_total direction=up worker=a": 2000,
      "lockstep_bytes_total direction=down worker=a": 6000,
      [`lockstep_bytes_total direction=up ${second}`]: 2000,
      [`lockstep_bytes_total direction=down ${second}`]: 6000,
      lockstep_redone_slices_total: 1,
      lockstep_refused_messages_total: 1,
    });
    for (const [name, type] of Object.entries(types)) expect(type === "counter", name).toBe(name.endsWith("_total"));
    expect(parse((await ask("/metrics", trusted)).text).values).toEqual(values); // counters do not grow by being read
  });

  test("/metrics has the phase as a state set", async () => {
    live.phase("stepping");
    const { values } = parse((await ask("/metrics", trusted)).text);
    const phases = Object.entries(values).filter(([name]) => name.startsWith("lockstep_run_phase"));
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

  test("/metrics has no samples of unknown figures", async () => {
    const { values } = parse((await ask("/metrics", trusted)).text);
    expect(values).toEqual({
      lockstep_step: 0,
      lockstep_workers: 0,
      lockstep_redone_slices_total: 0,
      lockstep_refused_messages_total: 0,
    });
  });
});

describe("/api/run", () => {
  const docs = readFileSync(new URL("../../../../docs/monitoring.md", import.meta.url), "utf8");

  test("/api/run has null for every unknown value", async () => {
    expect(JSON.parse((await ask("/api/run", trusted)).text)).toMatchObject({
      step: 0,
      loss: null,
      workers: [],
      phase: null,
      phaseSince: null,
      phaseReason: null,
    });
    twoSteps();
    live.phase("paused", "1 of at least 2 workers are here");
    const { type, text } = await ask("/api/run?pretty", trusted);
    expect(type).toBe("application/json");
    expect(JSON.parse(text)).toMatchObject({
      version: 1,
      runId: null,
      state: "waiting",
      step: 8,
      steps: null,
      epoch: 2,
      loss: 2.5,
      learningRate: 0.1,
      stepMs: 250,
      lastStepAt: "2026-11-24T12:00:00.500Z",
      samplesPerSecond: 32,
      secondsLeft: 3,
      test: null,
      redoneSlices: 1,
      refused: 1,
      phase: "paused",
      phaseSince: "2026-11-24T12:00:00.500Z",
      phaseReason: "1 of at least 2 workers are here",
      workers: [
        {
          name: "a",
          device: "a CPU",
          backend: "native",
          state: "in",
          goneBecause: null,
          heartbeatAgeMs: 70,
          samples: 8,
          bytesUp: 2000,
          bytesDown: 6000,
          ms: { forward: 100, wait: 150 },
          redoneSlices: 1,
        },
        { state: "lost", goneBecause: "lost", refused: 1 },
      ],
    });
  });

  test("docs/monitoring.md lists every field, metric and phase, and no other", async () => {
    twoSteps();
    live.phase("stepping");
    const report = JSON.parse((await ask("/api/run", trusted)).text) as { workers: object[] };
    const { types } = parse((await ask("/metrics", trusted)).text);
    const documented = (heading: string) => {
      const [section] = defined(docs.split(`\n## ${heading}\n`)[1]).split("\n## ");
      return [...defined(section).matchAll(/^\| (`.*?`) \|/gm)]
        .flatMap(([, cell]) => defined(defined(cell).match(/[\w]+/g)))
        .sort();
    };
    expect(documented("/api/run")).toEqual([...Object.keys(report), ...Object.keys(defined(report.workers[0]))].sort());
    expect(documented("/metrics")).toEqual(Object.keys(types).sort());
    expect(documented("The phase")).toEqual([...PHASE_NAMES].sort());
  });
});

describe("access", () => {
  test.each(["/metrics", "/api/run"])("%s needs the token, and guesses are rate limited", async (path) => {
    expect(await ask(path)).toMatchObject({ status: 401, text: "Expected the token of this coordinator, got none.\n" });
    for (let guess = 0; guess < 2; guess++) {
      expect((await ask(path, { authorization: `Bearer guess-${guess}` })).status).toBe(401);
    }
    expect((await ask(path, trusted)).status).toBe(429);
    expect((await ask("/healthz")).status).toBe(200);
  });

  test.each(["/metrics", "/api/run", "/healthz"])("%s refuses a foreign Host header", async (path) => {
    expect((await ask(path, { ...trusted, host: "evil.example" })).status).toBe(403);
  });

  test("/healthz is public, and every path is read-only", async () => {
    expect(await ask("/healthz")).toMatchObject({ status: 200, text: "ok\n" });
    for (const path of ["/healthz", "/metrics", "/api/run"]) {
      expect((await ask(path, trusted, "POST")).status, path).toBe(405);
    }
    expect((await ask("/metrics", trusted, "HEAD")).text).toBe("");
    expect((await ask("/elsewhere", trusted)).status).toBe(404);
  });
});
