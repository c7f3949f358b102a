/** The cluster's own certificate authority, its server certificate and its client certificate, made once and kept on disk. */
import { createPrivateKey, randomBytes, type webcrypto, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";

const day = 24 * 60 * 60 * 1000;

/** Life of the authority, and of what it signs. */
export const certificateLifeMs = 3650 * day;

/** A certificate that has less than this left is replaced at start. */
export const renewBeforeMs = 30 * day;

/** Name of the client in its certificate; kubectl's user. */
export const adminName = "fairlead-admin";

/** A certificate and its key, PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** All three. */
export interface Certificates {
  readonly ca: string;
  readonly server: KeyPair;
  readonly client: KeyPair;
}

/** What they are made for. */
export interface CertificateOptions {
  /** Directory of the files; created with mode 0700. */
  readonly directory: string;
  /** Names and addresses the server is reached by. */
  readonly hosts: readonly string[];
  /** Time now, in ms since 1970. */
  readonly now: number;
}

/** Reads them, or makes all of them anew where one is missing, near its end, unreadable, or made for other hosts. */
export async function loadCertificates(options: CertificateOptions): Promise<Certificates> {
  return readUsable(options) ?? (await makeAll(options));
}

function readUsable({ directory, hosts, now }: CertificateOptions): Certificates | undefined {
  try {
    const ca = readFileSync(join(directory, "ca.crt"), "utf8");
    const server = readPair(directory, "server");
    const client = readPair(directory, "client");
    const authority = new X509Certificate(ca);
    const usable = [server, client].every(({ certificate, key }) => {
      const parsed = new X509Certificate(certificate);
      return parsed.checkIssued(authority) && parsed.checkPrivateKey(createPrivateKey(key)) && lasts(parsed, now);
    });
    const parsed = new X509Certificate(server.certificate);
    const covers = hosts.every((host) => (isIP(host) ? parsed.checkIP(host) : parsed.checkHost(host)) !== undefined);
    return usable && covers && lasts(authority, now) ? { ca, server, client } : undefined;
  } catch {
    // Missing or damaged: made anew. Nothing but this directory depends on them.
    return undefined;
  }
}

function readPair(directory: string, name: string): KeyPair {
  return {
    certificate: readFileSync(join(directory, `${name}.crt`), "utf8"),
    key: readFileSync(join(directory, `${name}.key`), "utf8"),
  };
}

function lasts(certificate: X509Certificate, now: number): boolean {
  return Date.parse(certificate.validFrom) <= now && Date.parse(certificate.validTo) - now > renewBeforeMs;
}

async function makeAll({ directory, hosts, now }: CertificateOptions): Promise<Certificates> {
  // Loaded here because it takes a tenth of a second that only the first start should pay.
  await import("./reflect-shim.ts");
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const notBefore = new Date(now - day);
  const notAfter = new Date(now + certificateLifeMs);
  const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
    crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const caKeys = await newKeys();
  const issuer = "CN=fairlead-ca";
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: issuer,
    keys: caKeys,
    serialNumber: serialNumber(),
    notBefore,
    notAfter,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const sign = async (subject: string, usage: string, names: readonly string[]): Promise<KeyPair> => {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      subject,
      issuer,
      publicKey: keys.publicKey,
      signingKey: caKeys.privateKey,
      serialNumber: serialNumber(),
      notBefore,
      notAfter,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
        ...(names.length === 0
          ? []
          : [
              new x509.SubjectAlternativeNameExtension(
                names.map((value) => ({ type: isIP(value) ? ("ip" as const) : ("dns" as const), value })),
              ),
            ]),
      ],
    });
    const key = x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
    return { certificate: certificate.toString("pem"), key };
  };
  const server = await sign("CN=fairlead-devcluster", x509.ExtendedKeyUsage.serverAuth, hosts);
  const client = await sign(`CN=${adminName}, O=system:masters`, x509.ExtendedKeyUsage.clientAuth, []);
  // The authority's key is not kept: whoever could read it could sign for anybody, and the next set gets an authority of its own.
  const made = { ca: ca.toString("pem"), server, client };
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writePrivate(join(directory, "ca.crt"), made.ca);
  for (const [name, pair] of [["server", server] as const, ["client", client] as const]) {
    writePrivate(join(directory, `${name}.crt`), pair.certificate);
    writePrivate(join(directory, `${name}.key`), pair.key);
  }
  return made;
}

/** Writes a file whole or not at all, readable by its owner only. */
export function writePrivate(path: string, text: string): void {
  const draft = `${path}.${process.pid}.new`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, path);
}

function serialNumber(): string {
  // Positive, and of full length: the first byte lies between 0x40 and 0x7f.
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}
