/** The least of an API server that lets kubectl read the schemas: discovery, OpenAPI, and objects that are checked and dropped. */
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { ApiError, badRequest, invalid, notFound } from "../src/api/errors.ts";
import { SERVED_KINDS } from "../src/schema/kinds.ts";
import type { ServedKind } from "../src/schema/kinds.ts";
import type { Schemas } from "../src/schema/index.ts";

export interface SchemaServer extends AsyncDisposable {
  readonly url: string;
  /** Paths that were asked for, with their query. */
  readonly requests: readonly string[];
}

export async function startSchemaServer(schemas: Schemas): Promise<SchemaServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(schemas, request).then(
      (body) => {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(body));
      },
      (error: unknown) => {
        const status = error instanceof ApiError ? error.status : badRequest(String(error)).status;
        response.writeHead(status.code, { "content-type": "application/json" });
        response.end(JSON.stringify(status));
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(schemas: Schemas, request: IncomingMessage): Promise<object> {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  if (pathname === "/version") return { major: "1", minor: "32", gitVersion: "v1.32.0" };
  if (pathname === "/api") return { kind: "APIVersions", apiVersion: "v1", versions: ["v1"] };
  if (pathname === "/apis") return groupList();
  if (pathname === "/openapi/v3") return schemas.openapiIndex();
  if (pathname.startsWith("/openapi/v3/")) {
    const document = schemas.openapiDocument(pathname.slice("/openapi/v3/".length));
    if (document) return document;
  }
  const kinds = SERVED_KINDS.filter((kind) => pathname === prefixOf(kind));
  if (kinds.length > 0) return resourceList(kinds);
  const kind = SERVED_KINDS.find(
    (candidate) => pathname.startsWith(prefixOf(candidate)) && pathname.split("/").includes(candidate.resource),
  );
  if (kind && request.method === "POST") return checked(schemas, kind, request);
  throw notFound({ resource: kind?.resource ?? pathname, group: kind?.group ?? "", kind: kind?.kind ?? "", name: "" });
}

async function checked(schemas: Schemas, kind: ServedKind, request: IncomingMessage): Promise<object> {
  const object = JSON.parse(Buffer.concat(await request.toArray()).toString()) as { metadata?: { name?: string } };
  const { unknown, typeErrors } = schemas.validate(kind, object);
  if (unknown.length > 0) {
    throw badRequest(`strict decoding error: ${unknown.map((path) => `unknown field "${path}"`).join(", ")}`);
  }
  if (typeErrors.length > 0) throw invalid({ ...kind, name: object.metadata?.name ?? "" }, typeErrors);
  return object;
}

function prefixOf({ group, version }: ServedKind): string {
  return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
}

function groupList(): object {
  const groups = new Map(
    SERVED_KINDS.filter(({ group }) => group !== "").map(({ group, version }) => [group, version]),
  );
  return {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: [...groups].map(([name, version]) => ({
      name,
      versions: [{ groupVersion: `${name}/${version}`, version }],
      preferredVersion: { groupVersion: `${name}/${version}`, version },
    })),
  };
}

function resourceList(kinds: readonly ServedKind[]): object {
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: prefixOf(kinds[0] as ServedKind).replace(/^\/apis?\//, ""),
    resources: kinds.map(({ resource, kind, namespaced }) => ({
      name: resource,
      singularName: kind.toLowerCase(),
      namespaced,
      kind,
      verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
    })),
  };
}
