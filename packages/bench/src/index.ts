export { type Cleanup, temporaryDir, withCleanup } from "./cleanup.ts";
