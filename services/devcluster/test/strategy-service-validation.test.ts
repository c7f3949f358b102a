import type { Service } from "@fairlead/kube/objects";
import { describe, expect, it } from "vitest";
import { refusal, service, testCluster, testConfig } from "./strategy-cluster.ts";

type Spec = NonNullable<Service["spec"]>;
const port = (rest: Partial<NonNullable<Spec["ports"]>[number]>) => ({ port: 80, ...rest });

/** What is wrong with a Service, told by the API without its opening words. */
const faults: readonly (readonly [string, Spec, string])[] = [
  ["no port", { ports: [] }, "spec.ports: Required value"],
  [
    "a port beyond the last",
    { ports: [port({ port: 70_000 })] },
    "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
  ],
  [
    "two ports without names",
    { ports: [port({}), port({ port: 81 })] },
    "[spec.ports[0].name: Required value, spec.ports[1].name: Required value]",
  ],
  [
    "one port without a name",
    { ports: [port({ name: "a" }), port({ port: 81 })] },
    "spec.ports[1].name: Required value",
  ],
  [
    "a name twice",
    { ports: [port({ name: "a" }), port({ name: "a", port: 81 })] },
    'spec.ports[1].name: Duplicate value: "a"',
  ],
  [
    "a number twice",
    { ports: [port({ name: "a" }), port({ name: "b" })] },
    'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}',
  ],
  [
    "an unknown protocol",
    { ports: [port({ protocol: "ICMP" })] },
    'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
  ],
  [
    "a bad target port",
    { ports: [port({ targetPort: 0x1_0000 })] },
    "spec.ports[0].targetPort: Invalid value: 65536: must be between 1 and 65535, inclusive",
  ],
  [
    "a target port's name too long",
    { ports: [port({ targetPort: "a-name-of-17-chars" })] },
    'spec.ports[0].targetPort: Invalid value: "a-name-of-17-chars": must be no more than 15 characters',
  ],
  [
    "a node port without a use",
    { ports: [port({ nodePort: 30_123 })] },
    "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
  ],
  [
    "a node port twice",
    {
      type: "NodePort",
      ports: [port({ name: "a", nodePort: 30_123 }), port({ name: "b", port: 81, nodePort: 30_123 })],
    },
    "spec.ports[1].nodePort: Duplicate value: 30123",
  ],
  [
    "an unknown type",
    { type: "Magic" },
    'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
  ],
  [
    "no address in clusterIP",
    { clusterIP: "ten" },
    'spec.clusterIPs[0]: Invalid value: "ten": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ],
  [
    "None among others",
    { clusterIP: "None", clusterIPs: ["None", "127.96.0.5"] },
    'spec.clusterIPs: Invalid value: []string{"None", "127.96.0.5"}: \'None\' must be the first and only value',
  ],
  [
    "two addresses of a family",
    { clusterIP: "127.96.0.5", clusterIPs: ["127.96.0.5", "127.96.0.6"] },
    'spec.clusterIPs: Invalid value: []string{"127.96.0.5", "127.96.0.6"}: may specify no more than one IP for each IP family',
  ],
  [
    "clusterIP unlike clusterIPs",
    { clusterIP: "127.96.0.5", clusterIPs: ["127.96.0.6"] },
    'spec.clusterIPs: Invalid value: []string{"127.96.0.6"}: first value must match `clusterIP`',
  ],
  [
    "a headless node port",
    { type: "NodePort", clusterIP: "None" },
    "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
  ],
  [
    "a family that is none",
    { ipFamilies: ["IPv5"] },
    'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
  ],
  [
    "an address of the other family",
    { clusterIP: "127.96.0.5", ipFamilies: ["IPv6"] },
    'spec.clusterIPs[0]: Invalid value: "127.96.0.5": expected an IPv6 value as indicated by `ipFamilies[0]`',
  ],
  [
    "an unknown family policy",
    { ipFamilyPolicy: "Both" },
    'spec.ipFamilyPolicy: Unsupported value: "Both": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
  ],
  ["a name without a name", { type: "ExternalName" }, "spec.externalName: Required value"],
  [
    "a name with an address",
    { type: "ExternalName", externalName: "example.org", clusterIP: "127.96.0.5" },
    "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
  ],
  [
    "an affinity that is none",
    { sessionAffinity: "Sticky" },
    'spec.sessionAffinity: Unsupported value: "Sticky": supported values: "ClientIP", "None"',
  ],
  [
    "an affinity of more than a day",
    { sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_401 } } },
    "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400",
  ],
  [
    "an external policy without a way in",
    { externalTrafficPolicy: "Local" },
    'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
  ],
  [
    "an internal policy that is none",
    { internalTrafficPolicy: "Node" },
    'spec.internalTrafficPolicy: Unsupported value: "Node": supported values: "Cluster", "Local"',
  ],
  [
    "a distribution that is none",
    { trafficDistribution: "Far" },
    'spec.trafficDistribution: Unsupported value: "Far": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
  ],
  [
    "source ranges without load balancer",
    { loadBalancerSourceRanges: ["10.0.0.0/8"] },
    "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
  ],
  [
    "a source range that is none",
    { type: "LoadBalancer", loadBalancerSourceRanges: ["10.0.0.0"] },
    'spec.loadBalancerSourceRanges[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
  ],
  [
    "a class without load balancer",
    { loadBalancerClass: "example.org/lb" },
    "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
  ],
  [
    "a health port without local traffic",
    { type: "LoadBalancer", healthCheckNodePort: 30_124 },
    "spec.healthCheckNodePort: Invalid value: 30124: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
  ],
  [
    "node ports turned off elsewhere",
    { allocateLoadBalancerNodePorts: false },
    "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
  ],
  [
    "an external address that is none",
    { externalIPs: ["example.org"] },
    'spec.externalIPs[0]: Invalid value: "example.org": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ],
  [
    "a link-local external address",
    { externalIPs: ["169.254.1.1"] },
    'spec.externalIPs[0]: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
  ],
];

describe("a Service is refused for", () => {
  it.for(faults)("%s", async ([, spec, message]) => {
    await using cluster = await testCluster();
    const { code, reason, message: told } = refusal(() => cluster.api.create("services", service("web", spec)));
    expect({ code, reason }).toEqual({ code: 422, reason: "Invalid" });
    expect(told).toBe(`Service "web" is invalid: ${message}`);
    expect(cluster.api.list("services").items).toEqual([]);
  });

  it("everything at once", async () => {
    await using cluster = await testCluster();
    const bad = service("Web", { ports: [port({ port: 0, name: "A" })], selector: { "a/b/c": "x" } });
    const { message } = refusal(() => cluster.api.create("services", bad));
    for (const field of ["metadata.name", "spec.ports[0].name", "spec.ports[0].port", "spec.selector"]) {
      expect(message).toContain(`${field}: Invalid value`);
    }
  });

  it("a loopback external address where the pods have others", async () => {
    const config = { ...testConfig, podCidr: "10.244.0.0/16" as typeof testConfig.podCidr };
    await using strict = await testCluster(config);
    await using lenient = await testCluster();
    const external = service("web", { externalIPs: ["127.64.0.9"] });
    expect(refusal(() => strict.api.create("services", external)).message).toContain(
      'spec.externalIPs[0]: Invalid value: "127.64.0.9": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    );
    expect(lenient.api.create("services", external).spec?.externalTrafficPolicy).toBe("Cluster");
  });
});

describe("a Service's defaults", () => {
  it("are those of the API", async () => {
    await using cluster = await testCluster();
    const { spec, status } = cluster.api.create(
      "services",
      service("web", { ports: [{ port: 80 }], nodePort: 0 } as Spec),
    );
    expect(spec).toMatchObject({
      type: "ClusterIP",
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    });
    expect(spec).not.toHaveProperty("externalTrafficPolicy");
    expect(status).toEqual({ loadBalancer: {} });
  });

  it("remember a client for three hours, and nothing once affinity is off", async () => {
    await using cluster = await testCluster();
    const sticky = cluster.api.create("services", service("web", { sessionAffinity: "ClientIP" }));
    expect(sticky.spec?.sessionAffinityConfig).toEqual({ clientIP: { timeoutSeconds: 10_800 } });
    const off = cluster.api.update("services", { ...sticky, spec: { ...sticky.spec, sessionAffinity: "None" } });
    expect(off.spec).not.toHaveProperty("sessionAffinityConfig");
  });

  it("let a headless Service without ports be", async () => {
    await using cluster = await testCluster();
    const { spec } = cluster.api.create("services", service("web", { clusterIP: "None", ports: [] }));
    expect(spec).toMatchObject({
      clusterIP: "None",
      clusterIPs: ["None"],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
    });
  });
});

describe("a Service's status", () => {
  const lb = service("lb", { type: "LoadBalancer" });
  const withIngress = (
    object: Service,
    ingress: NonNullable<NonNullable<Service["status"]>["loadBalancer"]>["ingress"],
  ) => ({ ...object, status: { loadBalancer: ingress ? { ingress } : {} } }) satisfies Service;

  it("is not the author's to write", async () => {
    await using cluster = await testCluster();
    const created = cluster.api.create("services", withIngress(lb, [{ ip: "203.0.113.1" }]));
    expect(created.status).toEqual({ loadBalancer: {} });
  });

  it("takes load balancer addresses, keeps them on updates and drops them with the type", async () => {
    await using cluster = await testCluster();
    const created = cluster.api.create("services", lb);
    const ingress = [{ ip: "203.0.113.1", ipMode: "VIP" }];
    cluster.api.updateStatus("services", withIngress(created, ingress));
    const labelled = { ...lb, metadata: { ...lb.metadata, labels: { a: "b" } } };
    const updated = cluster.api.update("services", labelled);
    expect(updated.status).toEqual({ loadBalancer: { ingress } });
    const plain = cluster.api.update("services", { ...updated, spec: { ...updated.spec, type: "ClusterIP" } });
    expect(plain.status).toEqual({ loadBalancer: {} });
  });

  it("says of an address how traffic arrives with it, and of a host name nothing", async () => {
    await using cluster = await testCluster();
    const created = cluster.api.create("services", lb);
    const ingress = [{ ip: "203.0.113.1" }, { hostname: "lb.example.org" }, { ip: "203.0.113.2", ipMode: "Proxy" }];
    expect(cluster.api.updateStatus("services", withIngress(created, ingress)).status?.loadBalancer?.ingress).toEqual([
      { ip: "203.0.113.1", ipMode: "VIP" },
      { hostname: "lb.example.org" },
      { ip: "203.0.113.2", ipMode: "Proxy" },
    ]);
  });

  it.for([
    [[{ ip: "here" }], 'status.loadBalancer.ingress[0].ip: Invalid value: "here": must be a valid IP address'],
    [[{ ip: "203.0.113.1", ipMode: "Magic" }], 'status.loadBalancer.ingress[0].ipMode: Unsupported value: "Magic"'],
    [
      [{ hostname: "example.org", ipMode: "VIP" }],
      "status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set",
    ],
    [[{ hostname: "203.0.113.1" }], "must be a DNS name, not an IP address"],
  ] as const)("refuses %j", async ([ingress, message]) => {
    await using cluster = await testCluster();
    const created = cluster.api.create("services", lb);
    expect(refusal(() => cluster.api.updateStatus("services", withIngress(created, [...ingress]))).message).toContain(
      message,
    );
  });

  it("has no addresses for a Service of another type", async () => {
    await using cluster = await testCluster();
    const created = cluster.api.create("services", service("web"));
    expect(
      refusal(() => cluster.api.updateStatus("services", withIngress(created, [{ ip: "203.0.113.1" }]))).message,
    ).toContain("status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'");
  });
});
