/** Checks made certificates with Node's own X.509 reader, and pairs of files that do not fit. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readCertificate, selfSigned } from "./certificate.ts";

test("a made certificate names its hosts, fits its key, and lasts a year", async () => {
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

describe("reading files", () => {
  let folder: string;
  const write = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-certificate-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("gives back a pair", async () => {
    const made = await selfSigned({ hosts: ["localhost"] });
    expect(await readCertificate(await write("cert", made.cert), await write("key", made.key))).toEqual(made);
  });

  test("refuses a pair that does not belong together, and what is missing or something else", async () => {
    const made = await selfSigned({ hosts: ["localhost"] });
    const cert = await write("cert", made.cert);
    const key = await write("key", made.key);
    const otherKey = await write("other", (await selfSigned({ hosts: ["localhost"] })).key);
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
});
