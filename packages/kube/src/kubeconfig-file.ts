/**
 * The light way to the API server: kubeconfigs with certificates or a token, or a Pod's service account, read without the client
 * library, which takes half a second and some 80 MiB to load.
 */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { InvalidInputError } from "@fairlead/types";
import { parse } from "yaml";
import { libraryEndpoint } from "./library-endpoint.ts";
import type { ApiEndpoint, Credentials } from "./transport.ts";

/** Where a Pod finds its credentials. */
export const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

type Settings = Readonly<Record<string, unknown>>;

/** A kubeconfig as read, and the folder that its paths are relative to. */
interface KubeconfigFile {
  readonly content: Settings;
  readonly directory: string;
}

/** A context, cluster or user of a kubeconfig. */
interface Entry {
  readonly value: Settings;
  readonly directory: string;
}

/** What a kubeconfig may ask for that takes the client library (plugins, programs, proxies, impersonation). */
const libraryOnly = {
  cluster: ["proxy-url"],
  user: ["exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra"],
} as const;

/** Where kubectl finds its configuration: the files of KUBECONFIG that exist, else the one in the home folder. */
export function defaultKubeconfigs(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  const home = env["HOME"] ?? "";
  const paths = listed.length > 0 ? listed : home === "" ? [] : [join(home, ".kube", "config")];
  return paths.filter((path) => existsSync(path));
}

/**
 * The endpoint of the current context of a kubeconfig, or of several taken together as kubectl does: of what they name alike, the
 * first counts. Throws InvalidInputError naming what is missing. A token's file is read anew each time, certificates are read once.
 * Credentials that take the client library load it with the first request.
 */
export function endpointFromFiles(paths: readonly string[]): ApiEndpoint {
  const files = paths.map((path) => ({
    content: refusing(() => parse(readFileSync(path, "utf8")) as Settings | null) ?? {},
    directory: dirname(path),
  }));
  const current = files
    .map(({ content }) => content["current-context"])
    .find((name) => typeof name === "string" && name !== "");
  const context = entryOf(files, "context", current)?.value;
  const cluster = entryOf(files, "cluster", context?.["cluster"]);
  const user = entryOf(files, "user", context?.["user"]) ?? { value: {}, directory: "" };
  const server = cluster?.value["server"];
  if (cluster === undefined || typeof server !== "string") {
    throw refused(`context ${JSON.stringify(current)} leads to no cluster with a server`);
  }
  if (!/^https?:$/.test(URL.parse(server)?.protocol ?? ""))
    throw refused(`${JSON.stringify(server)} is no URL of a server`);
  const beyond =
    libraryOnly.cluster.some((field) => field in cluster.value) ||
    libraryOnly.user.some((field) => field in user.value);
  return beyond ? libraryEndpoint(server, paths) : plainEndpoint(server, cluster, user);
}

function plainEndpoint(server: string, cluster: Entry, user: Entry): ApiEndpoint {
  const serverName = cluster.value["tls-server-name"];
  const tls = {
    ca: contentOf(cluster, "certificate-authority"),
    cert: contentOf(user, "client-certificate"),
    key: contentOf(user, "client-key"),
    ...(cluster.value["insecure-skip-tls-verify"] === true ? { rejectUnauthorized: false } : {}),
    ...(typeof serverName === "string" && serverName !== "" ? { servername: serverName } : {}),
  };
  const token = user.value["token"];
  const tokenFile = pathOf(user, "tokenFile");
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

function pathOf({ value, directory }: Entry, name: string): string | undefined {
  const path = value[name];
  return typeof path === "string" && path !== "" ? resolve(directory, path) : undefined;
}

/** What a field holds itself, or the file that it names. */
function contentOf(entry: Entry, name: string): Buffer | undefined {
  const data = entry.value[`${name}-data`];
  if (typeof data === "string" && data !== "") return Buffer.from(data, "base64");
  const path = pathOf(entry, name);
  return path === undefined ? undefined : refusing(() => readFileSync(path));
}

/** The first entry of that name. Lists are read as they come: a kubeconfig is anybody's text. */
function entryOf(
  files: readonly KubeconfigFile[],
  kind: "cluster" | "context" | "user",
  name: unknown,
): Entry | undefined {
  for (const { content, directory } of files) {
    const list = content[`${kind}s`];
    if (!Array.isArray(list)) continue;
    const value = (list as readonly (Settings | null)[]).find((entry) => entry?.["name"] === name)?.[kind];
    if (typeof value === "object" && value !== null) return { value: value as Settings, directory };
  }
  return undefined;
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
