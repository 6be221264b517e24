export { bracketed, canonicalHost, reachableAddresses } from "./addresses.ts";
export { type Certificate, readCertificate, selfSigned } from "./certificate.ts";
export { checkJoin, type JoinOptions, openSocket } from "./client.ts";
export { DEFAULT_LIMITS, type Door, type DoorSettings, expectFreePort, openDoor, type Peer } from "./door.ts";
export { configDir, earlierToken, keptCertificate, keptToken } from "./kept.ts";
export { explainFailedJoin, WORKER_LINE } from "./refusal.ts";
export { checkToken, makeToken, sameToken } from "./token.ts";
