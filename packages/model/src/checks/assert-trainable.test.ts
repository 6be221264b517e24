/** Checks models that train correctly in slices, and for each kind that does not its error and remedy. */
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { buildModel } from "../spec/build.ts";
import { applied } from "../testing/tensors.ts";
import { check, custom, logits, withLayers, withSequence } from "../testing/trainable-models.ts";
import { assertTrainable } from "./assert-trainable.ts";

beforeAll(() => tf.setBackend("cpu"));

type Layer = tf.layers.Layer;
const { dense, flatten } = tf.layers;

test("assertTrainable accepts the CIFAR-10 AlexNet with its dropout", async () => {
  await assertTrainable(buildModel(alexnetCifar10()), { numClasses: 10, tryOut: false }); // as a spec's
});

test("assertTrainable accepts the standard layers that compute each row by itself", async () => {
  const { layers } = tf;
  await check(withLayers(layers.layerNormalization(), layers.reLU(), layers.dropout({ rate: 0.5 })));
  await check(
    withSequence(
      layers.lstm({ units: 3, returnSequences: true }),
      layers.timeDistributed({ layer: dense({ units: 2 }) }),
    ),
  );
  await check(tf.sequential({ layers: [withLayers(dense({ units: 6 })), dense({ units: 5 })] }));
});

const softmaxAtTheEnd: [string, () => tf.LayersModel][] = [
  [
    "an activation",
    () =>
      tf.sequential({
        layers: [flatten({ inputShape: [4, 4, 3] }), dense({ name: "end", units: 5, activation: "softmax" })],
      }),
  ],
  [
    "an Activation layer",
    () => tf.sequential({ layers: [withLayers(), tf.layers.activation({ name: "end", activation: "softmax" })] }),
  ],
  ["a Softmax layer", () => tf.sequential({ layers: [withLayers(), tf.layers.softmax({ name: "end" })] })],
  [
    "a model inside the model",
    () => tf.sequential({ layers: [tf.sequential({ layers: [withLayers(), tf.layers.softmax({ name: "end" })] })] }),
  ],
];
test.each(softmaxAtTheEnd)("softmax at the end as %s is refused unless it is allowed", async (_, make) => {
  await expect(check(make())).rejects.toThrow(
    /^The model ends in softmax \(layer end\), but the loss contains a softmax already.*--allow-softmax/,
  );
  await check(make(), true);
});

test("softmax is found behind layers that change no value, whichever of their applications comes last", async () => {
  const drop = tf.layers.dropout({ rate: 0.1 });
  const linear = tf.layers.activation({ activation: "linear" });
  const end = tf.layers.softmax({ name: "end" });
  const inner = tf.input({ shape: [5] });
  const unchanged = tf.model({ inputs: inner, outputs: applied(drop, linear.apply(inner)) });
  const modelOf = (...parts: Layer[]) => {
    const inputs = tf.input({ shape: [4, 4, 3] });
    const outputs = parts.reduce((x, part) => applied(part, x), inputs);
    return tf.model({ inputs, outputs });
  };
  await check(modelOf(flatten(), drop, logits(), drop, unchanged, unchanged));
  await expect(check(modelOf(flatten(), drop, logits(), drop, end, drop, linear, unchanged))).rejects.toThrow(
    /^The model ends in softmax \(layer end\)/,
  );
});

test("probabilities are refused, whichever layers compute them from a softmax", async () => {
  const inputs = tf.input({ shape: [4, 4, 3] });
  const flat = flatten().apply(inputs);
  const softmax = () => applied(dense({ units: 5, activation: "softmax" }), flat);
  const outputs = applied(tf.layers.average(), [softmax(), softmax()]);
  const model = tf.model({ inputs, outputs });
  await expect(check(model)).rejects.toThrow(/^The model's outputs are probabilities, but the loss .*--allow-softmax/);
  await check(model, true);
  await check(withLayers(dense({ units: 5, activation: "softmax" })));
});

test("assertTrainable accepts softmax in the middle", async () => {
  await check(withLayers(dense({ units: 4, activation: "softmax" })));
});

const refused: [string, () => tf.LayersModel, RegExp][] = [
  [
    "BatchNormalization",
    () => withLayers(tf.layers.batchNormalization({ name: "bn" })),
    /^Layer bn \(BatchNormalization\) cannot be trained here: it normalizes.*layerNormalization/,
  ],
  [
    "GaussianNoise",
    () => withLayers(tf.layers.gaussianNoise({ name: "n", stddev: 1 })),
    /^Layer n \(GaussianNoise\).*its own random numbers.*tf\.layers\.dropout/,
  ],
  [
    "GaussianDropout",
    () => withLayers(tf.layers.gaussianDropout({ name: "n", rate: 0.5 })),
    /^Layer n \(GaussianDropout\)/,
  ],
  ["AlphaDropout", () => withLayers(tf.layers.alphaDropout({ name: "n", rate: 0.5 })), /^Layer n \(AlphaDropout\)/],
  [
    "SpatialDropout1D",
    () => withSequence(tf.layers.spatialDropout1d({ name: "n", rate: 0.5 })),
    /^Layer n \(SpatialDropout1D\)/,
  ],
  [
    "a recurrent layer with dropout",
    () => withSequence(tf.layers.lstm({ name: "rnn", units: 2, returnSequences: true, dropout: 0.5 })),
    /^Layer rnn \(LSTMCell inside LSTM\).*set its dropout/,
  ],
  [
    "one with recurrent dropout",
    () => withSequence(tf.layers.gru({ name: "rnn", units: 2, returnSequences: true, recurrentDropout: 0.5 })),
    /^Layer rnn \(GRUCell inside GRU\)/,
  ],
  [
    "a model inside the model",
    () => tf.sequential({ layers: [withLayers(tf.layers.batchNormalization({ name: "deep" })), logits()] }),
    /^Layer deep \(BatchNormalization\)/,
  ],
  [
    "a wrapped layer",
    () => withSequence(tf.layers.timeDistributed({ name: "each", layer: tf.layers.gaussianNoise({ stddev: 1 }) })),
    /^Layer each \(GaussianNoise inside TimeDistributed\)/,
  ],
  [
    "wrapped Dropout",
    () => withSequence(tf.layers.timeDistributed({ name: "each", layer: tf.layers.dropout({ rate: 0.5 }) })),
    /^Layer each \(Dropout inside TimeDistributed\).*before or after/,
  ],
  [
    "Dropout with a noise shape",
    () => withLayers(tf.layers.dropout({ name: "d", rate: 0.5, noiseShape: [1, 48] })),
    /^Layer d \(Dropout\).*remove noiseShape/,
  ],
  [
    "a weight constraint",
    () => withLayers(dense({ name: "c", units: 4, kernelConstraint: "nonNeg" })),
    /^The weight c\/kernel has a constraint/,
  ],
  [
    "a layer that stands in the model twice",
    () => {
      const shared = dense({ name: "shared", units: 12 });
      return withSequence(shared, tf.layers.timeDistributed({ layer: shared }));
    },
    /^The weight shared\/kernel is in the model twice.*once/,
  ],
  [
    "too few outputs",
    () => tf.sequential({ layers: [withLayers(), dense({ units: 4 })] }),
    /^Expected a model with 5 outputs, one for each class, but .* has 4; .*--num-classes/,
  ],
  [
    "an output for each step",
    () => withSequenceOutput(),
    /^Expected an output of \[null, classes\], but .* has \[null, 4, 5\]/,
  ],
  [
    "an input of whole numbers",
    () => tf.sequential({ layers: [tf.layers.embedding({ inputDim: 9, outputDim: 5, inputShape: [3] })] }),
    /^Expected an input of \[null, height, width, channels\]/,
  ],
  [
    "a fixed batch size",
    () => tf.sequential({ layers: [flatten({ batchInputShape: [8, 4, 4, 3] }), logits()] }),
    /but .* has \[8, 4, 4, 3\]/,
  ],
  [
    "int32 images",
    () => tf.sequential({ layers: [flatten({ inputShape: [4, 4, 3], dtype: "int32" }), logits()] }),
    /^Expected an input of the type float32, but .* has one of int32/,
  ],
  [
    "a dilated convolution, for which there is no gradient",
    () =>
      tf.sequential({
        layers: [
          tf.layers.conv2d({ name: "c", filters: 2, kernelSize: 2, dilationRate: 2, inputShape: [4, 4, 3] }),
          ...[flatten(), logits()],
        ],
      }),
    /^Layer c \(Conv2D\) cannot be trained here: computing a gradient on two images failed \(.*dilation.*; set its dilationRate to 1\.$/,
  ],
  [
    "a custom layer that cannot be differentiated",
    () =>
      withLayers(
        dense({ units: 8 }),
        custom((rows) => tf.topk(rows, 8).values),
      ),
    /^Layer mine \(Custom\) cannot be trained here: .*TopK.*; remove it, or use layers/,
  ],
  [
    "a custom layer that fails",
    () =>
      withLayers(
        dense({ units: 8 }),
        custom((rows) => rows.reshape([7, -1])),
      ),
    /^Layer mine \(Custom\) cannot be trained here/,
  ],
  [
    "a weight that the output does not depend on",
    () => withUnusedOutput(),
    /^The weight unused\/kernel gets no gradient, because the model's output does not depend on it/,
  ],
  [
    "a model without weights",
    () => tf.sequential({ name: "zero", layers: [flatten({ inputShape: [1, 1, 5] })] }),
    /^The model zero has no weights, so there is nothing to train; add a Dense or Conv layer\.$/,
  ],
  ["two inputs", () => twoInputs(), /^Expected a model with one input, but .* has 2: left, right/],
  ["two outputs", () => twoOutputs(), /^Expected a model with one output, but .* has 2: a, b/],
];
test.each(refused)("the error for %s has the layer, the reason and the remedy", async (_, make, message) => {
  await expect(check(make())).rejects.toThrow(message);
});

test("Concatenate is accepted along the features and refused along the batch", async () => {
  const joined = (axis: number) => {
    const inputs = tf.input({ shape: [4, 4, 3] });
    const flat = applied(flatten(), inputs);
    const both = tf.layers.concatenate({ name: "join", axis }).apply([flat, flat]);
    return tf.model({ inputs, outputs: applied(logits(), both) });
  };
  await check(joined(1));
  await expect(check(joined(0))).rejects.toThrow(/^Layer join \(Concatenate\) gave different results/);
});

function withSequenceOutput(): tf.LayersModel {
  return tf.sequential({
    layers: [tf.layers.reshape({ inputShape: [4, 4, 3], targetShape: [4, 12] }), dense({ units: 5 })],
  });
}

/** A model inside a model that has two outputs, of which one goes nowhere. */
function withUnusedOutput(): tf.LayersModel {
  const inner = tf.input({ shape: [48] });
  const outputs = [logits(), dense({ name: "unused", units: 5 })].map((part) => applied(part, inner));
  const inputs = tf.input({ shape: [4, 4, 3] });
  const [used] = tf.model({ inputs: inner, outputs }).apply(flatten().apply(inputs)) as tf.SymbolicTensor[];
  return tf.model({ inputs, outputs: defined(used) });
}

function twoInputs(): tf.LayersModel {
  const inputs = ["left", "right"].map((name) => tf.input({ name, shape: [4, 4, 3] }));
  const sum = applied(tf.layers.add(), inputs);
  return tf.model({ inputs, outputs: applied(logits(), flatten().apply(sum)) });
}

function twoOutputs(): tf.LayersModel {
  const inputs = tf.input({ shape: [4, 4, 3] });
  const flat = flatten().apply(inputs);
  const outputs = ["a", "b"].map((name) => applied(dense({ name, units: 5 }), flat));
  return tf.model({ inputs, outputs });
}
