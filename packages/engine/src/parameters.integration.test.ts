/** Runs the shared tests of parameters on native TensorFlow and on pure JavaScript. */
import { startEngine } from "./choose.ts";
import { describeParameters } from "./testing/parameters-suite.ts";

/** The reason why native TensorFlow does not start here, if any. */
const nativeProblem = await startEngine({ backend: "native" }).then(() => undefined, String);

describeParameters("tensorflow", nativeProblem);
describeParameters("cpu");
