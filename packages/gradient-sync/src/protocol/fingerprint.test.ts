/** Checks that each fact and option changes the fingerprint, and that their order does not. */
import { at } from "@lockstep/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type FingerprintFacts, factsOf, fingerprintOf as fingerprintWith } from "./fingerprint.ts";

const code = { version: "0.1.0", arithmetic: 1, draws: "0a1b" };
const facts: FingerprintFacts = {
  code,
  ownWeights: { written: 2, digest: "5d" },
  modelName: "alexnet-cifar10",
  tensors: [
    { name: "conv1/kernel", shape: [3, 3, 3, 64], dtype: "float32" },
    { name: "fc/kernel", shape: [256, 10], dtype: "float32" },
  ],
  stateDict: [
    { name: "features.0.weight", shape: [64, 3, 3, 3] },
    { name: "classifier.weight", shape: [10, 256] },
  ],
  factorable: [false, true],
  inputShape: [32, 32, 3],
  numClasses: 2,
  classes: ["cat", "dog"],
  mean: [0.1, 0.2, 0.3],
  std: [0.5, 0.6, 0.7],
  trainSamples: 45_000,
  validationSamples: 5_000,
  testSamples: 10_000,
};
const [first, second] = [at(facts.tensors, 0), at(facts.tensors, 1)];

/** For each fact, others that differ from it by as little as can be. */
const changes: { [Fact in keyof FingerprintFacts]: FingerprintFacts[Fact][] } = {
  code: [
    { ...code, version: "0.1.1" },
    { ...code, arithmetic: 2 },
    { ...code, draws: "0a1c" },
  ],
  ownWeights: [
    { written: 2, digest: "5c" },
    { written: 1, digest: "5d" },
  ],
  modelName: ["alexnet"],
  tensors: [
    [first, { ...second, name: "fc/kernel2" }],
    [first, { ...second, shape: [10, 256] }],
    [second, first],
    [first],
  ],
  stateDict: [facts.stateDict.toReversed(), [at(facts.stateDict, 0), { name: "classifier.weight", shape: [256, 10] }]],
  factorable: [[true, true], [false]],
  inputShape: [
    [32, 32, 1],
    [32, 3, 32],
  ],
  numClasses: [3],
  classes: [["dog", "cat"], ["cat"], ["cat,dog"]],
  mean: [
    [0.1, 0.2, 0.3 + 2 ** -54],
    [0.1, 0.2],
  ],
  std: [[0.5, 0.7, 0.6]],
  trainSamples: [44_999],
  validationSamples: [5_001],
  testSamples: [9_999],
};

const config = { model: "m", lr: 0.01, batchSize: 32, augment: true, sync: "auto", dataDir: "/a", schedule: [1, 2] };
const fingerprintOf = (facts: FingerprintFacts, config: Record<string, unknown>) =>
  fingerprintWith(facts, "relu", config);
const expected = fingerprintOf(facts, config);
const shuffled = <Value extends object>(value: Value): fc.Arbitrary<Value> =>
  fc
    .shuffledSubarray(Object.entries(value), { minLength: Object.keys(value).length })
    .map((entries) => Object.fromEntries(entries) as Value);

test("the fingerprint is a SHA-256 in hex, the same for the same run", () => {
  expect(expected).toMatch(/^[0-9a-f]{64}$/);
  expect(fingerprintOf(structuredClone(facts), structuredClone(config))).toBe(expected);
});

test.each(Object.entries(changes))("the fingerprint changes with %s", (fact, others) => {
  for (const other of others) expect(fingerprintOf({ ...facts, [fact]: other }, config)).not.toBe(expected);
});

test("the fingerprint changes with the layers", () =>
  expect(fingerprintWith(facts, "tanh", config)).not.toBe(expected));

test("the fingerprint changes with the value, type, name and presence of any option", () => {
  for (const changed of [
    ...[{ lr: 0.011 }, { lr: "0.01" }, { batchSize: 33 }, { augment: false }, { sync: "dense" }, { lr: undefined }],
    ...[{ schedule: [2, 1] }, { schedule: "1,2" }, { seed: 0 }, { Model: "m" }],
  ]) {
    expect(fingerprintOf(facts, { ...config, ...changed }), JSON.stringify(changed)).not.toBe(expected);
  }
  const { lr, ...others } = config;
  expect(fingerprintOf(facts, { ...others, lR: lr })).not.toBe(expected);
});

test("two runs have the same fingerprint only if all options are equal", () => {
  const value = fc.oneof(fc.integer({ min: 0, max: 2 }), fc.boolean(), fc.constantFrom("a", "1", "true", null));
  const options = fc.dictionary(fc.constantFrom("a", "b", "c"), value, { noNullPrototype: true });
  const key = (some: object) => JSON.stringify(Object.entries(some).sort(([a], [b]) => a.localeCompare(b)));
  fc.assert(
    fc.property(options, options, (a, b) => {
      expect(fingerprintOf(facts, a) === fingerprintOf(facts, b)).toBe(key(a) === key(b));
    }),
  );
});

test.each(["dataDir", "model", "initFrom", "maxRows"])(
  "the fingerprint does not depend on the local option %s",
  (option) => {
    for (const value of ["/elsewhere", 8, undefined]) {
      expect(fingerprintOf(facts, { ...config, [option]: value })).toBe(expected);
    }
  },
);

test("the fingerprint is the same for a missing and an undefined option", () =>
  expect(fingerprintOf(facts, { ...config, dropout: undefined })).toBe(expected));

test("the fingerprint does not depend on the order of facts and options", () => {
  fc.assert(
    fc.property(shuffled(facts), shuffled(config), (someFacts, someConfig) => {
      expect(fingerprintOf(someFacts, someConfig)).toBe(expected);
    }),
  );
});

test("the fingerprint does not depend on the order of a tensor's fields", () => {
  const { name, shape, dtype } = first;
  const tensors = [{ dtype, shape, name }, second];
  const stateDict = facts.stateDict.map((entry) => ({ shape: entry.shape, name: entry.name }));
  expect(fingerprintOf({ ...facts, tensors, stateDict }, config)).toBe(expected);
});

test("the fingerprint ignores other fields of a worker's message", () => {
  const fields = {
    ...facts,
    type: "ready",
    fingerprint: "f",
    topology: "{}",
    linkBytesPerSecond: 1,
    gemmFlopsPerSecond: 2,
  };
  expect(factsOf(fields)).toEqual(facts);
  expect(fingerprintOf(fields, config)).toBe(expected);
});
