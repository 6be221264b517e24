export { openPlayground, type PlaygroundOptions } from "./playground.ts";
