import type { Node } from "@fairlead/kube/objects";
import { FakeClock } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import type { Registry } from "../src/api/registry.ts";
import { NodeRegistration } from "../src/node-agent/node-registration.ts";
import { openApi } from "./api-fixture.ts";

const leases = "kube-node-lease";

async function register(): Promise<{ api: Registry; clock: FakeClock; registration: NodeRegistration }> {
  const clock = new FakeClock();
  const { api, store } = await openApi({ clock });
  onTestFinished(async () => {
    await api.stop();
    await store.stop();
  });
  const place = { name: "node-1", address: "127.64.0.1", podCidr: "127.244.1.0/24" };
  return { api, clock, registration: new NodeRegistration({ place, api, clock }) };
}

test("a node's Lease is made, renewed and owned by the Node, as kubectl describe node looks for it", async () => {
  const { api, clock, registration } = await register();
  api.create("namespaces", { metadata: { name: leases } });
  registration.check();
  const made = api.get("leases", leases, "node-1");
  expect(made.spec).toMatchObject({ holderIdentity: "node-1", leaseDurationSeconds: 40 });
  expect(made.spec?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  const node = api.get("nodes", undefined, "node-1");
  expect(made.metadata?.ownerReferences).toMatchObject([{ kind: "Node", uid: node.metadata?.uid }]);
  await clock.advance(10_000);
  registration.check();
  const renewed = api.get("leases", leases, "node-1");
  expect(Date.parse(String(renewed.spec?.renewTime)) - Date.parse(String(made.spec?.renewTime))).toBe(10_000);
  expect(api.get("nodes", undefined, "node-1").metadata?.resourceVersion).toBe(node.metadata?.resourceVersion);
});

test("a node whose Lease has no namespace is Ready all the same", async () => {
  const { api, registration } = await register();
  registration.check();
  const { conditions } = api.get("nodes", undefined, "node-1").status ?? {};
  expect(conditions?.find(({ type }) => type === "Ready")?.status).toBe("True");
  expect(api.list("leases").items).toEqual([]);
});

test("a deleted Node comes back with the next check, and a Lease of its own", async () => {
  const { api, clock, registration } = await register();
  api.create("namespaces", { metadata: { name: leases } });
  registration.check();
  api.delete("leases", leases, "node-1");
  api.delete("nodes", undefined, "node-1");
  await clock.advance(10_000);
  registration.check();
  const node = api.get("nodes", undefined, "node-1");
  expect(node.status?.conditions?.find(({ type }) => type === "Ready")?.status).toBe("True");
  expect(api.get("leases", leases, "node-1").metadata?.ownerReferences?.[0]?.uid).toBe(node.metadata?.uid);
});

test("a Node of an earlier run with other ranges is replaced, one with another address corrected, and a person's left alone", async () => {
  const { api, clock, registration } = await register();
  registration.check();
  const node = (): Node => api.get("nodes", undefined, "node-1");
  const { uid } = node().metadata ?? {};
  const moved = (podCidr: string): NodeRegistration => {
    const place = { name: "node-1", address: "10.64.0.1", podCidr };
    return new NodeRegistration({ place, api, clock });
  };
  moved("127.244.1.0/24").check();
  expect(node().metadata?.uid).toBe(uid);
  expect(node().status?.addresses).toContainEqual({ type: "InternalIP", address: "10.64.0.1" });
  moved("10.244.1.0/24").check();
  expect(node().metadata?.uid).not.toBe(uid);
  expect(node().spec).toMatchObject({ podCIDR: "10.244.1.0/24", podCIDRs: ["10.244.1.0/24"] });

  api.delete("nodes", undefined, "node-1");
  api.create("nodes", { metadata: { name: "node-1" } });
  const own = node().metadata?.uid;
  moved("10.244.1.0/24").check();
  expect(node().metadata?.uid).toBe(own);
});
