import type { Lease } from "@fairlead/kube/objects";
import { temporaryDirectory } from "@fairlead/testkit";
import { beforeEach, describe, expect, test } from "vitest";
import { type ApiFixture, configMap, names, openApi, refusal, service } from "./api-fixture.ts";

let fixture: ApiFixture;
let api: ApiFixture["api"];

beforeEach(async () => {
  fixture = await openApi();
  ({ api } = fixture);
});

describe("creating", () => {
  test("gives an object its identity, whatever the client says", () => {
    const given = configMap("a");
    given.metadata = { ...given.metadata, uid: "mine", generation: 7, creationTimestamp: "2001-01-01T00:00:00Z" };
    const created = api.create("configmaps", given);
    expect(created).toMatchObject({ apiVersion: "v1", kind: "ConfigMap" });
    expect(created.metadata?.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(created.metadata?.creationTimestamp).toBe("2026-01-01T00:00:00Z");
    expect(created.metadata?.resourceVersion).toBe(api.revision);
    expect(created.metadata).not.toHaveProperty("generation");
    expect(given.metadata.uid, "the object handed in is the caller's").toBe("mine");
  });

  test("drops managedFields and what only the server writes", () => {
    const given = configMap("a");
    given.metadata = {
      ...given.metadata,
      managedFields: [{ manager: "x" }],
      deletionTimestamp: "2001-01-01T00:00:00Z",
    };
    const { metadata } = api.create("configmaps", given);
    expect(metadata).not.toHaveProperty("managedFields");
    expect(metadata).not.toHaveProperty("deletionTimestamp");
  });

  test("refuses a name that is taken", () => {
    api.create("configmaps", configMap("a"));
    const error = refusal(() => api.create("configmaps", configMap("a")));
    expect(error.status).toMatchObject({
      code: 409,
      reason: "AlreadyExists",
      message: 'configmaps "a" already exists',
    });
  });

  test("makes a free name out of generateName", () => {
    const given = configMap("");
    given.metadata = { namespace: "default", generateName: "a-".repeat(50) };
    const name = api.create("configmaps", given).metadata?.name ?? "";
    expect(name).toMatch(/^(a-){29}[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    expect(api.create("configmaps", given).metadata?.name).not.toBe(name);
  });

  test("refuses an object without a name, without a namespace, or with a resourceVersion", () => {
    expect(refusal(() => api.create("configmaps", { metadata: { namespace: "default" } })).status).toMatchObject({
      code: 422,
      details: { causes: [{ field: "metadata.name", reason: "FieldValueRequired" }] },
    });
    expect(refusal(() => api.create("configmaps", { metadata: { name: "a" } })).code).toBe("BadRequest");
    const stale = { ...configMap("a"), metadata: { name: "a", namespace: "default", resourceVersion: "1" } };
    expect(refusal(() => api.create("configmaps", stale)).code).toBe("BadRequest");
  });

  test("needs the namespace to be there", () => {
    const lost = { metadata: { name: "a", namespace: "nowhere" } };
    expect(refusal(() => api.create("configmaps", lost)).status.message).toBe('namespaces "nowhere" not found');
  });

  test("stores nothing of what is invalid, too large, or a dry run, and leaves no allocation behind", () => {
    const before = api.revision;
    const invalid = service("a", { clusterIP: "127.96.0.77", ports: [{ port: 70_000 }] });
    expect(refusal(() => api.create("services", invalid)).status.details?.causes?.[0]?.field).toBe(
      "spec.ports[0].port",
    );
    const container = { name: "a", image: "a", args: ["x".repeat(2_000_000)] };
    const large = { metadata: { name: "b", namespace: "default" }, spec: { containers: [container] } };
    expect(refusal(() => api.create("pods", large)).status).toMatchObject({
      code: 413,
      reason: "RequestEntityTooLarge",
    });
    const valid = service("a", { clusterIP: "127.96.0.77" });
    const dry = api.createWith("services", valid, { dryRun: true });
    expect(dry.metadata).not.toHaveProperty("resourceVersion");
    expect(api.revision).toBe(before);
    expect(api.list("services").items).toEqual([]);
    expect(api.create("services", service("c", { clusterIP: "127.96.0.77" })).spec?.clusterIP).toBe("127.96.0.77");
  });
});

describe("updating", () => {
  test("is refused for a version that is no longer the stored one", () => {
    const first = api.create("configmaps", configMap("a"));
    api.update("configmaps", { ...first, data: { value: "1" } });
    const error = refusal(() => api.update("configmaps", { ...first, data: { value: "2" } }));
    expect(error.status).toMatchObject({ code: 409, reason: "Conflict" });
    expect(api.get("configmaps", "default", "a").data).toEqual({ value: "1" });
  });

  test("goes ahead without a version, but not for a Lease", () => {
    api.create("configmaps", configMap("a"));
    expect(api.update("configmaps", configMap("a", { value: "1" })).data).toEqual({ value: "1" });
    const lease: Lease = { metadata: { name: "a", namespace: "default" }, spec: { holderIdentity: "me" } };
    api.create("leases", lease);
    expect(refusal(() => api.update("leases", lease)).status.details?.causes?.[0]?.field).toBe(
      "metadata.resourceVersion",
    );
  });

  test("is refused for another object of the same name", () => {
    api.create("configmaps", configMap("a"));
    const other = { ...configMap("a"), metadata: { name: "a", namespace: "default", uid: "other" } };
    expect(refusal(() => api.update("configmaps", other)).code).toBe("Conflict");
  });

  test("keeps identity, and writes nothing where nothing changes", () => {
    const first = api.create("configmaps", configMap("a"));
    const same = api.update("configmaps", configMap("a"));
    expect(same).toEqual(first);
    const metadata = { name: "a", namespace: "default", creationTimestamp: "2001-01-01T00:00:00Z" };
    const changed = api.update("configmaps", { metadata, data: { value: "1" } });
    expect(changed.metadata).toMatchObject({
      uid: first.metadata?.uid,
      creationTimestamp: first.metadata?.creationTimestamp,
    });
  });

  test("of the spec leaves the status, of the status leaves the spec", () => {
    const first = api.create("services", service("a"));
    api.updateStatus("services", {
      ...first,
      status: { loadBalancer: {}, conditions: [] },
      spec: { type: "Nonsense" },
    });
    const second = api.get("services", "default", "a");
    expect(second.spec).toEqual(first.spec);
    expect(second.status).toEqual({ loadBalancer: {}, conditions: [] });
    api.update("services", { ...second, status: {}, spec: { ...second.spec, sessionAffinity: "ClientIP" } });
    expect(api.get("services", "default", "a")).toMatchObject({
      spec: { sessionAffinity: "ClientIP" },
      status: { conditions: [] },
    });
  });

  test("as a dry run shows what would be and changes nothing", () => {
    const first = api.create("configmaps", configMap("a"));
    const shown = api.replaceWith("configmaps", configMap("a", { value: "1" }), { dryRun: true });
    expect(shown).toMatchObject({ data: { value: "1" } });
    expect(api.get("configmaps", "default", "a")).toEqual(first);
  });

  test("of what is gone is NotFound", () => {
    expect(refusal(() => api.update("configmaps", configMap("a"))).status.code).toBe(404);
  });
});

describe("modifying", () => {
  test("reads anew where its own change wrote the object meanwhile", () => {
    api.create("configmaps", configMap("a"));
    let calls = 0;
    const changed = api.modify("configmaps", "default", "a", (map) => {
      calls++;
      if (calls === 1) api.update("configmaps", configMap("a", { labels: { by: "another" } }));
      return { ...map, data: { value: "mine" } };
    });
    expect(calls).toBe(2);
    expect(changed).toMatchObject({ data: { value: "mine" }, metadata: { labels: { by: "another" } } });
  });

  test("gives up after some tries, and tells of an object that is gone", () => {
    api.create("configmaps", configMap("a"));
    let calls = 0;
    const stubborn = (): unknown =>
      api.modify("configmaps", "default", "a", (map) => {
        api.update("configmaps", configMap("a", { value: String(++calls) }));
        return { ...map, data: { value: "mine" } };
      });
    expect(refusal(stubborn).code).toBe("Conflict");
    expect(calls).toBe(8);
    expect(api.modify("configmaps", "default", "gone", (map) => map)).toBeUndefined();
  });
});

describe("listing", () => {
  test("selects by namespace, labels and fields, in order", () => {
    api.create("namespaces", { metadata: { name: "other" } });
    for (const name of ["c", "a", "b"]) api.create("configmaps", configMap(name, { labels: { name } }));
    api.create("configmaps", { metadata: { name: "a", namespace: "other", labels: { name: "a" } } });
    expect(names(api.list("configmaps").items)).toEqual(["a", "b", "c", "a"]);
    expect(names(api.list("configmaps", { namespace: "other" }).items)).toEqual(["a"]);
    expect(names(api.list("configmaps", { namespace: "default", labelSelector: "name in (a,c)" }).items)).toEqual([
      "a",
      "c",
    ]);
    expect(api.list("configmaps", { fieldSelector: "metadata.name=a,metadata.namespace=other" }).items).toHaveLength(1);
    expect(refusal(() => api.list("configmaps", { fieldSelector: "data.value=1" })).code).toBe("BadRequest");
  });

  test("gives pages that together are the list, and a version to watch from", () => {
    for (let number = 0; number < 10; number++) api.create("configmaps", configMap(`map-${number}`));
    const first = api.page("configmaps", {}, { limit: 4 });
    expect(first.remainingItemCount).toBe(6);
    api.create("configmaps", configMap("map-00"));
    api.create("configmaps", configMap("map-55"));
    const second = api.page("configmaps", {}, { limit: 4, continue: first.continue ?? "" });
    const third = api.page("configmaps", {}, { limit: 4, continue: second.continue ?? "" });
    expect(names([...first.items, ...second.items, ...third.items])).toEqual(
      "0 1 2 3 4 5 55 6 7 8 9".split(" ").map((number) => `map-${number}`),
    );
    expect(third).not.toHaveProperty("continue");
    const seen: (string | undefined)[] = [];
    api.watchFrom("configmaps", {}, { from: "revision", revision: third.resourceVersion }, ({ object }) =>
      seen.push(object.metadata?.name),
    );
    expect(seen).toEqual(["map-00", "map-55"]);
  });

  test.each(["x", "bm9wZQ", "WzEsMl0", "a".repeat(2000)])("refuses the page token %j", (token) => {
    expect(refusal(() => api.page("configmaps", {}, { continue: token })).code).toBe("BadRequest");
  });
});

describe("after a restart", () => {
  test("addresses are still held by those who had them", async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/db`;
    const first = await openApi({ path });
    first.api.create("services", service("a", { clusterIP: "127.96.0.77" }));
    first.store.close();
    const second = await openApi({ path });
    try {
      const error = refusal(() => second.api.create("services", service("b", { clusterIP: "127.96.0.77" })));
      expect(error.status.details?.causes?.[0]?.field).toBe("spec.clusterIPs");
    } finally {
      second.store.close();
    }
  });
});
