import { cidr, ipAddress, nodeName, port } from "@fairlead/types";
import type { EndpointSlice, Node, Service } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { planService } from "../src/plan/service-table.ts";
import type { PlanContext } from "../src/plan/service-table.ts";
import { draining, endpoint, node, service, servicePort, slice } from "./support/objects.ts";

function context(overrides: Partial<PlanContext> = {}, ...nodes: readonly Node[]): PlanContext {
  const known = nodes.length > 0 ? nodes : [node("node-1", "127.64.0.1"), node("node-2", "127.64.0.2")];
  const all = new Map(known.map((one) => [one.name, one]));
  return {
    node: nodeName("node-1"),
    nodes: all,
    hostNodes: all,
    proxyName: "",
    sharedHost: true,
    nodePortAddresses: [ipAddress("127.64.0.1")],
    ...overrides,
  };
}

const onNode2: Partial<PlanContext> = { node: nodeName("node-2"), nodePortAddresses: [ipAddress("127.64.0.2")] };
const someEndpoint = slice([endpoint("127.244.0.1")]);

function frontends(given: Service, from: PlanContext, slices: readonly EndpointSlice[] = [someEndpoint]): string[] {
  return [...planService(given, slices, from).entries.values()].flatMap((entry) =>
    entry.frontends.map(({ kind, address, port }) => `${kind} ${address}:${port}`),
  );
}

describe("what is served", () => {
  it("leaves headless and ExternalName Services and those of another proxy alone", () => {
    expect(planService(service({ headless: true, clusterIPs: [] }), [someEndpoint], context()).entries.size).toBe(0);
    expect(
      planService(service({ type: "ExternalName", externalName: "example.org" }), [someEndpoint], context()).entries
        .size,
    ).toBe(0);
    expect(planService(service({ proxyName: "other" }), [someEndpoint], context()).entries.size).toBe(0);
  });

  it("serves exactly the Services of its own proxy name", () => {
    const named = context({ proxyName: "ours" });
    expect(planService(service({ proxyName: "ours" }), [someEndpoint], named).entries.size).toBe(1);
    expect(planService(service(), [someEndpoint], named).entries.size).toBe(0);
  });

  it("serves cluster IP, external IP, load-balancer addresses of mode VIP, and node ports", () => {
    const given = service({
      type: "LoadBalancer",
      externalIPs: [ipAddress("127.0.9.9")],
      loadBalancerAddresses: [
        { ip: ipAddress("127.200.0.1"), mode: "VIP" },
        { ip: ipAddress("127.200.0.2"), mode: "Proxy" },
      ],
      ports: [servicePort({ nodePort: port(30_123) })],
    });
    expect(frontends(given, context())).toEqual([
      "ExternalIP 127.0.9.9:8080",
      "LoadBalancer 127.200.0.1:8080",
      "NodePort 127.64.0.1:30123",
      "ClusterIP 127.96.0.10:8080",
    ]);
  });

  it("makes an entry for each port and family, each with endpoints of its family", () => {
    const given = service({
      clusterIPs: [ipAddress("127.96.0.10"), ipAddress("fd00::10")],
      ipFamilies: ["IPv4", "IPv6"],
      ports: [servicePort({ name: "http" }), servicePort({ name: "dns", protocol: "UDP", port: port(53) })],
    });
    const ports = [{ name: "http", protocol: "TCP", port: port(80) }] as const;
    const slices = [
      slice([endpoint("127.244.0.1")], { ports }),
      slice([endpoint("fd00:1::1")], { name: "web-2", family: "IPv6", ports }),
    ];
    const { entries } = planService(given, slices, context());
    expect([...entries.values()].map((entry) => [entry.key, entry.cluster.map(({ key }) => key)])).toEqual([
      ["default/web:http/TCP IPv4", ["127.244.0.1:80"]],
      ["default/web:http/TCP IPv6", ["[fd00:1::1]:80"]],
      ["default/web:dns/UDP IPv4", []],
      ["default/web:dns/UDP IPv6", []],
    ]);
  });

  it("carries affinity in milliseconds and the scheduler", () => {
    const given = service({ sessionAffinity: { kind: "ClientIP", timeoutSeconds: 10 }, scheduler: "wlc" });
    const [entry] = planService(given, [someEndpoint], context()).entries.values();
    expect(entry).toMatchObject({ affinityMs: 10_000, scheduler: "wlc" });
  });

  it("applies source ranges to load-balancer addresses only, those of the family", () => {
    const given = service({
      type: "LoadBalancer",
      loadBalancerAddresses: [{ ip: ipAddress("127.200.0.1"), mode: "VIP" }],
      loadBalancerSourceRanges: [cidr("10.0.0.0/8"), cidr("fd00::/8")],
      externalIPs: [ipAddress("127.0.9.9")],
    });
    const [entry] = planService(given, [someEndpoint], context()).entries.values();
    expect(entry?.frontends.map(({ kind, sourceRanges }) => [kind, sourceRanges])).toEqual([
      ["ExternalIP", []],
      ["LoadBalancer", ["10.0.0.0/8"]],
      ["ClusterIP", []],
    ]);
  });

  it("lets the load-balancer address itself in where the node is let in", () => {
    const given = service({
      type: "LoadBalancer",
      clusterIPs: [],
      loadBalancerAddresses: [{ ip: ipAddress("127.200.0.1"), mode: "VIP" }],
      loadBalancerSourceRanges: [cidr("127.64.0.0/24")],
    });
    const [entry] = planService(given, [someEndpoint], context()).entries.values();
    expect(entry?.frontends[0]?.sourceRanges).toEqual(["127.64.0.0/24", "127.200.0.1/32"]);
  });
});

describe("on a host that several nodes share", () => {
  const nodePorted = service({ type: "NodePort", ports: [servicePort({ nodePort: port(30_123) })] });

  it("the first Ready node by name holds the cluster IP, every node its own node port", () => {
    expect(frontends(nodePorted, context())).toEqual(["NodePort 127.64.0.1:30123", "ClusterIP 127.96.0.10:8080"]);
    expect(frontends(nodePorted, context(onNode2))).toEqual(["NodePort 127.64.0.2:30123"]);
  });

  it("the next Ready node takes over from one that is not, and nobody's readiness leaves it to the first", () => {
    const first = node("node-1", "127.64.0.1", { ready: false });
    const second = node("node-2", "127.64.0.2");
    expect(frontends(service(), context({}, first, second))).toEqual([]);
    expect(frontends(service(), context(onNode2, first, second))).toEqual(["ClusterIP 127.96.0.10:8080"]);
    expect(frontends(service(), context({}, first, { ...second, ready: false }))).toEqual([
      "ClusterIP 127.96.0.10:8080",
    ]);
  });

  it("for policy Local the first node that has endpoints holds the address", () => {
    const given = service({
      externalIPs: [ipAddress("127.0.9.9")],
      externalTrafficPolicy: "Local",
      internalTrafficPolicy: "Local",
    });
    const onlySecond = [slice([endpoint("127.244.1.1", { nodeName: nodeName("node-2") })])];
    const both = [
      slice([endpoint("127.244.1.1", { nodeName: nodeName("node-2") }), endpoint("127.244.0.1", draining)]),
    ];
    expect(frontends(given, context(), onlySecond)).toEqual([]);
    expect(frontends(given, context(onNode2), onlySecond)).toEqual([
      "ExternalIP 127.0.9.9:8080",
      "ClusterIP 127.96.0.10:8080",
    ]);
    expect(frontends(given, context(), both)).toHaveLength(2);
    expect(frontends(given, context(onNode2), both)).toEqual([]);
    expect(frontends(given, context(), [])).toEqual([]);
  });

  it("serves everything on a host of its own", () => {
    expect(frontends(nodePorted, context({ ...onNode2, sharedHost: false }))).toEqual([
      "NodePort 127.64.0.2:30123",
      "ClusterIP 127.96.0.10:8080",
    ]);
  });

  it("serves the cluster IP while no Node object is known", () => {
    expect(frontends(service(), { ...context(), nodes: new Map() })).toEqual(["ClusterIP 127.96.0.10:8080"]);
  });
});

describe("the health check of a load balancer", () => {
  const balanced = service({
    type: "LoadBalancer",
    externalTrafficPolicy: "Local",
    healthCheckNodePort: port(32_000),
    ports: [servicePort({ name: "a" }), servicePort({ name: "b", port: port(8081) })],
  });
  const ports = ["a", "b"].map((name, index) => ({ name, protocol: "TCP" as const, port: port(9000 + index) }));

  it("counts local ready endpoints by address, whatever their number of ports", () => {
    const slices = [
      slice([endpoint("127.244.0.1"), endpoint("127.244.0.2"), endpoint("127.244.0.3", draining)], { ports }),
    ];
    expect(planService(balanced, slices, context()).healthCheck).toMatchObject({ port: 32_000, localEndpoints: 2 });
    expect(planService(balanced, slices, context(onNode2)).healthCheck).toMatchObject({ localEndpoints: 0 });
  });

  it("is there for policy Local only", () => {
    expect(planService({ ...balanced, externalTrafficPolicy: "Cluster" }, [], context()).healthCheck).toBeUndefined();
  });
});
