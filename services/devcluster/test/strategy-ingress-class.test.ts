// The class of an Ingress that names none.
import type { Ingress, IngressClass } from "@fairlead/kube/objects";
import { FakeClock } from "@fairlead/testkit";
import { describe, expect, it } from "vitest";
import { SqliteObjectStore } from "../src/store/sqlite-object-store.ts";
import { createApi, testCluster, testConfig } from "./strategy-cluster.ts";

const annotation = "ingressclass.kubernetes.io/is-default-class";
const spec = { defaultBackend: { service: { name: "web", port: { number: 80 } } } };
const ingress = (name: string, more: Partial<Ingress> = {}): Ingress => ({
  metadata: { namespace: "default", name, ...more.metadata },
  spec: { ...spec, ...more.spec },
});
const ingressClass = (name: string, annotations: Record<string, string> = { [annotation]: "true" }): IngressClass => ({
  metadata: { name, annotations },
  spec: { controller: "example.org/controller" },
});

type Cluster = Awaited<ReturnType<typeof testCluster>>;
const classOf = (cluster: Cluster, object: Ingress): string | undefined =>
  cluster.api.create("ingresses", object).spec?.ingressClassName;

describe("an Ingress that names no class", () => {
  it("gets the default one when it is created, and none where there is none", async () => {
    await using cluster = await testCluster();
    expect(classOf(cluster, ingress("before"))).toBeUndefined();
    cluster.api.create("ingressclasses", ingressClass("other", {}));
    expect(classOf(cluster, ingress("still"))).toBeUndefined();
    cluster.api.create("ingressclasses", ingressClass("main"));
    expect(classOf(cluster, ingress("after"))).toBe("main");
    expect(cluster.api.get("ingresses", "default", "before").spec?.ingressClassName).toBeUndefined();
  });

  it("keeps what it says itself, also by the annotation from before v1", async () => {
    await using cluster = await testCluster();
    cluster.api.create("ingressclasses", ingressClass("main"));
    expect(classOf(cluster, ingress("named", { spec: { ingressClassName: "other" } }))).toBe("other");
    const annotations = { "kubernetes.io/ingress.class": "nginx" };
    expect(classOf(cluster, ingress("old", { metadata: { annotations } }))).toBeUndefined();
  });

  it("gets the newest of several default classes, and another once that is unmarked or gone", async () => {
    await using cluster = await testCluster();
    cluster.api.create("ingressclasses", ingressClass("old"));
    await cluster.clock.advance(2_000);
    const twins = ["newer-b", "newer-a"].map((name) => cluster.api.create("ingressclasses", ingressClass(name)));
    expect(classOf(cluster, ingress("one"))).toBe("newer-a");
    cluster.api.delete("ingressclasses", undefined, "newer-a");
    expect(classOf(cluster, ingress("two"))).toBe("newer-b");
    cluster.api.update("ingressclasses", { ...twins[0], metadata: { ...twins[0]?.metadata, annotations: {} } });
    expect(classOf(cluster, ingress("three"))).toBe("old");
  });

  it("gets the default one after a restart as well", async () => {
    const [store, clock] = [new SqliteObjectStore({ path: ":memory:" }), new FakeClock()];
    await store.start();
    const first = createApi(store, testConfig, clock, []);
    await first.start();
    first.create("ingressclasses", ingressClass("main"));
    await first.stop();
    const second = createApi(store, testConfig, clock, []);
    await second.start();
    second.create("namespaces", { metadata: { name: "default" } });
    expect(second.create("ingresses", ingress("one")).spec?.ingressClassName).toBe("main");
    await second.stop();
    await store.stop();
  });
});
