/**
 * The credentials that a coordinator keeps for its next start, so that workers which know it find the same one again:
 * its token and its own certificate. One set for each user, outside of every run's folder; the files are the user's
 * alone.
 */
import { X509Certificate } from "node:crypto";
import { link, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { makeFolders, temporaryName, userFolder } from "@lockstep/files";
import { type Certificate, readCertificate, selfSigned } from "./certificate.ts";
import { assertToken, makeToken } from "./token.ts";

/** Returns the folder `lockstep` in XDG_CONFIG_HOME, else in `.config` of the user's home. */
export function configDir(): string {
  return userFolder({ variable: "XDG_CONFIG_HOME", name: ".config", instead: "XDG_CONFIG_HOME" });
}

/**
 * Returns the token of this user's coordinators, which is made at the first call.
 * @throws LockstepError ERR_SECRET if it can't be kept, if others can read it, or if its file holds something else
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

/** Returns the token of this user's coordinators, if one was made. @throws LockstepError as `storedToken` does */
export async function existingToken(dir: string): Promise<{ token: string; path: string } | undefined> {
  const path = join(dir, "token");
  const mode = await modeOf(path).catch((cause) => {
    throw cannotStore(path, cause as Error);
  });
  return mode === undefined ? undefined : storedToken(dir);
}

/**
 * Returns the certificate of this user's coordinators, which is made at the first call, and again when its year is
 * over.
 *
 * @throws LockstepError ERR_SECRET as above
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

/** Makes sure that there is a file at `path`, and that it is the user's alone. */
async function ensureSecretFile(path: string, make: () => Promise<string>): Promise<void> {
  let mode: number | undefined;
  try {
    mode = await modeOf(path);
    if (mode === undefined) await createFile(path, await make());
  } catch (cause) {
    throw cannotStore(path, cause as Error);
  }
  if (mode !== undefined && (mode & 0o077) !== 0 && process.platform !== "win32") throw readableByOthers(path, mode);
}

/** Writes a file whole; of two processes that do so at once, one wins. */
async function createFile(path: string, text: string): Promise<void> {
  const temporary = temporaryName(path);
  makeFolders(dirname(path), 0o700);
  try {
    await writeFile(temporary, text, { mode: 0o600 });
    await link(temporary, path); // Unlike a rename, it leaves alone what another process has put there meanwhile.
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode & 0o777;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function readableByOthers(path: string, mode: number): LockstepError {
  return new LockstepError(
    "ERR_SECRET",
    `Expected ${path} to be readable by you alone (mode 600), got mode ${mode.toString(8)}; delete it to have a new one made, or run chmod 600 if nobody else has read it.`,
  );
}

function malformedFile(path: string, what: string, cause: unknown): LockstepError {
  const text = `Expected ${what} in ${path}, got something else; delete it to have a new one made.`;
  return new LockstepError("ERR_SECRET", text, { cause });
}

function cannotStore(path: string, cause: Error): LockstepError {
  return new LockstepError(
    "ERR_SECRET",
    `Expected to keep a secret of this coordinator in ${path}, which failed (${cause.message}); name another folder in XDG_CONFIG_HOME, or give the coordinator LOCKSTEP_TOKEN, --tls-cert and --tls-key.`,
    { cause },
  );
}
