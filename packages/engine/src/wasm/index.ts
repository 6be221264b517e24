export { installWasmKernels, startWasm } from "./install.ts";
