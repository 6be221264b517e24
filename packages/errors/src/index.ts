/** The errors package: the one error class, the catalogue of its codes, and excerpts for messages. */
export { type ErrorCode, isErrorCode } from "./catalogue.ts";
export { excerpt, excerptOf, faultLines } from "./excerpt.ts";
export { LockstepError } from "./lockstep-error.ts";
export { knownError, shortageIn, tooManyOpenFiles } from "./shortage.ts";
