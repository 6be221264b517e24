/** A model's weights in PyTorch's form: names, shapes and values. */
import type { KernelAxes } from "@lockstep/formats";

/** One trainable weight in PyTorch's form. */
export interface StateDictName {
  name: string;
  torchShape: number[];
  /** The axes to reverse; absent if both layouts are the same. */
  axes?: KernelAxes;
}

/** The name of a weight, and its shape in PyTorch's layout. */
export type ExpectedTensor = Pick<StateDictName, "name" | "torchShape">;

/** A tensor of a state dict: row-major, in PyTorch's layout. */
export interface StateTensor {
  shape: number[];
  data: Float32Array;
}

/** The tensors of a model by name, in the order of its weights. */
export type StateDict = Map<string, StateTensor>;
