/**
 * The password of a run: whoever knows it may join. It travels as `Authorization: Bearer <token>`, and nowhere else.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { LockstepError } from "@lockstep/errors";

/** Makes a token: 128 random bits as hex, which shells, urls and headers all leave alone. */
export function makeToken(): string {
  return randomBytes(16).toString("hex");
}

/**
 * Tells whether two tokens are the same; how long it takes tells nothing about where they differ, nor about their
 * lengths.
 */
export function sameToken(a: string, b: string): boolean {
  return timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());
}

/**
 * Checks a token that a person has chosen; any length will do, and a short one can be guessed.
 * @throws LockstepError ERR_TOKEN unless a header can carry it
 */
export function assertToken(token: string): void {
  if (/^[\w.~+/=-]+$/.test(token)) return;
  const got = token === "" ? "an empty one" : "one with other characters";
  const remedy = "give the coordinator and its workers another, the same one";
  throw new LockstepError("ERR_TOKEN", `Expected a token of letters, digits and -._~+/=, got ${got}; ${remedy}.`);
}

/** Returns the token in an `Authorization` header, if there is one. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/=-]+) *$/i.exec(authorization ?? "")?.[1];
}
