/** A model's weights as PyTorch has them: their names, shapes and values. */
import type { KernelAxes } from "@lockstep/formats";

/** One trainable weight as PyTorch has it. */
export interface StateDictName {
  name: string;
  torchShape: number[];
  /** Absent where both layouts are the same. */
  axes?: KernelAxes;
}

/** The name of a model's weight, and its shape in PyTorch's layout. */
export type ExpectedTensor = Pick<StateDictName, "name" | "torchShape">;

/** A tensor of a state dict has its elements in row-major order, in PyTorch's layout. */
export interface StateTensor {
  shape: number[];
  data: Float32Array;
}

/** The tensors of a model by name, in the order of its weights. */
export type StateDict = Map<string, StateTensor>;
