/** The WebGPU backend with a check of each tensor's size. */
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { assertTensorSize } from "./tensor-limit.ts";

/** TensorFlow.js' backend, which would otherwise compute zeros with a buffer that the device refused to make. */
export class CheckedBackend extends WebGPUBackend {
  /** Every tensor that a kernel reads or writes passes here. */
  override uploadToGPU(dataId: object): void {
    assertTensorSize("A tensor", this.tensorMap.get(dataId).shape);
    super.uploadToGPU(dataId);
  }
}
