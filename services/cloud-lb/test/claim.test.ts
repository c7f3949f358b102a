import type { Service } from "@fairlead/kube";
import { expect, test } from "vitest";
import { claimOf } from "../src/providers/pool/claim.ts";

const of = (annotations: Record<string, string>, spec: Service["spec"] = {}): Service => ({
  metadata: { namespace: "n", name: "s", uid: "u", annotations },
  spec: { type: "LoadBalancer", ...spec },
});

test.each(["fairlead.dev", "metallb.io", "metallb.universe.tf"])("annotations of %s are read", (prefix) => {
  const annotations = {
    [`${prefix}/loadBalancerIPs`]: " 192.0.2.1 , 2001:DB8::1",
    [`${prefix}/address-pool`]: "gold",
    [`${prefix}/allow-shared-ip`]: "together",
  };
  expect(claimOf(of(annotations, { ipFamilies: ["IPv4", "IPv6"] }), {})).toMatchObject({
    requested: ["192.0.2.1", "2001:db8::1"],
    pool: "gold",
    sharing: { key: "together" },
  });
});

test("ours come before MetalLB's, those before its old ones, and an empty one says nothing", () => {
  const old = { "metallb.universe.tf/address-pool": "old" };
  const theirs = { ...old, "metallb.io/address-pool": "theirs" };
  expect(claimOf(of(old), {}).pool).toBe("old");
  expect(claimOf(of(theirs), {}).pool).toBe("theirs");
  expect(claimOf(of({ ...theirs, "fairlead.dev/address-pool": "ours" }), {}).pool).toBe("ours");
  expect(claimOf(of({ ...theirs, "fairlead.dev/address-pool": "" }), {}).pool).toBe("theirs");
  expect(claimOf(of({}), {}).pool).toBeUndefined();
});

test.each([
  ["192.0.2.1,192.0.2.2", /one address of each family/],
  ["192.0.2.1,2001:db8::1,192.0.2.2", /one address of each family/],
  ["192.0.2.256", /annotation loadBalancerIPs/],
  ["192.0.2.1,", /annotation loadBalancerIPs/],
])("addresses that cannot be meant are a fault: %s", (listed, fault) => {
  const claim = claimOf(of({ "metallb.io/loadBalancerIPs": listed }, { ipFamilies: ["IPv4", "IPv6"] }), {});
  expect(claim.fault).toMatch(fault);
  expect(claim.requested).toEqual([]);
});

test("a Service occupies its ports by protocol, and shares by policy and by pods of its own namespace", () => {
  const spec: Service["spec"] = {
    ports: [{ port: 53, protocol: "UDP" }, { port: 53 }],
    externalTrafficPolicy: "Local",
    selector: { b: "2", a: "1" },
  };
  const { sharing } = claimOf(of({}, spec), {});
  expect(sharing).toMatchObject({ key: "", ports: ["UDP/53", "TCP/53"], clusterPolicy: false });
  const same = of({}, { ...spec, selector: { a: "1", b: "2" } });
  expect(claimOf(same, {}).sharing).toEqual(sharing);
  const elsewhere = { ...same, metadata: { ...same.metadata, namespace: "other" } };
  expect(claimOf(elsewhere, {}).sharing.backends).not.toBe(sharing.backends);
  expect(claimOf(of({}, { ...spec, selector: {} }), {}).sharing.backends).toBe("");
});

test("what its status says it has is read; what is no address is passed over", () => {
  const ingress = [{ ip: "192.0.2.1" }, { hostname: "a.example.org" }, { ip: "odd" }, { ip: "2001:DB8::1" }];
  expect(claimOf({ ...of({}), status: { loadBalancer: { ingress } } }, {}).held).toEqual(["192.0.2.1", "2001:db8::1"]);
});
