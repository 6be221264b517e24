/** What tests of other packages need to look into files. */
export { type DecodedEvent, decodeEventFile } from "./decoded-events.ts";
