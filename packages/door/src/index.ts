export { type Certificate, readCertificate, selfSigned } from "./certificate.ts";
export { openSocket, type SocketOptions } from "./client.ts";
export { type Door, type DoorOptions, openDoor } from "./door.ts";
export { bearerToken, makeToken, sameToken } from "./token.ts";
