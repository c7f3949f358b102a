import { beforeAll, describe, expect, it } from "vitest";
import { loadSchemas } from "../src/schema/index.ts";
import type { Schemas } from "../src/schema/index.ts";
import { SERVED_KINDS } from "../src/schema/kinds.ts";

type Json = Record<string, unknown>;

describe("OpenAPI documents", () => {
  let schemas: Schemas;

  beforeAll(async () => {
    schemas = await loadSchemas();
  });

  const documents = (): [path: string, document: Json][] =>
    Object.keys(schemas.openapiIndex().paths).map((path) => [path, schemas.openapiDocument(path) as unknown as Json]);

  const schemaOf = (path: string, name: string): Json => {
    const schema = schemas.openapiDocument(path)?.components.schemas[name];
    if (!schema) throw new Error(`${path} has no schema ${name}`);
    return schema as Json;
  };

  const property = (path: string, name: string, field: string): Json =>
    (schemaOf(path, name)["properties"] as Record<string, Json>)[field] as Json;

  it("lists every group version with a URL that changes with the schemas", () => {
    expect(Object.keys(schemas.openapiIndex().paths).toSorted()).toEqual([
      "api/v1",
      "apis/apps/v1",
      "apis/coordination.k8s.io/v1",
      "apis/discovery.k8s.io/v1",
      "apis/networking.k8s.io/v1",
    ]);
    expect(schemas.openapiIndex().paths["api/v1"]?.serverRelativeURL).toMatch(/^\/openapi\/v3\/api\/v1\?hash=[\w.-]+$/);
    expect(schemas.openapiDocument("apis/batch/v1")).toBeUndefined();
  });

  it("refers to nothing that is not in the same document", () => {
    const dangling = documents().flatMap(([path, document]) => {
      const known = new Set(Object.keys((document["components"] as { schemas: Json }).schemas));
      const wanted = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(?<name>[^"]+)"/g)];
      return wanted.flatMap(({ groups }) =>
        known.has(groups?.["name"] ?? "") ? [] : [`${path}: ${groups?.["name"]}`],
      );
    });
    expect(dangling).toEqual([]);
  });

  it("names every schema in full", () => {
    for (const [, document] of documents()) {
      for (const name of Object.keys((document["components"] as { schemas: Json }).schemas)) {
        expect(name).toMatch(/^io\.k8s\.(?:api|apimachinery)\.[\w.]+\.[A-Z]\w*$/);
      }
    }
    expect(schemaOf("apis/discovery.k8s.io/v1", "io.k8s.api.discovery.v1.EndpointPort")).toBeDefined();
    expect(schemaOf("api/v1", "io.k8s.api.core.v1.EndpointPort")).toBeDefined();
    expect(schemaOf("apis/apps/v1", "io.k8s.api.core.v1.PodTemplateSpec")).toBeDefined();
    expect(schemaOf("apis/apps/v1", "io.k8s.api.autoscaling.v1.Scale")).toBeDefined();
  });

  it("has for each kind a path whose PATCH tells kubectl all it looks for", () => {
    for (const { group, version, kind, resource, namespaced } of SERVED_KINDS) {
      const path = group === "" ? `api/${version}` : `apis/${group}/${version}`;
      const operations = schemas.openapiDocument(path)?.paths[
        `/${path}/${namespaced ? "namespaces/{namespace}/" : ""}${resource}/{name}`
      ] as Record<string, Json>;
      for (const [method, action] of Object.entries({ get: "get", put: "put", patch: "patch", delete: "delete" })) {
        expect(operations[method]).toMatchObject({
          "x-kubernetes-group-version-kind": { group, version, kind },
          "x-kubernetes-action": action,
        });
      }
      const patch = operations["patch"] as {
        parameters: { name: string; in: string }[];
        requestBody: { content: Json };
      };
      expect(patch.parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name)).toEqual(
        expect.arrayContaining(["dryRun", "fieldManager", "fieldValidation"]),
      );
      expect(Object.keys(patch.requestBody.content)).toEqual(
        expect.arrayContaining([
          "application/json-patch+json",
          "application/merge-patch+json",
          "application/strategic-merge-patch+json",
        ]),
      );
      expect(schemaOf(path, `io.k8s.api.${group.split(".")[0] || "core"}.${version}.${kind}`)).toMatchObject({
        "x-kubernetes-group-version-kind": [{ group, version, kind }],
      });
    }
  });

  it("marks lists and maps with how they merge", () => {
    expect(property("api/v1", "io.k8s.api.core.v1.ServiceSpec", "ports")).toMatchObject({
      type: "array",
      items: { allOf: [{ $ref: "#/components/schemas/io.k8s.api.core.v1.ServicePort" }] },
      "x-kubernetes-list-map-keys": ["port", "protocol"],
      "x-kubernetes-list-type": "map",
      "x-kubernetes-patch-merge-key": "port",
      "x-kubernetes-patch-strategy": "merge",
    });
    expect(property("api/v1", "io.k8s.api.core.v1.ServiceSpec", "selector")).toMatchObject({
      type: "object",
      additionalProperties: { type: "string" },
      "x-kubernetes-map-type": "atomic",
    });
    expect(property("api/v1", "io.k8s.api.core.v1.ServiceSpec", "externalIPs")).toMatchObject({
      "x-kubernetes-list-type": "atomic",
    });
    expect(schemaOf("apis/apps/v1", "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector")).toMatchObject({
      "x-kubernetes-map-type": "atomic",
    });
  });

  it("keeps the types that are more than text and numbers", () => {
    const core = (model: string, field: string): Json => property("api/v1", `io.k8s.api.core.v1.${model}`, field);
    const meta = "#/components/schemas/io.k8s.apimachinery.pkg";
    expect(core("ServicePort", "port")).toMatchObject({ type: "integer", format: "int32" });
    expect(core("PodSpec", "terminationGracePeriodSeconds")).toMatchObject({ type: "integer", format: "int64" });
    expect(core("ServicePort", "targetPort")).toMatchObject({ allOf: [{ $ref: `${meta}.util.intstr.IntOrString` }] });
    expect(core("PodStatus", "startTime")).toMatchObject({ allOf: [{ $ref: `${meta}.apis.meta.v1.Time` }] });
    expect(core("Secret", "data")).toMatchObject({ additionalProperties: { type: "string", format: "byte" } });
    expect(core("NodeStatus", "capacity")).toMatchObject({
      additionalProperties: { allOf: [{ $ref: `${meta}.api.resource.Quantity` }] },
    });
    expect(schemaOf("api/v1", "io.k8s.apimachinery.pkg.util.intstr.IntOrString")).toMatchObject({
      format: "int-or-string",
      oneOf: [{ type: "integer" }, { type: "string" }],
    });
  });

  it("describes fields in words and says which are required", () => {
    expect(property("api/v1", "io.k8s.api.core.v1.ServiceSpec", "clusterIP")["description"]).toMatch(/\w+ \w+ \w+/);
    expect(schemaOf("api/v1", "io.k8s.api.core.v1.ServicePort")["required"]).toEqual(["port"]);
    expect(schemaOf("api/v1", "io.k8s.api.core.v1.ServiceSpec")["required"]).toBeUndefined();
  });
});
