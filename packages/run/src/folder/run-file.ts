/**
 * `config.json`: the options of a run, the options of its machine under `machine`, and under `derived` the properties
 * that follow from the options, the model and the data.
 */
import { randomUUID } from "node:crypto";
import {
  type ExplicitOptions,
  type MachineOptions,
  machineSchema,
  makeConfig,
  type RunConfig,
  version,
} from "@lockstep/config";
import { excerpt, faultLines, LockstepError, messageOf } from "@lockstep/errors";
import { z } from "zod";
import { deviceGroupSchema } from "../devices.ts";

const count = z.int().nonnegative();
const runIdSchema = z.uuid().brand<"RunId">();
const derivedSchema = z.strictObject({
  /** Identifies the run even if its folder is moved. Folders of earlier versions have none until they are resumed. */
  runId: runIdSchema.optional(),
  /** Version of Lockstep that made the run. */
  lockstep: z.string(),
  /** Version of its arithmetic; folders of earlier versions have none. */
  arithmetic: count.optional(),
  /** Devices that last computed the run; a resume on equal devices gives the same bits. Earlier versions saved none. */
  devices: z.array(deviceGroupSchema).optional(),
  /** Used in file names, such as `<modelName>.safetensors`. */
  modelName: z.string(),
  parameters: count,
  /** The model's spec, if it has one; a resume must find an equal one. */
  spec: z.unknown().optional(),
  /** Digest of the model's layers; a resume must find the same. Folders of earlier versions have none. */
  topologyDigest: z.string().optional(),
  /** [height, width, channels]. */
  inputShape: z.tuple([count, count, count]),
  numClasses: count,
  /** Names of the labels. */
  classes: z.array(z.string()),
  /** Mean and standard deviation of each channel, for pixels scaled to [0, 1]. */
  mean: z.array(z.number()),
  std: z.array(z.number()),
  trainSamples: count,
  validationSamples: count,
  testSamples: count,
  stepsPerEpoch: count,
  /** Number of updates of the whole run. */
  steps: count,
});

/** The identifier of a run. */
export type RunId = z.infer<typeof runIdSchema>;
/** The part of config.json that follows from the options, the model and the data. */
export type Derived = z.infer<typeof derivedSchema>;
/** The content of config.json. */
export type RunFile = RunConfig & { machine: MachineOptions; derived: Derived };

/** Returns a random id for a new run; a resumed run keeps its id. */
export function newRunId(): RunId {
  return runIdSchema.parse(randomUUID());
}

/**
 * Validates the content of config.json.
 *
 * @param value the parsed JSON
 * @param path named in the error
 * @throws LockstepError ERR_RUN_FILE, which names the file and the field
 */
export function parseRunFile(value: unknown, path: string): RunFile {
  try {
    const { machine, derived, ...options } = z
      .looseObject({ machine: machineSchema, derived: derivedSchema })
      .parse(value);
    return { ...makeConfig(options as ExplicitOptions), machine, derived };
  } catch (cause) {
    const reason =
      cause instanceof z.ZodError ? faultLines(z.prettifyError(cause).split("\n")).trimStart() : messageOf(cause);
    throw new LockstepError("ERR_RUN_FILE", `${path} does not describe a run: ${reason} ${remedyFor(value)}`, {
      cause,
    });
  }
}

const fileOfAnyVersion = z.looseObject({ derived: z.looseObject({ lockstep: z.string() }) });

/** Returns what to do with a file that does not describe a run, which another version may have written. */
function remedyFor(value: unknown): string {
  const { lockstep = version } = fileOfAnyVersion.safeParse(value).data?.derived ?? {};
  if (lockstep === version) return "Restore it, or start a new run.";
  const writer = `It was written by Lockstep ${excerpt(lockstep)}, and this is ${version}.`;
  return `${writer} Use that version, restore the file, or start a new run.`;
}
