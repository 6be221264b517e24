/** The WASM backend, with kernels that can train. */
export { installWasmKernels, startWasm } from "./install.ts";
