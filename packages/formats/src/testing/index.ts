/** Helpers of other packages' tests that read files. */
export { type DecodedEvent, decodeEventFile } from "./decoded-events.ts";
