/** For tests: the model of a toy worker, and the messages with which it introduces itself. */
import type { TfjsTopology } from "@lockstep/formats";
import {
  ARITHMETIC_VERSION,
  type FingerprintFacts,
  fingerprintOf,
  type MessageOf,
  makeLayout,
  PROTOCOL_VERSION,
} from "@lockstep/gradient-sync";
import { stableTopology } from "@lockstep/model/files";

/** A kernel [2, 3], which is sent as factors, and a bias [3], which is sent dense. */
export const TENSORS = [
  { name: "kernel", shape: [2, 3], dtype: "float32" as const },
  { name: "bias", shape: [3], dtype: "float32" as const },
];
/** The plan that sends the kernel as factors and the bias dense. */
export const PLAN = { forms: ["factored" as const, "dense" as const], wire: "fp32" as const, chunkBytes: 8 };
/** The layout of a toy worker's gradients. */
export const LAYOUT = makeLayout(TENSORS, PLAN);
const CLASSES = 3;

/** The greeting of a toy worker. */
export const HELLO: MessageOf<"hello"> = {
  type: "hello",
  protocol: PROTOCOL_VERSION,
  name: "toy",
  device: "a sheet of paper",
  backend: "sim",
  libraryVersion: "1",
  instructionSet: "x",
  threads: 1,
};

const TOPOLOGY: TfjsTopology = {
  modelTopology: {},
  format: "layers-model",
  generatedBy: "a test",
  convertedBy: null,
  weights: TENSORS.map(({ name, shape, dtype }) => ({ name, shape, dtype, stateDictName: name })),
};

/** The code of all toy workers and of their coordinator. */
export const TOY_CODE = { version: "toy", arithmetic: ARITHMETIC_VERSION, draws: "d" };

/** The `ready` of a toy worker, without its fingerprint, which depends on the run's options: see `fingerprintOfToy`. */
export const READY: MessageOf<"ready"> = {
  type: "ready",
  fingerprint: "",
  code: TOY_CODE,
  modelName: "toy",
  tensors: TENSORS,
  factorable: [true, false],
  stateDict: TENSORS.map(({ name, shape }) => ({ name, shape })),
  inputShape: [1, 1, 2],
  numClasses: CLASSES,
  classes: ["a", "b", "c"],
  mean: [0],
  std: [1],
  trainSamples: 22,
  validationSamples: 330,
  testSamples: 130,
  topology: JSON.stringify(TOPOLOGY),
  linkBytesPerSecond: 1e9,
  gemmFlopsPerSecond: 1e9,
};

/** Returns the fingerprint of a toy worker in a run with these options. */
export const fingerprintOfToy = (config: Record<string, unknown>, facts: FingerprintFacts = READY) =>
  fingerprintOf(facts, stableTopology(TOPOLOGY), config);
