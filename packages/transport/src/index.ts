/** The transport package: credentials, admission of requests, the server and the client. */
export { bracketed, canonicalHost, reachableAddresses } from "./addresses.ts";
export { assertJoin, type JoinOptions, openSocket } from "./client/client.ts";
export { explainFailedJoin, WORKER_LINE } from "./client/refusal.ts";
export { type Certificate, readCertificate, selfSigned } from "./credentials/certificate.ts";
export { configDir, existingToken, storedCertificate, storedToken } from "./credentials/stored-credentials.ts";
export { assertToken, makeToken, sameToken } from "./credentials/token.ts";
export { assertPortFree } from "./server/listen.ts";
export { openServer, type TransportServer } from "./server/server.ts";
export { DEFAULT_LIMITS, type ListenOptions, type Peer } from "./server-options.ts";
