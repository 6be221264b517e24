/** Whether a worker's idea of the run is that of the others. */
import { LockstepError } from "@lockstep/errors";
import { factsOf, fingerprintOf } from "@lockstep/gradient-sync";
import { type TfjsTopology, tfjsTopologySchema } from "@lockstep/model/files";
import type { RunConfig } from "@lockstep/run";
import type { Session } from "./sessions.ts";

/** What differs from the first worker's idea of the run; undefined if nothing does. */
export function mismatch(config: RunConfig, first: Session | undefined, { ready }: Session): string | undefined {
  const remedy = "give all workers the same model, data and version";
  const expected = fingerprintOf(factsOf(ready), { ...config });
  if (ready.fingerprint !== expected) {
    return `Its fingerprint is ${ready.fingerprint}, but that of what it told is ${expected}; ${remedy}.`;
  }
  if (first === undefined || ready.fingerprint === first.ready.fingerprint) return undefined;
  const [a, b] = [factsOf(first.ready), factsOf(ready)];
  const field = (Object.keys(a) as (keyof typeof a)[]).find((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
  if (field === undefined) return `Its fingerprint differs from that of ${first.hello.name}; ${remedy}.`;
  const short = (value: unknown) => JSON.stringify(value).slice(0, 200);
  return `Its ${field} is ${short(b[field])}, but ${first.hello.name} has ${short(a[field])}; ${remedy}.`;
}

/** @throws LockstepError ERR_TOPOLOGY for anything else than the JSON of a topology */
export function parseTopology(text: string): TfjsTopology {
  try {
    return tfjsTopologySchema.parse(JSON.parse(text));
  } catch (cause) {
    const remedy = "use the same version of Lockstep on all machines";
    throw new LockstepError("ERR_TOPOLOGY", `Expected the topology of a TensorFlow.js model; ${remedy}.`, { cause });
  }
}
