import { badRequest } from "../src/api/errors.ts";
import { withOldIngresses } from "../src/server/old-ingress.ts";
import { resourceNames } from "../src/strategies/names.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PodLogRequest } from "../src/server/parts.ts";
import { openServer, type ServerFixture } from "./server-fixture.ts";

let fixture: ServerFixture;
const asked: PodLogRequest[] = [];

beforeAll(async () => {
  fixture = await openServer({
    podLog: (request) => {
      if (request.container === "none") throw badRequest("no such container");
      asked.push(request);
      return lines();
    },
  });
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

async function* lines(): AsyncGenerator<Uint8Array> {
  for (const line of ["one\n", "two\n"]) yield Buffer.from(line);
}

const aggregated = (version: string): string =>
  `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList,application/json`;

describe("discovery", () => {
  test.each(["v2", "v2beta1"])("is one document for each root, in %s", async (version) => {
    const core = await fixture.call("/api", { headers: { accept: aggregated(version) } });
    expect(core.headers["content-type"]).toBe(
      `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
    );
    expect(core.json).toMatchObject({ kind: "APIGroupDiscoveryList", items: [{ metadata: { name: "" } }] });
    const groups = await fixture.call("/apis", { headers: { accept: aggregated(version) } });
    const found = [core, groups].flatMap(({ json }) => resourcesIn(json));
    expect(found.sort()).toEqual(
      withOldIngresses(resourceNames)
        .map(({ resource }) => resource)
        .sort(),
    );
  });

  test("says what a resource can", async () => {
    const { text } = await fixture.call("/apis", { headers: { accept: aggregated("v2") } });
    expect(text).toContain(
      '"subresources":[{"subresource":"status","responseKind":{"group":"apps","version":"v1","kind":"Deployment"},' +
        '"verbs":["get","patch","update"]},{"subresource":"scale","responseKind":{"group":"autoscaling"',
    );
    const { text: core } = await fixture.call("/api", { headers: { accept: aggregated("v2") } });
    expect(core).toContain('"subresource":"log"');
  });

  test("is walked step by step by older clients", async () => {
    expect((await fixture.call("/api")).json).toMatchObject({ kind: "APIVersions", versions: ["v1"] });
    expect((await fixture.call("/apis")).json).toMatchObject({ kind: "APIGroupList" });
    expect((await fixture.call("/apis/apps")).json).toMatchObject({
      kind: "APIGroup",
      name: "apps",
      preferredVersion: { groupVersion: "apps/v1", version: "v1" },
    });
    const { json } = await fixture.call("/api/v1");
    expect(json).toMatchObject({ kind: "APIResourceList", groupVersion: "v1" });
    const services = expect.objectContaining({ name: "services", shortNames: ["svc"], categories: ["all"] }) as object;
    const scale = expect.objectContaining({ name: "replicationcontrollers/scale", kind: "Scale" }) as object;
    expect(json["resources"]).toEqual(expect.arrayContaining([services, scale]));
  });

  test("leads to a schema of every group", async () => {
    const { paths } = (await fixture.call("/openapi/v3")).json as {
      paths: Record<string, { serverRelativeURL: string }>;
    };
    expect(Object.keys(paths)).toContain("apis/discovery.k8s.io/v1");
    for (const { serverRelativeURL } of Object.values(paths)) {
      expect((await fixture.call(serverRelativeURL)).json).toMatchObject({ openapi: "3.0.0" });
    }
  });
});

describe("logs", () => {
  const path = "/api/v1/namespaces/default/pods/web/log";

  test("are the container's text, as much of it as is asked for", async () => {
    const answer = await fixture.call(`${path}?container=a&tailLines=2&previous=true`);
    expect(answer).toMatchObject({ code: 200, text: "one\ntwo\n" });
    expect(asked.at(-1)).toMatchObject({
      namespace: "default",
      name: "web",
      container: "a",
      tailLines: 2,
      previous: true,
      follow: false,
    });
  });

  test("that cannot be read are an error, not an empty text", async () => {
    expect((await fixture.call(`${path}?container=none`)).json).toMatchObject({
      code: 400,
      message: "no such container",
    });
    expect((await fixture.call(`${path}?timestamps=true`)).json).toMatchObject({ code: 400 });
    expect((await fixture.call(path, { method: "POST" })).code).toBe(405);
  });
});

test("the older schema is there and empty, as JSON and as protobuf, so that clients leave validation to the server", async () => {
  expect((await fixture.call("/openapi/v2")).json).toMatchObject({ swagger: "2.0", paths: {} });
  const headers = { accept: "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" };
  expect((await fixture.call("/openapi/v2", { headers })).text).toBe("\n\u00032.0");
});

function resourcesIn(document: object): string[] {
  const { items } = document as { items: { versions: { resources: { resource: string }[] }[] }[] };
  return items.flatMap(({ versions }) =>
    versions.flatMap(({ resources }) => resources.map(({ resource }) => resource)),
  );
}
