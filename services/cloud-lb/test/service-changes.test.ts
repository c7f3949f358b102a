import type { Service } from "@fairlead/kube";
import { expect, test } from "vitest";
import { changeNote } from "../src/service-changes.ts";

type Spec = NonNullable<Service["spec"]>;
const of = (spec: Spec, uid = "u"): Service => ({ metadata: { uid }, spec: { type: "LoadBalancer", ...spec } });

test.each([
  ["the type", { type: "ClusterIP" }, {}, "Type: ClusterIP -> LoadBalancer"],
  ["the type, back", {}, { type: "NodePort" }, "Type: LoadBalancer -> NodePort"],
  [
    "source ranges",
    { loadBalancerSourceRanges: ["10.0.0.0/8", "192.0.2.0/24"] },
    {},
    "LoadBalancerSourceRanges: [10.0.0.0/8 192.0.2.0/24] -> []",
  ],
  ["the address asked for", {}, { loadBalancerIP: "192.0.2.1" }, "LoadbalancerIP:  -> 192.0.2.1"],
  ["a further external address", {}, { externalIPs: ["192.0.2.1"] }, "ExternalIP: Count: 0 -> 1"],
  [
    "another external address",
    { externalIPs: ["192.0.2.1", "192.0.2.2"] },
    { externalIPs: ["192.0.2.1", "192.0.2.3"] },
    "ExternalIP: Added: 192.0.2.3",
  ],
  [
    "the policy, with the port that comes with it",
    { externalTrafficPolicy: "Cluster" },
    { externalTrafficPolicy: "Local", healthCheckNodePort: 31_000 },
    "ExternalTrafficPolicy: Cluster -> Local",
  ],
  ["the health check port", { healthCheckNodePort: 31_000 }, {}, "HealthCheckNodePort: 31000 -> 0"],
  ["a second family", { ipFamilies: ["IPv4"] }, { ipFamilies: ["IPv4", "IPv6"] }, "IPFamilies: Count: 1 -> 2"],
  ["ports", { ports: [{ port: 80 }] }, { ports: [{ port: 81 }] }, undefined],
  ["affinity", { sessionAffinity: "None" }, { sessionAffinity: "ClientIP" }, undefined],
  ["nothing", {}, {}, undefined],
  ["a Service of another type", { type: "NodePort" }, { type: "ClusterIP", loadBalancerIP: "192.0.2.1" }, undefined],
  [
    "a Service of another class",
    { loadBalancerClass: "example.org/other" },
    { loadBalancerClass: "example.org/other", loadBalancerIP: "192.0.2.1" },
    undefined,
  ],
] satisfies [string, Spec, Spec, string | undefined][])("a change of %s", (_, before, after, expected) => {
  const note = changeNote(of(before), of(after), undefined);
  expect(note && `${note.reason}: ${note.message}`).toBe(expected);
  if (note) expect(note.type).toBe("Normal");
});

test("a Service made anew under its name", () => {
  expect(changeNote(of({}, "one"), of({}, "two"), undefined)).toMatchObject({ reason: "UID", message: "one -> two" });
});
