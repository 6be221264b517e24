export { bracketed, canonicalHost, isLoopback, reachableAddresses } from "./addresses.ts";
export { answer, answerWithoutPages } from "./answers.ts";
export { type Certificate, readCertificate } from "./certificate.ts";
export { checkJoin, type JoinOptions, openSocket } from "./client.ts";
export { DEFAULT_LIMITS, type Door, type DoorSettings, openDoor, type Peer, type RequestHandler } from "./door.ts";
export { configDir, keptCertificate, keptToken } from "./kept.ts";
export { explainFailedJoin, WORKER_LINE } from "./refusal.ts";
export { checkToken } from "./token.ts";
