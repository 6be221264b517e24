/** For tests: the outside world of `@lockstep/outbound`. */
export { type RecordingProxy, startRecordingProxy } from "./recording-proxy.ts";
