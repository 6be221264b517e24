/** Checks generated certificates with Node's own X.509 reader, and the refusal of files that do not match. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { readCertificate, selfSigned } from "./certificate.ts";

test("a generated certificate names its hosts, matches its key, and is valid for a year", async () => {
  const { key, cert, fingerprint } = await selfSigned({ hosts: ["train.example.org", "192.0.2.7", "fd00::7"] });
  const certificate = new X509Certificate(cert);
  expect(fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  expect(certificate.fingerprint256).toBe(fingerprint);
  expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(certificate.checkHost("train.example.org")).toBeDefined();
  expect(certificate.checkHost("example.org")).toBeUndefined();
  expect(certificate.checkIP("192.0.2.7")).toBeDefined();
  expect(certificate.checkIP("fd00::7")).toBeDefined();
  expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
  const daysLeft = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000;
  expect(Math.round(daysLeft)).toBe(365);
  expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now());
});

/** Writes a file, and returns its path. */
async function write(folder: string, name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

test("a certificate and its key are read from two files", async ({ folder }) => {
  const made = await selfSigned({ hosts: ["localhost"] });
  expect(await readCertificate(await write(folder, "cert", made.cert), await write(folder, "key", made.key))).toEqual(
    made,
  );
});

test("a key of another certificate, a missing file and a file with other content are refused", async ({ folder }) => {
  const made = await selfSigned({ hosts: ["localhost"] });
  const cert = await write(folder, "cert", made.cert);
  const key = await write(folder, "key", made.key);
  const otherKey = await write(folder, "other", (await selfSigned({ hosts: ["localhost"] })).key);
  const refused = (certPath: string, keyPath: string) =>
    expect(readCertificate(certPath, keyPath)).rejects.toMatchObject({
      code: "ERR_CERTIFICATE",
      message: expect.not.stringContaining("BEGIN"),
    });
  await refused(cert, otherKey);
  await refused(join(folder, "none"), key);
  await refused(cert, join(folder, "none"));
  await refused(cert, folder);
  await refused(key, key);
  await refused(cert, cert);
  await refused(key, cert);
});
