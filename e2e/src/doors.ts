/** The ingress from outside: Ingress manifests, the real curl through its two ports, and certificates made by openssl. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Stack } from "./stack.ts";

const run = promisify(execFile);

/** A path of a rule and where it leads; port 80 unless told. */
export interface Route {
  readonly host?: string;
  readonly path?: string;
  readonly type?: "Exact" | "Prefix" | "ImplementationSpecific";
  readonly service: string;
  readonly port?: number | string;
}

/** What an Ingress has besides its routes. */
export interface IngressOptions {
  readonly annotations?: Readonly<Record<string, string>>;
  /** By host, the Secret with its certificate. */
  readonly tls?: Readonly<Record<string, string>>;
  readonly spec?: object;
}

/** As much of an Ingress as its makers look at. */
interface Ingress {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: object;
}

/** An Ingress of `networking.k8s.io/v1`, each route a rule of its own. Annotations of ingress-nginx go without their prefix. */
export function ingress(
  namespace: string,
  name: string,
  routes: readonly Route[],
  options: IngressOptions = {},
): Ingress {
  const { annotations = {}, tls = {}, spec = {} } = options;
  const prefixed = Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]);
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { namespace, name, annotations: Object.fromEntries(prefixed) },
    spec: {
      rules: routes.map(({ host, path = "/", type = "Prefix", service, port = 80 }) => ({
        ...(host === undefined ? {} : { host }),
        http: { paths: [{ path, pathType: type, backend: backend(service, port) }] },
      })),
      ...(Object.keys(tls).length > 0
        ? { tls: Object.entries(tls).map(([host, secretName]) => ({ hosts: [host], secretName })) }
        : {}),
      ...spec,
    },
  } as Ingress;
}

/** A backend of an Ingress. */
export function backend(service: string, port: number | string = 80): object {
  return { service: { name: service, port: typeof port === "number" ? { number: port } : { name: port } } };
}

/** What curl saw; of several requests the status of the last, and each one's status as a line after its body. */
export interface Visit {
  /** curl's own: 0, 35 (no TLS session), 60 (unknown certificate). */
  readonly code: number;
  /** 0 without an answer. */
  readonly status: number;
  readonly body: string;
}

/** The real curl at the ingress' port for the URL's scheme, as if its name led there; `url` goes without a port. */
export async function visit(stack: Stack, url: string, ...args: readonly string[]): Promise<Visit> {
  const { command, target } = atDoor(stack, url);
  const options = ["--silent", "--max-time", "10", "--write-out", "\n%{http_code}\n", ...command, ...args, target];
  try {
    const { stdout } = await run("curl", options, { maxBuffer: 16 * 1024 * 1024 });
    return { code: 0, ...parse(stdout) };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, ...parse(stdout) };
  }
}

function parse(stdout: string): { status: number; body: string } {
  const text = stdout.slice(0, -1);
  const end = text.lastIndexOf("\n");
  return { status: Number(text.slice(end + 1)), body: text.slice(0, end) };
}

/** curl's arguments for a URL behind the ingress. */
export function atDoor(stack: Stack, url: string): { readonly command: readonly string[]; readonly target: string } {
  // Not by URL: it would change the case of the host, and escape the ranges that curl counts through.
  const [, scheme = "", host = "", rest = ""] = /^(https?):\/\/([^/?]+)(.*)$/.exec(url) ?? [];
  const door = new URL(scheme === "https" ? stack.dev.ingress.https : stack.dev.ingress.http);
  const target = `${scheme}://${host}:${door.port}${rest}`;
  return { command: ["--resolve", `${host}:${door.port}:${door.hostname}`], target };
}

/** A key and its certificate, as files. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly pem: string;
}

/** Makes a certificate that vouches for itself, with the real openssl. */
export async function makeCertificate(folder: string, name: string, host: string): Promise<Certificate> {
  const certFile = join(folder, `${name}.crt`);
  const keyFile = join(folder, `${name}.key`);
  const request = "req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1".split(" ");
  const subject = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`];
  await run("openssl", [...request, ...subject, "-keyout", keyFile, "-out", certFile]);
  return { certFile, keyFile, pem: readFileSync(certFile, "utf8") };
}

/** Makes or replaces a Secret with a certificate, as people do it who do not know which of the two it is. */
export async function putCertificate(stack: Stack, namespace: string, name: string, from: Certificate): Promise<void> {
  const { certFile, keyFile } = from;
  const create = ["create", "secret", "tls", name, "-n", namespace, `--cert=${certFile}`, `--key=${keyFile}`];
  await stack.kubectl("apply -f -", await stack.kubectl([...create, "--dry-run=client", "-o", "yaml"]));
}
