/** The types of a kernel's call. */

/** A kernel's call as an op makes it: its inputs are tensors, though TensorFlow.js only promises their descriptions. */
export interface KernelCall<Inputs, Attributes> {
  inputs: Inputs;
  attrs: Attributes;
}
