export { openPlayground } from "./playground.ts";
