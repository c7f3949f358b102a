import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { envelope, number, part } from "./protobuf-writer.ts";
import { type Answer, openServer, type ServerFixture } from "./server-fixture.ts";

let fixture: ServerFixture;
const call: ServerFixture["call"] = (path, options) => fixture.call(path, options);

beforeEach(async () => {
  fixture = await openServer();
});

afterEach(async () => {
  await fixture[Symbol.asyncDispose]();
});

const services = "/api/v1/namespaces/default/services";
const maps = "/api/v1/namespaces/default/configmaps";
const table =
  "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
const web = { apiVersion: "v1", kind: "Service", metadata: { name: "web" }, spec: { ports: [{ port: 80 }] } };
const map = (name: string, data: Record<string, string> = {}): object => ({ metadata: { name }, data });

describe("objects over HTTP", () => {
  test("are created, read, replaced and deleted", async () => {
    const created = await call(services, { method: "POST", body: web });
    expect(created).toMatchObject({ code: 201, json: { metadata: { name: "web", namespace: "default" } } });
    const read = await call(`${services}/web`);
    expect(read.json).toEqual(created.json);
    const replaced = await call(`${services}/web`, {
      method: "PUT",
      body: { ...web, spec: { ports: [{ port: 81 }] } },
    });
    expect(replaced).toMatchObject({ code: 200, json: { spec: { ports: [{ port: 81, targetPort: 81 }] } } });
    expect((await call(`${services}/web`, { method: "DELETE" })).json).toMatchObject({
      kind: "Status",
      status: "Success",
      details: { name: "web", kind: "services" },
    });
    expect((await call(`${services}/web`)).json).toMatchObject({
      kind: "Status",
      code: 404,
      reason: "NotFound",
      message: 'services "web" not found',
      details: { name: "web", kind: "services" },
    });
  });

  test("are read from YAML and shown as YAML where that is asked for", async () => {
    const headers = { "content-type": "application/yaml", accept: "application/yaml" };
    const body = "metadata: {name: a}\ndata: {key: value}\n";
    const answer = await call(maps, { method: "POST", headers, body });
    expect(answer.headers["content-type"]).toBe("application/yaml");
    expect(answer.text).toContain("kind: ConfigMap\n");
  });

  test("belong where the path says", async () => {
    const elsewhere = { metadata: { name: "a", namespace: "other" } };
    expect((await call(maps, { method: "POST", body: elsewhere })).json).toMatchObject({ code: 400 });
    await call(maps, { method: "POST", body: map("a") });
    expect((await call(`${maps}/a`, { method: "PUT", body: map("b") })).json).toMatchObject({ code: 400 });
    expect((await call("/api/v1/configmaps", { method: "POST", body: map("b") })).code).toBe(405);
    expect((await call(maps, { method: "POST", body: web })).json).toMatchObject({ code: 400, reason: "BadRequest" });
    const beta = { ...map("c"), apiVersion: "v1beta1", kind: "ConfigMap" };
    expect((await call(maps, { method: "POST", body: beta })).json).toMatchObject({ code: 400, reason: "BadRequest" });
  });

  test("of the same name are two in two namespaces, and one list over all", async () => {
    await call("/api/v1/namespaces", { method: "POST", body: { metadata: { name: "other" } } });
    await call(maps, { method: "POST", body: map("a") });
    await call("/api/v1/namespaces/other/configmaps", { method: "POST", body: map("a") });
    const all = (await call("/api/v1/configmaps?labelSelector=!missing")).json;
    expect(all).toMatchObject({
      kind: "ConfigMapList",
      apiVersion: "v1",
      items: [{ metadata: { namespace: "default" } }, { metadata: { namespace: "other" } }],
    });
  });

  test("come in pages of the client's size", async () => {
    for (const name of ["a", "b", "c"]) await call(maps, { method: "POST", body: map(name) });
    const first = (await call(`${maps}?limit=2`)).json as { metadata: { continue: string }; items: unknown[] };
    expect(first.items).toHaveLength(2);
    const token = encodeURIComponent(first.metadata.continue);
    expect((await call(`${maps}?limit=2&continue=${token}`)).json).toMatchObject({
      items: [{ metadata: { name: "c" } }],
    });
    expect((await call(`${maps}?limit=two`)).code).toBe(400);
  });

  test("can be listed as of a version only while it is the present", async () => {
    await call(maps, { method: "POST", body: map("a") });
    const { metadata } = (await call(maps)).json as { metadata: { resourceVersion: string } };
    const exact = `${maps}?resourceVersion=${metadata.resourceVersion}&resourceVersionMatch=Exact`;
    await call(services, { method: "POST", body: web });
    expect((await call(exact)).code).toBe(200);
    await call(maps, { method: "POST", body: map("b") });
    expect((await call(exact)).json).toMatchObject({ code: 410, reason: "Expired" });
    expect((await call(`${maps}?resourceVersion=999999`)).json).toMatchObject({ code: 504, reason: "Timeout" });
    expect((await call(`${maps}?resourceVersion=0`)).code).toBe(200);
    expect((await call(`${maps}?resourceVersion=1`)).code).toBe(200);
    expect((await call(`${maps}?resourceVersion=one`)).code).toBe(400);
  });

  test("are shown as a table, or their metadata only, where that is asked for", async () => {
    await call(services, { method: "POST", body: web });
    const list = (await call(services, { headers: { accept: table } })).json;
    expect(list).toMatchObject({
      kind: "Table",
      apiVersion: "meta.k8s.io/v1",
      metadata: { resourceVersion: fixture.api.revision },
    });
    expect((await call(`${services}/web`, { headers: { accept: table } })).json).toMatchObject({
      kind: "Table",
      rows: [{ object: { kind: "PartialObjectMetadata", metadata: { name: "web" } } }],
    });
    const accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    const partial = (await call(services, { headers: { accept } })).json;
    expect(partial).toMatchObject({ kind: "PartialObjectMetadataList", items: [{ metadata: { name: "web" } }] });
    expect(partial["items"]).toEqual([expect.not.objectContaining({ spec: expect.anything() as unknown })]);
    expect((await call(services, { headers: { accept: "text/html" } })).code).toBe(406);
  });

  test("are deleted together, by selector", async () => {
    for (const name of ["a", "b"]) {
      await call(maps, { method: "POST", body: { metadata: { name, labels: { name } } } });
    }
    expect((await call(`${maps}?labelSelector=name%3Da`, { method: "DELETE" })).json).toMatchObject({
      kind: "ConfigMapList",
      items: [{ metadata: { name: "a" } }],
    });
    expect((await call(maps)).json).toMatchObject({ items: [{ metadata: { name: "b" } }] });
  });

  test("stay as they are in a dry run", async () => {
    expect((await call(`${maps}?dryRun=All`, { method: "POST", body: map("a") })).code).toBe(201);
    expect((await call(`${maps}/a`)).code).toBe(404);
    await call(maps, { method: "POST", body: map("a") });
    const body = { dryRun: ["All"] };
    expect((await call(`${maps}/a`, { method: "DELETE", body })).code).toBe(200);
    expect((await call(`${maps}/a`)).code).toBe(200);
    expect((await call(`${maps}?dryRun=Some`, { method: "POST", body: map("b") })).code).toBe(400);
  });
});

describe("patches over HTTP", () => {
  test.each([
    ["application/merge-patch+json", { metadata: { labels: { a: "b" } } }],
    ["application/strategic-merge-patch+json", { metadata: { labels: { a: "b" } } }],
    ["application/json-patch+json", [{ op: "add", path: "/metadata/labels", value: { a: "b" } }]],
  ])("%s", async (type, body) => {
    await call(services, { method: "POST", body: web });
    const patched = await call(`${services}/web`, { method: "PATCH", headers: { "content-type": type }, body });
    expect(patched).toMatchObject({
      code: 200,
      json: { metadata: { labels: { a: "b" } }, spec: { type: "ClusterIP" } },
    });
  });

  test("of a stale version are refused, of the wrong type named, of another name refused", async () => {
    await call(services, { method: "POST", body: web });
    const headers = { "content-type": "application/merge-patch+json" };
    const patch = async (body: object): Promise<object> =>
      (await call(`${services}/web`, { method: "PATCH", headers, body })).json;
    expect(await patch({ metadata: { resourceVersion: "1" } })).toMatchObject({ code: 409 });
    expect(await patch({ spec: { selector: ["a"] } })).toMatchObject({ code: 400 });
    expect(await patch({ metadata: { name: "other" } })).toMatchObject({ code: 400 });
    expect(await patch({ spec: { ports: [{ port: 70_000 }] } })).toMatchObject({
      code: 422,
      details: { causes: [{ field: "spec.ports[0].port" }] },
    });
  });
});

describe("server-side apply", () => {
  const apply = (name: string, manager: string, data: object, query = ""): ReturnType<typeof call> =>
    call(`${maps}/${name}?fieldManager=${manager}${query}`, {
      method: "PATCH",
      headers: { "content-type": "application/apply-patch+yaml" },
      body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data },
    });

  test("creates, changes, and removes what its manager no longer says", async () => {
    expect((await apply("a", "one", { x: "1", y: "1" })).code).toBe(201);
    const again = await apply("a", "one", { x: "1", y: "1" });
    expect(again).toMatchObject({ code: 200, json: { metadata: { resourceVersion: fixture.api.revision } } });
    expect((await apply("a", "one", { x: "2" })).json).toMatchObject({ data: { x: "2" } });
    expect((await call(`${maps}/a`)).json["data"]).toEqual({ x: "2" });
  });

  test("does not take a field from its owner, be it one who applied, wrote, or was there first", async () => {
    await apply("applied", "one", { x: "1" });
    await call(`${maps}?fieldManager=one`, { method: "POST", body: map("written", { x: "1" }) });
    fixture.api.create("configmaps", { metadata: { name: "there", namespace: "default" }, data: { x: "1" } });
    for (const name of ["applied", "written", "there"]) {
      const refused = await apply(name, "two", { x: "2" });
      expect(refused.json, name).toMatchObject({
        code: 409,
        reason: "Conflict",
        details: { causes: [{ reason: "FieldManagerConflict", field: ".data.x" }] },
      });
      expect((await apply(name, "two", { x: "2" }, "&force=true")).json, name).toMatchObject({ data: { x: "2" } });
    }
  });

  test("knows what others write meanwhile, and stores nothing in a dry run", async () => {
    await apply("a", "one", { x: "1" });
    const headers = { "content-type": "application/merge-patch+json", "user-agent": "editor/1.0" };
    await call(`${maps}/a`, { method: "PATCH", headers, body: { data: { x: "2" } } });
    expect((await apply("a", "one", { x: "1" })).json["message"]).toContain('conflict with "editor"');
    expect((await apply("b", "one", { x: "1" }, "&dryRun=All")).code).toBe(201);
    expect((await call(`${maps}/b`)).code).toBe(404);
  });

  test("needs a manager, the name of the path, and known fields where it is strict", async () => {
    expect((await apply("a", "", {})).code).toBe(400);
    const headers = { "content-type": "application/apply-patch+yaml" };
    const send = (body: object): ReturnType<typeof call> =>
      call(`${maps}/a?fieldManager=one&fieldValidation=Strict`, { method: "PATCH", headers, body });
    expect((await send({ metadata: { name: "b" } })).code).toBe(400);
    expect((await send({ metadata: { name: "a" }, dta: {} })).json["message"]).toContain('unknown field "dta"');
    expect(fixture.api.list("configmaps").items).toEqual([]);
  });
});

describe("parts of objects", () => {
  test("the status is written apart", async () => {
    await call(services, { method: "POST", body: web });
    const ingress = [{ ip: "127.200.0.1" }];
    const status = { ...web, spec: { type: "NodePort", ports: [{ port: 99 }] }, status: { loadBalancer: {} } };
    const written = await call(`${services}/web/status`, { method: "PUT", body: status });
    expect(written.json).toMatchObject({ spec: { type: "ClusterIP", ports: [{ port: 80 }] } });
    const body = { status: { conditions: [], loadBalancer: { ingress } } };
    const headers = { "content-type": "application/merge-patch+json" };
    await call(`${services}/web`, { method: "PATCH", headers, body });
    expect((await call(`${services}/web`)).json["status"] as object).toEqual({ loadBalancer: {} });
    expect((await call(`${maps}/a/status`)).code).toBe(404);
  });

  test("the scale is read and written as a Scale", async () => {
    const replicaSets = "/apis/apps/v1/namespaces/default/replicasets";
    const template = { metadata: { labels: { app: "a" } }, spec: { containers: [{ name: "a", image: "a" }] } };
    const spec = { replicas: 2, selector: { matchLabels: { app: "a" } }, template };
    await call(replicaSets, { method: "POST", body: { metadata: { name: "a" }, spec } });
    expect((await call(`${replicaSets}/a/scale`)).json).toMatchObject({
      apiVersion: "autoscaling/v1",
      kind: "Scale",
      spec: { replicas: 2 },
      status: { replicas: 0, selector: "app=a" },
    });
    const headers = { "content-type": "application/merge-patch+json" };
    const patch = (replicas: unknown): Promise<{ json: object }> =>
      call(`${replicaSets}/a/scale`, { method: "PATCH", headers, body: { spec: { replicas } } });
    expect((await patch(5)).json).toMatchObject({ kind: "Scale", spec: { replicas: 5 } });
    expect((await call(`${replicaSets}/a`)).json).toMatchObject({ spec: { replicas: 5, template: {} } });
    expect((await patch(-1)).json).toMatchObject({ code: 422 });
    expect((await patch("many")).json).toMatchObject({ code: 400 });
    const stale = { metadata: { name: "a", namespace: "default", resourceVersion: "1" }, spec: { replicas: 9 } };
    expect((await call(`${replicaSets}/a/scale`, { method: "PUT", body: stale })).json).toMatchObject({ code: 409 });
  });
});

describe("bad input", () => {
  const unknownField = { ...web, spec: { ...web.spec, selectr: { a: "b" } } };

  test("with an unknown field is refused, warned of, or dropped, as the client asks", async () => {
    const strict = await call(`${services}?fieldValidation=Strict`, { method: "POST", body: unknownField });
    expect(strict.json).toMatchObject({
      code: 400,
      message: expect.stringContaining('unknown field "spec.selectr"') as string,
    });
    expect((await call(`${services}/web`)).code).toBe(404);
    const warned = await call(services, { method: "POST", body: unknownField });
    expect(warned.headers["warning"]).toBe(String.raw`299 - "unknown field \"spec.selectr\""`);
    expect(warned.text).not.toContain("selectr");
    await call(`${services}/web`, { method: "DELETE" });
    const ignored = await call(`${services}?fieldValidation=Ignore`, { method: "POST", body: unknownField });
    expect(ignored.headers).not.toHaveProperty("warning");
    expect((await call(`${services}?fieldValidation=Maybe`, { method: "POST", body: web })).code).toBe(400);
  });

  test("of the wrong type, or with a value out of range, names the field, and nothing is stored", async () => {
    const list = { ...web, spec: { ...web.spec, selector: ["a"] } };
    expect((await call(services, { method: "POST", body: list })).json).toMatchObject({
      code: 400,
      message: expect.stringContaining("spec.selector") as string,
    });
    const ports = { ...web, spec: { ports: [{ port: 70_000 }, { port: 81 }] } };
    expect((await call(services, { method: "POST", body: ports })).json).toMatchObject({
      code: 422,
      reason: "Invalid",
      details: {
        causes: expect.arrayContaining([expect.objectContaining({ field: "spec.ports[0].port" })]) as unknown,
      },
    });
    expect(fixture.api.list("services").items).toEqual([]);
  });

  test("too large for the store or for the server is refused, and nothing is stored", async () => {
    const template = {
      metadata: { name: "a" },
      spec: { containers: [{ name: "a", image: "a", args: ["x".repeat(2_000_000)] }] },
    };
    const pods = "/api/v1/namespaces/default/pods";
    expect((await call(pods, { method: "POST", body: template })).json).toMatchObject({
      code: 413,
      reason: "RequestEntityTooLarge",
    });
    const larger = await call(maps, { method: "POST", body: map("a", { a: "x".repeat(3_200_000) }) });
    expect(larger.json).toMatchObject({ code: 413, reason: "RequestEntityTooLarge" });
    expect(fixture.api.list("configmaps").items).toEqual([]);
    expect((await call(maps)).code, "the server goes on").toBe(200);
  });

  test.each([
    ["no JSON", "application/json", "{", 400],
    ["no YAML", "application/yaml", "a: [", 400],
    ["a YAML key twice", "application/yaml", "data: {a: x, a: y}", 400],
    ["a list", "application/json", "[]", 400],
    ["nothing", "application/json", "", 400],
    ["a prototype", "application/json", '{"metadata":{"name":"a","labels":{"__proto__":{}}}}', 400],
    ["a deep nesting", "application/json", `{"data":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, 400],
    ["a YAML bomb", "application/yaml", `a: &a [x,x,x,x,x,x,x,x,x]\n${bomb()}`, 400],
    ["protobuf of no kind", "application/vnd.kubernetes.protobuf", "k8s\0", 400],
    ["protobuf of another sort", "application/x-protobuf", "k8s\0", 415],
    ["a form", "application/x-www-form-urlencoded", "a=b", 415],
  ])("with %s is refused", async (_what, type, body, code) => {
    const answer = await call(maps, { method: "POST", headers: { "content-type": type }, body });
    expect(answer.json).toMatchObject({ kind: "Status", code });
    expect(fixture.log.records.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("as protobuf goes the way of any other", async () => {
    const send = (body: Buffer, path = maps, method = "POST"): Promise<Answer> =>
      // Every byte of these bodies is a character.
      call(path, { method, headers: { "content-type": "application/vnd.kubernetes.protobuf" }, body: body.toString() });
    const mapOf = (...parts: Buffer[]): Buffer => envelope("v1", "ConfigMap", Buffer.concat(parts));
    const named = (name: string): Buffer => part(1, part(1, name));
    expect((await send(mapOf(named("a"), part(2, Buffer.concat([part(1, "k"), part(2, "v")]))))).code).toBe(201);
    expect(fixture.api.list("configmaps").items).toMatchObject([{ metadata: { name: "a" }, data: { k: "v" } }]);
    expect((await send(mapOf(named("Not A Name")))).json).toMatchObject({
      code: 422,
      details: { causes: [expect.objectContaining({ field: "metadata.name" })] },
    });
    expect((await send(mapOf(named("b"), part(9, "")))).json).toMatchObject({
      code: 400,
      message: expect.stringContaining("field 9 of ConfigMap is not known") as string,
    });
    expect((await send(envelope("apps/v1", "Deployment", named("b")))).json).toMatchObject({
      code: 400,
      message: expect.stringContaining("this path takes a ConfigMap") as string,
    });
    expect((await send(envelope("v1", "DeleteOptions", number(1, 0n)), `${maps}/a`, "DELETE")).code).toBe(200);
    expect(fixture.api.list("configmaps").items).toEqual([]);
  });

  test.each([
    ["GET", "/api/v1/namespaces/default/nothings", 404],
    ["GET", "/apis/example.org/v1/things", 404],
    ["GET", "/api/v1/namespaces/default/pods/a/exec", 404],
    ["GET", "/api/v1/pods/a", 404],
    ["GET", "/api/v1/namespaces/default/nodes", 404],
    ["GET", "/api/v1/namespaces/%zz/pods", 400],
    ["PATCH", "/api/v1/namespaces/default/pods", 405],
    ["POST", "/api/v1/namespaces/default/pods/a", 405],
    ["POST", "/version", 405],
    ["GET", "/", 404],
    ["GET", "/apis/apps/v2", 404],
  ])("%s %s is answered with %d", async (method, path, code) => {
    const { json } = await call(path, { method });
    expect(json).toMatchObject({ kind: "Status", code });
    // kubectl reads the details of a NotFound without looking whether there are any.
    expect((json as { details?: object }).details).toEqual(code === 404 ? expect.any(Object) : undefined);
  });
});

describe("besides objects", () => {
  test("Endpoints come with the warning that they are deprecated", async () => {
    const answer = await call("/api/v1/namespaces/default/endpoints");
    expect(answer.headers["warning"]).toContain("v1 Endpoints is deprecated in v1.33+");
    expect((await call(services)).headers).not.toHaveProperty("warning");
  });

  test("every answer is counted", async () => {
    await call(services, { method: "POST", body: web });
    await call(`${services}/none`);
    expect(fixture.answered.map(({ method, code }) => `${method} ${code}`)).toEqual(["POST 201", "GET 404"]);
  });
});

function bomb(): string {
  const lines = [];
  for (let level = 1; level < 9; level++) {
    const [before, name] = [String.fromCharCode(96 + level), String.fromCharCode(97 + level)];
    lines.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(",")}]`);
  }
  return lines.join("\n");
}
