/**
 * Certificates of a coordinator: self-signed and trusted by fingerprint, or the user's own and trusted by its issuer.
 */
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { codeOf, LockstepError } from "@lockstep/errors";

const DAY_MS = 24 * 60 * 60 * 1000;
const VALID_DAYS = 365;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate and its private key, both in PEM format. */
export interface Certificate {
  key: string;
  cert: string;
  /** SHA-256 of the certificate, as `AB:CD:…`. Workers pin it; it is not a secret. */
  fingerprint: string;
}

/** Creates a self-signed certificate for these host names and addresses, valid for a year. */
export async function selfSigned({ hosts }: { hosts: string[] }): Promise<Certificate> {
  await import("reflect-metadata"); // the next import requires it
  const x509 = await import("@peculiar/x509"); // loaded here, since most programs make no certificate
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: `01${randomBytes(15).toString("hex")}`, // starts with 01, so it is positive
    name: "CN=Lockstep coordinator",
    notBefore: new Date(now - DAY_MS), // the clocks of other machines may be behind
    notAfter: new Date(now + VALID_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        hosts.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
      ),
    ],
  });
  const cert = certificate.toString("pem");
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const key = `-----BEGIN PRIVATE KEY-----\n${[...pkcs8.matchAll(/.{1,64}/g)].join("\n")}\n-----END PRIVATE KEY-----\n`;
  return { key, cert, fingerprint: new X509Certificate(cert).fingerprint256 };
}

/**
 * Reads a certificate, optionally followed by intermediate ones, and its private key.
 *
 * @throws LockstepError ERR_CERTIFICATE if a file is missing or invalid, or if the key belongs to another certificate
 */
export async function readCertificate(certPath: string, keyPath: string): Promise<Certificate> {
  const cert = await readPem(certPath, "certificate");
  const key = await readPem(keyPath, "private key");
  const certificate = parsePem(certPath, "certificate", () => new X509Certificate(cert));
  const privateKey = parsePem(keyPath, "private key without a passphrase", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new LockstepError(
      "ERR_CERTIFICATE",
      `Expected the private key of ${certPath}, got that of another certificate in ${keyPath}. Give both files of one pair.`,
    );
  }
  return { key, cert, fingerprint: certificate.fingerprint256 };
}

async function readPem(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const reason = codeOf(cause);
    throw new LockstepError(
      "ERR_CERTIFICATE",
      `Expected a ${what} in PEM format at ${path}, which cannot be read (${reason}). Give an existing file.`,
      { cause },
    );
  }
}

function parsePem<T>(path: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new LockstepError(
      "ERR_CERTIFICATE",
      `Expected a ${what} in PEM format at ${path}, got something else. Convert the file with openssl, or give another file.`,
      { cause },
    );
  }
}
