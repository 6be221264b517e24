/**
 * The stored credentials of a user's coordinators: the token and the self-signed certificate. They are reused, so that
 * workers recognize a restarted coordinator. The files are outside the run folders, and readable by the user only.
 */
import { X509Certificate } from "node:crypto";
import { link, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { LockstepError, messageOf } from "@lockstep/errors";
import { hasCode, makeFolders, temporaryName, userFolder } from "@lockstep/files";
import { type Certificate, readCertificate, selfSigned } from "./certificate.ts";
import { assertToken, makeToken } from "./token.ts";

/** Returns the folder `lockstep` in XDG_CONFIG_HOME, or in `.config` of the user's home. */
export function configDir(): string {
  return userFolder({ variable: "XDG_CONFIG_HOME", name: ".config", instead: "XDG_CONFIG_HOME" });
}

/**
 * Returns the token of this user's coordinators, which the first call creates.
 *
 * @throws LockstepError ERR_SECRET if its file cannot be written, is readable by others, or does not contain a token
 */
export async function storedToken(dir: string): Promise<{ token: string; path: string }> {
  const path = join(dir, "token");
  await ensureSecretFile(path, async () => `${makeToken()}\n`);
  try {
    const token = (await readFile(path, "utf8")).trim();
    assertToken(token);
    return { token, path };
  } catch (cause) {
    throw malformedFile(path, "a token", cause);
  }
}

/** Returns the token of this user's coordinators, if it exists. @throws LockstepError as `storedToken` does */
export async function existingToken(dir: string): Promise<{ token: string; path: string } | undefined> {
  const path = join(dir, "token");
  const mode = await modeOf(path).catch((cause) => {
    throw cannotStore(path, cause);
  });
  return mode === undefined ? undefined : storedToken(dir);
}

/**
 * Returns the certificate of this user's coordinators, which the first call creates, and which is renewed when it
 * expires.
 *
 * @throws LockstepError ERR_SECRET as `storedToken` does
 */
export async function storedCertificate(dir: string, nowMs: number = Date.now()): Promise<Certificate> {
  const path = join(dir, "certificate.pem");
  const make = async () => {
    const { cert, key } = await selfSigned({ hosts: ["localhost", hostname()] });
    return `${cert}\n${key}`;
  };
  await ensureSecretFile(path, make);
  const stored = await readStored(path);
  if (Date.parse(new X509Certificate(stored.cert).validTo) > nowMs) return stored;
  await rm(path, { force: true });
  await ensureSecretFile(path, make);
  return readStored(path);
}

async function readStored(path: string): Promise<Certificate> {
  try {
    return await readCertificate(path, path);
  } catch (cause) {
    throw malformedFile(path, "a certificate with its key", cause);
  }
}

/** Creates the file at `path` if it is missing, and asserts that only the user can read it. */
async function ensureSecretFile(path: string, make: () => Promise<string>): Promise<void> {
  let mode: number | undefined;
  try {
    mode = await modeOf(path);
    if (mode === undefined) await createFile(path, await make());
  } catch (cause) {
    throw cannotStore(path, cause);
  }
  if (mode !== undefined && (mode & 0o077) !== 0 && process.platform !== "win32") throw readableByOthers(path, mode);
}

/** Creates a file atomically. If two processes do so at the same time, one of them wins. */
async function createFile(path: string, text: string): Promise<void> {
  const temporary = temporaryName(path);
  makeFolders(dirname(path), 0o700);
  try {
    await writeFile(temporary, text, { mode: 0o600 });
    await link(temporary, path); // unlike a rename, this never replaces the file of another process
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode & 0o777;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function readableByOthers(path: string, mode: number): LockstepError {
  return new LockstepError(
    "ERR_SECRET",
    `Expected ${path} to be readable only by you (mode 600), got mode ${mode.toString(8)}. Delete the file to create a new one, or run chmod 600 if nobody else has read it.`,
  );
}

function malformedFile(path: string, what: string, cause: unknown): LockstepError {
  const text = `Expected ${what} in ${path}, got something else. Delete the file to create a new one.`;
  return new LockstepError("ERR_SECRET", text, { cause });
}

function cannotStore(path: string, cause: unknown): LockstepError {
  return new LockstepError(
    "ERR_SECRET",
    `Expected to store a secret of this coordinator in ${path}, which failed (${messageOf(cause)}). Set XDG_CONFIG_HOME to another folder, or give the coordinator LOCKSTEP_TOKEN, --tls-cert and --tls-key.`,
    { cause },
  );
}
