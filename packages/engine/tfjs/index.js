/**
 * Loads TensorFlow.js with `require`. For `import`, Node first searches the 6 MB of its CommonJS files for the names of
 * their exports, which takes longer than it takes to run them. Both ways return the same instance.
 */
import { createRequire } from "node:module";

export const tf = createRequire(import.meta.url)("@tensorflow/tfjs");
