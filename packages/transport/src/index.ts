export { bracketed, canonicalHost, reachableAddresses } from "./addresses.ts";
export { type Certificate, readCertificate, selfSigned } from "./certificate.ts";
export { checkJoin, type JoinOptions, openSocket } from "./client.ts";
export { assertPortFree } from "./listen.ts";
export { explainFailedJoin, WORKER_LINE } from "./refusal.ts";
export { openServer, type TransportServer } from "./server.ts";
export { DEFAULT_LIMITS, type ListenOptions, type Peer } from "./server-options.ts";
export { configDir, existingToken, storedCertificate, storedToken } from "./stored-credentials.ts";
export { checkToken, makeToken, sameToken } from "./token.ts";
