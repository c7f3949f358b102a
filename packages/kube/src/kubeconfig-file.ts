/**
 * The light way to the API server: a kubeconfig with certificates or a token, or a Pod's service account, read without the client
 * library. For what runs on every node and only writes Events.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { InvalidInputError } from "@fairlead/types";
import { parse } from "yaml";
import type { ApiEndpoint, Credentials } from "./transport.ts";

const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

interface Named<T> {
  readonly name?: string;
  readonly cluster?: T;
  readonly user?: T;
  readonly context?: T;
}

interface KubeconfigFile {
  readonly "current-context"?: string;
  readonly clusters?: readonly Named<Record<string, unknown>>[];
  readonly users?: readonly Named<Record<string, unknown>>[];
  readonly contexts?: readonly Named<{ readonly cluster?: string; readonly user?: string }>[];
}

/** The endpoint of a kubeconfig's current context; throws InvalidInputError naming what is missing or not supported here. */
export function endpointFromFile(path: string): ApiEndpoint {
  let file: KubeconfigFile;
  try {
    file = parse(readFileSync(path, "utf8")) as KubeconfigFile;
  } catch (cause) {
    throw new InvalidInputError("kubeconfig", cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const current = file["current-context"];
  const context = file.contexts?.find((entry) => entry.name === current)?.context;
  const cluster = file.clusters?.find((entry) => entry.name === context?.cluster)?.cluster;
  const user = file.users?.find((entry) => entry.name === context?.user)?.user ?? {};
  const server = cluster?.["server"];
  if (cluster === undefined || typeof server !== "string") {
    throw new InvalidInputError("kubeconfig", `context ${JSON.stringify(current)} leads to no cluster with a server`);
  }
  if ("exec" in user || "auth-provider" in user) {
    throw new InvalidInputError("kubeconfig", "credentials by exec or auth-provider are not supported for Events");
  }
  const content = (entry: Record<string, unknown>, name: string): Buffer | undefined => {
    const data = entry[`${name}-data`];
    if (typeof data === "string") return Buffer.from(data, "base64");
    const at = entry[name];
    return typeof at === "string" ? readFileSync(resolve(dirname(path), at)) : undefined;
  };
  const tls = {
    ca: content(cluster, "certificate-authority"),
    cert: content(user, "client-certificate"),
    key: content(user, "client-key"),
    ...(cluster["insecure-skip-tls-verify"] === true ? { rejectUnauthorized: false } : {}),
  };
  const token = user["token"];
  return {
    server,
    authorize(request: Credentials): Promise<void> {
      Object.assign(request, tls);
      if (typeof token === "string") request.headers["authorization"] = `Bearer ${token}`;
      return Promise.resolve();
    },
  };
}

/** The endpoint of a Pod's own cluster, or `undefined` outside one. The token is read anew each time: kubelets rotate it. */
export function endpointInCluster(env: Readonly<Record<string, string | undefined>>): ApiEndpoint | undefined {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"];
  if (host === undefined || port === undefined || !existsSync(`${serviceAccount}/token`)) return undefined;
  const ca = readFileSync(`${serviceAccount}/ca.crt`);
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    authorize(request: Credentials): Promise<void> {
      const token = readFileSync(`${serviceAccount}/token`, "utf8").trim();
      request.ca = ca;
      request.headers["authorization"] = `Bearer ${token}`;
      return Promise.resolve();
    },
  };
}
