import { startEngine } from "./choose.ts";
import { describeParameters } from "./testing/parameters-suite.ts";

let nativeProblem: string | undefined;
try {
  await startEngine({ backend: "native" });
} catch (error) {
  nativeProblem = String(error);
}

describeParameters("tensorflow", nativeProblem);
describeParameters("cpu");
