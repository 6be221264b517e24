export { type RecordingProxy, startRecordingProxy } from "./recording-proxy.ts";
