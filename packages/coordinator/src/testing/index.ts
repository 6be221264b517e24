export { fuzzCoordinator, HEAP_BYTES, RSS_BYTES, unnamedEndings } from "./fuzz/fuzz-coordinator.ts";
