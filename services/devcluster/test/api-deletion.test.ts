import type { Pod } from "@fairlead/kube/objects";
import { beforeEach, describe, expect, test } from "vitest";
import { type ApiFixture, configMap, openApi, refusal, service } from "./api-fixture.ts";

let fixture: ApiFixture;
let api: ApiFixture["api"];

beforeEach(async () => {
  fixture = await openApi();
  ({ api } = fixture);
});

function runningPod(name: string): Pod {
  const pod = api.create("pods", {
    metadata: { name, namespace: "default" },
    spec: { nodeName: "node-1", containers: [{ name: "a", image: "a" }] },
  });
  return api.updateStatus("pods", { ...pod, status: { phase: "Running" } });
}

describe("deleting", () => {
  test("removes the object, and frees what it held", () => {
    const { clusterIP = "" } = api.create("services", service("a")).spec ?? {};
    api.delete("services", "default", "a");
    expect(api.find("services", "default", "a")).toBeUndefined();
    expect(refusal(() => api.delete("services", "default", "a")).status).toMatchObject({
      code: 404,
      message: 'services "a" not found',
    });
    expect(api.create("services", service("b", { clusterIP })).spec?.clusterIP).toBe(clusterIP);
  });

  test("checks the preconditions", () => {
    const { uid = "", resourceVersion = "" } = api.create("configmaps", configMap("a")).metadata ?? {};
    const wrong = { preconditions: { uid: "other" } };
    expect(refusal(() => api.delete("configmaps", "default", "a", wrong)).code).toBe("Conflict");
    const stale = { preconditions: { resourceVersion: "1" } };
    expect(refusal(() => api.delete("configmaps", "default", "a", stale)).code).toBe("Conflict");
    api.delete("configmaps", "default", "a", { preconditions: { uid, resourceVersion } });
    expect(api.find("configmaps", "default", "a")).toBeUndefined();
  });

  test("as a dry run deletes nothing", () => {
    api.create("configmaps", configMap("a"));
    expect(api.deleteWith("configmaps", "default", "a", { dryRun: true }).gone).toBe(true);
    expect(api.find("configmaps", "default", "a")).toBeDefined();
  });

  test("waits for finalizers, to which none can be added by then", () => {
    const map = configMap("a");
    api.create("configmaps", { ...map, metadata: { ...map.metadata, finalizers: ["example.org/first"] } });
    api.delete("configmaps", "default", "a");
    const leaving = api.get("configmaps", "default", "a");
    expect(leaving.metadata?.deletionTimestamp).toBe("2026-01-01T00:00:00Z");
    const more = { ...leaving.metadata, finalizers: ["example.org/first", "example.org/second"] };
    expect(refusal(() => api.update("configmaps", { ...leaving, metadata: more })).status).toMatchObject({
      code: 422,
      details: { causes: [{ reason: "FieldValueForbidden", field: "metadata.finalizers" }] },
    });
    api.update("configmaps", { ...leaving, metadata: { ...leaving.metadata, finalizers: [] } });
    expect(api.find("configmaps", "default", "a")).toBeUndefined();
  });

  test("holds an object for its dependents in the foreground and where they become orphans", () => {
    for (const [policy, finalizer] of [["Foreground", "foregroundDeletion"] as const, ["Orphan", "orphan"] as const]) {
      api.create("configmaps", configMap(finalizer.toLowerCase()));
      api.delete("configmaps", "default", finalizer.toLowerCase(), { propagationPolicy: policy });
      expect(api.get("configmaps", "default", finalizer.toLowerCase()).metadata?.finalizers).toEqual([finalizer]);
    }
  });

  test("gives a running pod its grace, which a second delete may shorten but not lengthen", async () => {
    runningPod("a");
    api.delete("pods", "default", "a");
    const { metadata } = api.get("pods", "default", "a");
    expect(metadata).toMatchObject({ deletionTimestamp: "2026-01-01T00:00:30Z", deletionGracePeriodSeconds: 30 });
    await fixture.clock.advance(5000);
    api.delete("pods", "default", "a", { gracePeriodSeconds: 60 });
    expect(api.get("pods", "default", "a").metadata).toEqual(metadata);
    api.delete("pods", "default", "a", { gracePeriodSeconds: 10 });
    expect(api.get("pods", "default", "a").metadata).toMatchObject({
      deletionTimestamp: "2026-01-01T00:00:10Z",
      deletionGracePeriodSeconds: 10,
    });
    api.delete("pods", "default", "a", { gracePeriodSeconds: 0 });
    expect(api.find("pods", "default", "a")).toBeUndefined();
  });

  test("lets go of a pod at once that runs nowhere", () => {
    const containers = [{ name: "a", image: "a" }];
    api.create("pods", { metadata: { name: "a", namespace: "default" }, spec: { containers } });
    api.delete("pods", "default", "a");
    expect(api.find("pods", "default", "a")).toBeUndefined();
  });

  test("of a collection takes what is selected", () => {
    for (const name of ["a", "b", "c"]) api.create("configmaps", configMap(name, { labels: { name } }));
    const deleted = api.deleteCollection("configmaps", { namespace: "default", labelSelector: "name!=b" }, {});
    expect(deleted.map((object) => object.metadata?.name)).toEqual(["a", "c"]);
    expect(api.list("configmaps").items).toHaveLength(1);
  });
});

describe("a namespace that is deleted", () => {
  test("is Terminating, takes nothing new, and goes once its finalizer is taken away", () => {
    api.create("namespaces", { metadata: { name: "brief" } });
    const map = { metadata: { name: "a", namespace: "brief" } };
    api.create("configmaps", map);
    api.delete("namespaces", undefined, "brief");
    const leaving = api.get("namespaces", undefined, "brief");
    expect(leaving).toMatchObject({ status: { phase: "Terminating" }, spec: { finalizers: ["kubernetes"] } });
    const another = { metadata: { name: "b", namespace: "brief" } };
    expect(refusal(() => api.create("configmaps", another)).status).toMatchObject({
      code: 403,
      details: { causes: [{ reason: "NamespaceTerminating" }] },
    });
    api.delete("configmaps", "brief", "a");
    api.modify("namespaces", undefined, "brief", (copy) => ({ ...copy, spec: { finalizers: [] } }));
    expect(api.find("namespaces", undefined, "brief")).toBeUndefined();
  });

  test("may not be one that the cluster needs", () => {
    expect(refusal(() => api.delete("namespaces", undefined, "default")).status.code).toBe(403);
  });
});
