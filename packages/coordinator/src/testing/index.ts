/** For tests of other packages: hostile frames against a coordinator. */

export { fuzzCoordinator, HEAP_BYTES, RSS_BYTES, unnamedEndings } from "./fuzz/fuzz-coordinator.ts";
