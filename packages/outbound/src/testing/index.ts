/** For tests of other packages: a proxy that records its requests. */
export { type RecordingProxy, startRecordingProxy } from "./recording-proxy.ts";
