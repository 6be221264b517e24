/**
 * The token of a coordinator, which authorizes a worker to join. It is sent only as `Authorization: Bearer <token>`.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { LockstepError } from "@lockstep/errors";

/** Returns a new token: 128 random bits in hex, which need no escaping in shells, URLs and headers. */
export function makeToken(): string {
  return randomBytes(16).toString("hex");
}

/**
 * Returns whether two tokens are equal, in a time that depends neither on where they differ nor on their lengths.
 */
export function sameToken(a: string, b: string): boolean {
  return timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());
}

/**
 * Asserts that a header can carry a token that a person has chosen. Its length is not checked.
 *
 * @throws LockstepError ERR_TOKEN if it is empty or has other characters
 */
export function assertToken(token: string): void {
  if (/^[\w.~+/=-]+$/.test(token)) return;
  const got = token === "" ? "an empty one" : "one with other characters";
  const remedy = "Give the coordinator and its workers the same valid token";
  throw new LockstepError("ERR_TOKEN", `Expected a token of letters, digits and -._~+/=, got ${got}. ${remedy}.`);
}

/** Returns the token in an `Authorization` header, if there is one. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/=-]+) *$/i.exec(authorization ?? "")?.[1];
}
