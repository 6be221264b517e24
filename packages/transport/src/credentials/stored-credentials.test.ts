/** Checks credentials on disk: their modes, coordinators that start at once, expired and damaged files. */
import { X509Certificate } from "node:crypto";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test as base } from "@lockstep/testing";
import { afterEach, expect, vi } from "vitest";
import { configDir, storedCertificate, storedToken } from "./stored-credentials.ts";

/** The fixture `dir` is a configuration folder in the empty `folder`; it does not exist yet. */
const test = base.extend("dir", ({ folder }) => join(folder, "config", "lockstep"));

afterEach(() => {
  vi.unstubAllEnvs();
});

test("the token and the certificate are stored in files that only the user can read, and reused", async ({ dir }) => {
  const first = [await storedToken(dir), await storedCertificate(dir)];
  expect([await storedToken(dir), await storedCertificate(dir)]).toEqual(first);
  expect((await readdir(dir)).sort()).toEqual(["certificate.pem", "token"]);
  for (const name of ["certificate.pem", "token"]) expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600);
  expect((await stat(dir)).mode & 0o777).toBe(0o700);
});

test("coordinators that start at the same time get the same token", async ({ dir }) => {
  const tokens = await Promise.all(Array.from({ length: 8 }, async () => (await storedToken(dir)).token));
  expect(new Set(tokens).size).toBe(1);
});

test("an expired certificate is renewed", async ({ dir }) => {
  const { fingerprint, cert } = await storedCertificate(dir);
  const endMs = Date.parse(new X509Certificate(cert).validTo);
  expect((await storedCertificate(dir, endMs - 1)).fingerprint).toBe(fingerprint);
  const renewed = await storedCertificate(dir, endMs);
  expect(renewed.fingerprint).not.toBe(fingerprint);
  expect((await storedCertificate(dir)).fingerprint).toBe(renewed.fingerprint);
});

test("a credentials file that others can read is refused", async ({ dir }) => {
  const { token, path } = await storedToken(dir);
  await chmod(path, 0o640);
  await expect(storedToken(dir)).rejects.toMatchObject({
    code: "ERR_SECRET",
    message: expect.stringMatching(/token to be readable only by you \(mode 600\), got mode 640\. Delete the file/),
  });
  await expect(storedToken(dir)).rejects.not.toThrow(token);
});

test("a credentials file with other content is refused", async ({ dir }) => {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "token"), "two words", { mode: 0o600 });
  await writeFile(join(dir, "certificate.pem"), "none", { mode: 0o600 });
  await expect(storedToken(dir)).rejects.toThrow(/Expected a token in .*token, got .*\. Delete the file/);
  await expect(storedCertificate(dir)).rejects.toThrow(/Expected a certificate .*pem, got .*\. Delete the file/);
  expect(await readFile(join(dir, "token"), "utf8")).toBe("two words");
});

test("a credentials file that cannot be created is an error with a remedy", async ({ folder }) => {
  await writeFile(join(folder, "file"), "");
  await expect(storedToken(join(folder, "file", "lockstep"))).rejects.toMatchObject({
    code: "ERR_SECRET",
    message: expect.stringMatching(
      /ENOTDIR.*Set XDG_CONFIG_HOME to another folder, or give the coordinator LOCKSTEP_TOKEN/,
    ),
  });
});

test("credentials are in XDG_CONFIG_HOME, or else in .config of the home folder", () => {
  vi.stubEnv("XDG_CONFIG_HOME", "/xdg");
  expect(configDir()).toBe("/xdg/lockstep");
  vi.stubEnv("XDG_CONFIG_HOME", "");
  vi.stubEnv("HOME", "/home/ann");
  expect(configDir()).toBe("/home/ann/.config/lockstep");
});
