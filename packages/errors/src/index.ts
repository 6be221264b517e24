/** The errors package: the error class, the catalogue of codes, texts for messages, and unwrapped values. */
export { type ErrorCode, isErrorCode } from "./catalogue.ts";
export { counted } from "./counted.ts";
export { at, defined } from "./defined.ts";
export { codeOf, messageOf } from "./error-facts.ts";
export { excerpt, excerptOf, faultLines } from "./excerpt.ts";
export { LockstepError } from "./lockstep-error.ts";
export { knownError, shortageIn, tooManyOpenFiles } from "./shortage.ts";
