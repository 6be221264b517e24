/** The WebGPU backend, with a check of each tensor's size. */
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { assertTensorSize } from "./tensor-limit.ts";

/** Extends TensorFlow.js's backend, which computes zeros with a buffer that the device refused to create. */
export class CheckedBackend extends WebGPUBackend {
  /** Checks the tensor: every tensor that a kernel reads or writes passes here. */
  override uploadToGPU(dataId: object): void {
    assertTensorSize("A tensor", this.tensorMap.get(dataId).shape);
    super.uploadToGPU(dataId);
  }
}
