/** The type of a kernel's call. */

/** A kernel's call by an op. Its inputs are tensors, although TensorFlow.js types them as TensorInfo. */
export interface KernelCall<Inputs, Attributes> {
  inputs: Inputs;
  attrs: Attributes;
}
