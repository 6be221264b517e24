/** The playground package: a page that classifies pictures with a trained model. */
export { openPlayground } from "./playground.ts";
