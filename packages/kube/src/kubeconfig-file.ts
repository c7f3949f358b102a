/**
 * The light way to the API server: a kubeconfig with certificates or a token, or a Pod's service account, read without the client
 * library. For what runs on every node and only writes Events.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { InvalidInputError } from "@fairlead/types";
import { parse } from "yaml";
import type { ApiEndpoint, Credentials } from "./transport.ts";

/** Where a Pod finds its credentials. */
export const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

interface Named<T> {
  readonly name?: string;
  readonly cluster?: T;
  readonly user?: T;
  readonly context?: T;
}

interface KubeconfigFile {
  readonly "current-context"?: string;
  readonly clusters?: readonly Named<Record<string, unknown>>[] | null;
  readonly users?: readonly Named<Record<string, unknown>>[] | null;
  readonly contexts?: readonly Named<{ readonly cluster?: string; readonly user?: string }>[] | null;
}

/** What a kubeconfig may ask for that is not supported here: it must not be passed over, or requests would go out differently. */
const unsupported = {
  cluster: ["proxy-url"],
  user: ["exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra"],
} as const;

/**
 * The endpoint of a kubeconfig's current context; throws InvalidInputError naming what is missing or not supported here. A token's
 * file is read anew each time, certificates are read once.
 */
export function endpointFromFile(path: string): ApiEndpoint {
  const file = refusing(() => parse(readFileSync(path, "utf8")) as KubeconfigFile | null) ?? {};
  const current = file["current-context"];
  const context = named(file.contexts, current)?.context;
  const cluster = named(file.clusters, context?.cluster)?.cluster;
  const user = named(file.users, context?.user)?.user ?? {};
  const server = cluster?.["server"];
  if (cluster === undefined || typeof server !== "string") {
    throw refused(`context ${JSON.stringify(current)} leads to no cluster with a server`);
  }
  if (!/^https?:$/.test(URL.parse(server)?.protocol ?? ""))
    throw refused(`${JSON.stringify(server)} is no URL of a server`);
  const asked = [
    ...unsupported.cluster.filter((field) => field in cluster),
    ...unsupported.user.filter((field) => field in user),
  ];
  if (asked.length > 0) throw refused(`${asked.join(", ")}: not supported for Events; use a certificate or a token`);
  const pathOf = (text: unknown): string | undefined =>
    typeof text === "string" && text !== "" ? resolve(dirname(path), text) : undefined;
  const content = (entry: Record<string, unknown>, name: string): Buffer | undefined => {
    const data = entry[`${name}-data`];
    if (typeof data === "string" && data !== "") return Buffer.from(data, "base64");
    const at = pathOf(entry[name]);
    return at === undefined ? undefined : refusing(() => readFileSync(at));
  };
  const serverName = cluster["tls-server-name"];
  const tls = {
    ca: content(cluster, "certificate-authority"),
    cert: content(user, "client-certificate"),
    key: content(user, "client-key"),
    ...(cluster["insecure-skip-tls-verify"] === true ? { rejectUnauthorized: false } : {}),
    ...(typeof serverName === "string" && serverName !== "" ? { servername: serverName } : {}),
  };
  const token = user["token"];
  const tokenFile = pathOf(user["tokenFile"]);
  return {
    server,
    async authorize(request: Credentials): Promise<void> {
      Object.assign(request, tls);
      // As kubectl: the file goes before the text.
      const bearer = tokenFile === undefined ? token : readFileSync(tokenFile, "utf8").trim();
      if (typeof bearer === "string" && bearer !== "") request.headers["authorization"] = `Bearer ${bearer}`;
    },
  };
}

function named<T extends { readonly name?: string }>(
  list: readonly T[] | null | undefined,
  name: unknown,
): T | undefined {
  return Array.isArray(list)
    ? ((list as readonly (T | null)[]).find((entry) => entry?.name === name) ?? undefined)
    : undefined;
}

function refused(reason: string, cause?: unknown): InvalidInputError {
  return new InvalidInputError("kubeconfig", reason, { cause });
}

function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw refused(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** The endpoint of a Pod's own cluster, or `undefined` outside one. The token is read anew each time: kubelets rotate it. */
export function endpointInCluster(
  env: Readonly<Record<string, string | undefined>>,
  directory: string = serviceAccount,
): ApiEndpoint | undefined {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"];
  if (host === undefined || port === undefined || !existsSync(`${directory}/token`)) return undefined;
  const ca = refusing(() => readFileSync(`${directory}/ca.crt`));
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    async authorize(request: Credentials): Promise<void> {
      const token = readFileSync(`${directory}/token`, "utf8").trim();
      request.ca = ca;
      request.headers["authorization"] = `Bearer ${token}`;
    },
  };
}
