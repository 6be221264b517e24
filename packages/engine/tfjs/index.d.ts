/** The types of index.js. They are in a file of their own because a constant of TypeScript is no namespace of types. */
export * as tf from "@tensorflow/tfjs";
