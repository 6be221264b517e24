/**
 * The options of a run, each defined once: its flag, help text, default and schema. The command line, its help, the
 * validation and `config.json` are all derived from this table.
 */
import { z } from "zod";

/** One option: its syntax on the command line, and the values that it accepts. */
export interface RunOption<Value> {
  /** Commander's syntax: `--lr <number>`; `--no-shuffle` for a switch that is on by default. */
  flags: string;
  help: string;
  /** Completes the sentence "Expected --lr to be …". */
  expected: string;
  schema: z.ZodType<Value>;
  default: Value;
  /** True if the option may be combined with --resume. */
  changeable?: boolean;
  /** The flag that turns the switch on again when a run is resumed, and its help text. */
  opposite?: { flags: string; help: string };
}

const number = (schema: z.ZodNumber) => z.preprocess(numberFromText, schema) as unknown as z.ZodType<number>;
const optional = <Value>(schema: z.ZodType<Value>) => schema.optional();
const wholeNumber = (min: number, max = Number.MAX_SAFE_INTEGER) => number(z.number().int().min(min).max(max));

function numberFromText(value: unknown): unknown {
  return typeof value === "string" && value.trim() !== "" ? Number(value) : value;
}

function option<Value>(definition: RunOption<Value>): RunOption<Value> {
  return definition;
}

/** The options of a run, by their names in config.json. */
export const runOptions = {
  model: option({
    flags: "--model <name|path>",
    help: "model to train: alexnet-cifar10, alexnet, or the path of your own module (docs/models.md)",
    expected: "the name of a model or the path of a module",
    schema: z.string().min(1),
    default: "alexnet-cifar10",
  }),
  dataset: option({
    flags: "--dataset <name>",
    help: "data set to train on: cifar10, or shapes (generated, needs no files)",
    expected: "cifar10 or shapes",
    schema: z.enum(["cifar10", "shapes"]),
    default: "cifar10" as const,
  }),
  dataDir: option({
    flags: "--data-dir <dir>",
    help: "folder of the data set's files; without it they are downloaded into the cache",
    expected: "a folder",
    schema: optional(z.string().min(1)),
    default: undefined,
    changeable: true,
  }),
  numClasses: option({
    flags: "--num-classes <classes>",
    help: "number of outputs of the model (default: the data set's classes)",
    expected: "a whole number of at least 2",
    schema: optional(wholeNumber(2)),
    default: undefined,
  }),
  inputChannels: option({
    flags: "--input-channels <channels>",
    help: "number of channels of the model's input (default: the data set's)",
    expected: "a whole number of at least 1",
    schema: optional(wholeNumber(1)),
    default: undefined,
  }),
  init: option({
    flags: "--init <rule>",
    help: "initial weights: pytorch (kaiming-uniform, a = √5), he, or paper (as in the AlexNet paper) (default: the module's own weights if it sets any, else pytorch)",
    expected: "pytorch, he or paper",
    schema: optional(z.enum(["pytorch", "he", "paper"])),
    default: undefined,
  }),
  initFrom: option({
    flags: "--init-from <file>",
    help: ".safetensors file with the initial weights",
    expected: "the path of a .safetensors file",
    schema: optional(z.string().min(1)),
    default: undefined,
  }),
  lr: option({
    flags: "--lr <number>",
    help: "learning rate",
    expected: "a number above 0",
    schema: number(z.number().positive()),
    default: 0.01,
  }),
  momentum: option({
    flags: "--momentum <number>",
    help: "momentum μ of SGD: v = μ·v + g; w = w − lr·v",
    expected: "a number from 0 to below 1",
    schema: number(z.number().min(0).lt(1)),
    default: 0.9,
  }),
  weightDecay: option({
    flags: "--weight-decay <number>",
    help: "weight decay λ, which adds λ·w to each gradient",
    expected: "a number of at least 0",
    schema: number(z.number().min(0)),
    default: 0,
  }),
  lrSchedule: option({
    flags: "--lr-schedule <name>",
    help: "learning-rate schedule over all steps of --num-epochs: constant; step (lr/10 after half of them, lr/100 after three quarters); cosine (down to 0)",
    expected: "constant, step or cosine",
    schema: z.enum(["constant", "step", "cosine"]),
    default: "constant" as const,
  }),
  warmupEpochs: option({
    flags: "--warmup-epochs <epochs>",
    help: "epochs over which the learning rate rises linearly from 0",
    expected: "a number of at least 0",
    schema: number(z.number().min(0)),
    default: 0,
  }),
  batchSize: option({
    flags: "--batch-size <samples>",
    help: "samples per global batch",
    expected: "a whole number of at least 1",
    schema: wholeNumber(1),
    default: 32,
  }),
  numEpochs: option({
    flags: "--num-epochs <epochs>",
    help: "passes over the training set",
    expected: "a whole number of at least 1",
    schema: wholeNumber(1),
    default: 20,
    changeable: true,
  }),
  seed: option({
    flags: "--seed <n>",
    help: "seed of everything random: split, order, initial weights, dropout, augmentation",
    expected: "a whole number from 0 to 4294967295",
    schema: wholeNumber(0, 2 ** 32 - 1),
    default: 0,
  }),
  dropout: option({
    flags: "--dropout <rate>",
    help: "fraction of units that each dropout layer drops (default: the model's own rate, 0.5 in AlexNet)",
    expected: "a number from 0 to below 1",
    schema: optional(number(z.number().min(0).lt(1))),
    default: undefined,
  }),
  normalize: option({
    flags: "--normalize <how>",
    help: "normalization of the images: half (mean and std 0.5), dataset (computed from the training images), or numbers: 0.49,0.48,0.45/0.2,0.2,0.2",
    expected: "half, dataset, or means/stds such as 0.49,0.48,0.45/0.25,0.24,0.26",
    schema: z.string().min(1),
    default: "half",
  }),
  augment: option({
    flags: "--augment <how>",
    help: "augmentation of the training images: none, or flip-crop (random horizontal flip, random crop after padding by 4 pixels)",
    expected: "none or flip-crop",
    schema: z.enum(["none", "flip-crop"]),
    default: "none" as const,
  }),
  trainFraction: option({
    flags: "--train-fraction <share>",
    help: "fraction of the training set to train on; the rest is the validation set",
    expected: "a number above 0, up to 1",
    schema: number(z.number().gt(0).max(1)),
    default: 0.8,
  }),
  shuffle: option({
    flags: "--no-shuffle",
    help: "keep the order of the split instead of shuffling each epoch",
    expected: "true or false",
    schema: z.boolean(),
    default: true,
  }),
  test: option({
    flags: "--no-test",
    help: "skip the test at the end",
    expected: "true or false",
    schema: z.boolean(),
    default: true,
    changeable: true,
    opposite: { flags: "--test", help: "test at the end, also in a resumed run that was started with --no-test" },
  }),
  sliceRows: option({
    flags: "--slice-rows <samples>",
    help: "samples per slice of a batch; with fixed slices, any number of workers gives the same bits",
    expected: "a whole number of at least 1",
    schema: optional(wholeNumber(1)),
    default: undefined,
  }),
  sync: option({
    flags: "--sync <form>",
    help: "form of the gradients between machines: dense, factored (fully connected layers as exact factors), or auto",
    expected: "auto, dense or factored",
    schema: z.enum(["auto", "dense", "factored"]),
    default: "auto" as const,
  }),
  wire: option({
    flags: "--wire <type>",
    help: "number format between machines: fp32, or bf16 (half the bytes, lossy)",
    expected: "fp32 or bf16",
    schema: z.enum(["fp32", "bf16"]),
    default: "fp32" as const,
  }),
  maxSteps: option({
    flags: "--max-steps <steps>",
    help: "number of updates after which the run stops, counted from step 0 across resumes",
    expected: "a whole number of at least 1",
    schema: optional(wholeNumber(1)),
    default: undefined,
    changeable: true,
  }),
  maxRows: option({
    flags: "--max-rows <samples>",
    help: "samples computed at once, to save memory; larger slices are computed in parts",
    expected: "a whole number of at least 1",
    schema: optional(wholeNumber(1)),
    default: undefined,
    changeable: true,
  }),
  checkpointEvery: option({
    flags: "--checkpoint-every <epoch|steps>",
    help: "when to save a checkpoint: epoch (at the end of each), or a number of steps (and at the end of each epoch)",
    expected: "epoch, or a whole number of steps of at least 1",
    schema: z.union([z.literal("epoch"), wholeNumber(1)]) as z.ZodType<"epoch" | number>,
    default: "epoch" as "epoch" | number,
    changeable: true,
  }),
  keep: option({
    flags: "--keep <checkpoints>",
    help: "number of checkpoints to keep, besides the best",
    expected: "a whole number of at least 1",
    schema: wholeNumber(1),
    default: 2,
    changeable: true,
  }),
  allowSoftmax: option({
    flags: "--allow-softmax",
    help: "accept a model that ends in softmax, although the loss applies softmax itself (docs/models.md)",
    expected: "true or false",
    schema: z.boolean(),
    default: false,
  }),
} satisfies Record<string, RunOption<never> | RunOption<unknown>>;

/** The name of an option in config.json. */
export type OptionName = keyof typeof runOptions;

/** The names of all options, in the order of the help. */
export const optionNames = Object.keys(runOptions) as OptionName[];
