/** For tests: the admission of toy workers to a team, and the facts of their models. */
import { makeConfig } from "@lockstep/config";
import type { TfjsTopology } from "@lockstep/formats";
import { decodeFromWorker, encode, factsOf, fingerprintOf, type MessageOf } from "@lockstep/gradient-sync";
import { stableTopology } from "@lockstep/model/files";
import { Admission } from "../admission/admission.ts";
import type { InitialModel } from "../admission/initial-model.ts";
import type { ReadySession } from "../connections/ready-session.ts";
import { RemoteTeam } from "../team/remote-team.ts";
import { RecordedSession } from "./recorded-member.ts";
import { HELLO, READY, TOY_CODE } from "./toy-model.ts";

const config = makeConfig({});

/** A worker's report of its model. */
export type Ready = MessageOf<"ready">;

/** Opens a team of two workers that gathers, the admission to it, and sessions that may be admitted. */
export function gathering(initial: InitialModel = {}) {
  const lines: string[] = [];
  const limits = { workers: 2, heartbeatMs: 1000, stallMs: 60_000, minWorkers: 1, maxLogBytes: 1 };
  const team = new RemoteTeam({ ...limits, balance: "even", runId: "r", nowMs: () => 0, log: () => {} });
  const log = (line: string) => lines.push(line);
  const admission = new Admission({ config, team, version: TOY_CODE.version, initial, log });
  let sessions = 0;
  /** Returns a session with these facts, numbered from 0 and named w0, w1 and so on by default. */
  const sessionOf = (ready: Partial<Ready>, hello: Partial<typeof HELLO> = {}): ReadySession => {
    const id = sessions++;
    return new RecordedSession(id, { ...HELLO, name: `w${id}`, ...hello }, received(ready));
  };
  return { team, admission, lines, sessionOf };
}

/** Returns a `ready` message as a socket delivers it, with the fingerprint of its facts. */
function received(ready: Partial<Ready>): Ready {
  const facts = { ...READY, ...ready };
  const topology: TfjsTopology = JSON.parse(facts.topology);
  const { fingerprint = fingerprintOf(factsOf(facts), stableTopology(topology), { ...config }) } = ready;
  const decoded = decodeFromWorker(encode({ ...facts, fingerprint }));
  if (decoded.type !== "ready") throw new Error(`Expected ready, got ${decoded.type}.`);
  return decoded;
}

/** Returns the description of a worker that gives up before it has joined. */
export const refusedWorker = (name: string) => ({ name, address: "192.0.2.1", connectedMs: 0, heardMs: 0 });

/** Returns a tensor of zeros with its momentum. */
export function zeroTensor(name: string, shape: number[]) {
  const zeros = () => new Float32Array(shape.reduce((a, b) => a * b));
  return { name, shape, weight: zeros(), velocity: zeros() };
}

/** Returns the facts of a model with one tensor. */
export const withTensor = (shape: number[]) => ({
  tensors: [{ name: "t", shape, dtype: "float32" as const }],
  stateDict: [{ name: "t", shape }],
  factorable: [false],
});

/** Returns the toy's topology with a layer that has this activation and this name. */
export function layersOf(activation: string, name = "dense_Dense1"): string {
  const layers = [{ class_name: "Dense", config: { name, activation } }];
  const topology: TfjsTopology = JSON.parse(READY.topology);
  return JSON.stringify({ ...topology, modelTopology: { class_name: "Sequential", config: { layers } } });
}
