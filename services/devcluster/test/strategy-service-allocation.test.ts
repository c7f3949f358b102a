import { SqliteObjectStore } from "../src/store/sqlite-object-store.ts";
import { FakeClock } from "@fairlead/testkit";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createApi, refusal, secondRange, service, testCluster, testConfig } from "./strategy-cluster.ts";

const nodePort = (name: string, port?: number) =>
  service(name, { type: "NodePort", ports: [{ port: 80, ...(port === undefined ? {} : { nodePort: port }) }] });

describe("cluster IPs", () => {
  it("come from the dynamic band, one to a Service", async () => {
    await using cluster = await testCluster();
    const { spec } = cluster.api.create("services", service("web"));
    expect(spec?.clusterIP).toMatch(/^127\.96\.(?!0\.)/);
    expect(spec).toMatchObject({
      clusterIPs: [spec?.clusterIP],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
    });
  });

  it("are honoured where given, or refused with the field", async () => {
    await using cluster = await testCluster();
    const given = cluster.api.create("services", service("a", { clusterIP: "127.96.0.10" }));
    expect(given.spec?.clusterIPs).toEqual(["127.96.0.10"]);
    expect(refusal(() => cluster.api.create("services", service("b", { clusterIP: "127.96.0.10" })))).toMatchObject({
      code: 422,
      message:
        'Service "b" is invalid: spec.clusterIPs: Invalid value: []string{"127.96.0.10"}: ' +
        "failed to allocate IP 127.96.0.10: provided IP is already allocated",
    });
    expect(refusal(() => cluster.api.create("services", service("c", { clusterIP: "127.96.0.1" }))).message).toContain(
      "failed to allocate IP 127.96.0.1: provided IP is already allocated",
    );
    expect(refusal(() => cluster.api.create("services", service("d", { clusterIP: "10.0.0.1" }))).message).toContain(
      "failed to allocate IP 10.0.0.1: the provided IP (10.0.0.1) is not in the valid range. The range of valid IPs is 127.96.0.0/16",
    );
    const kubernetes = service("kubernetes", { clusterIP: "127.96.0.1" });
    expect(cluster.api.create("services", kubernetes).spec?.clusterIP).toBe("127.96.0.1");
  });

  it("are free again once the Service is gone, and the new one gets another", async () => {
    await using cluster = await testCluster();
    const first = cluster.api.create("services", service("web")).spec?.clusterIP ?? "";
    cluster.api.delete("services", "default", "web");
    expect(cluster.api.create("services", service("web")).spec?.clusterIP).not.toBe(first);
    expect(cluster.api.create("services", service("heir", { clusterIP: first })).spec?.clusterIP).toBe(first);
  });

  it("are not lost to a refused, failed or dry write", async () => {
    await using cluster = await testCluster({
      ...testConfig,
      serviceCidr: "127.96.0.0/30" as typeof testConfig.serviceCidr,
    });
    const { api } = cluster;
    // A /30 has one address besides that of the API server.
    for (let round = 0; round < 3; round += 1) {
      api.createWith("services", service("dry"), { dryRun: true });
      refusal(() => api.create("services", nodePort("refused", 70_000)));
      refusal(() => api.create("services", service("invalid", { ports: [{ port: 0 }] })));
    }
    api.create("services", service("web"));
    refusal(() => api.create("services", service("web")));
    expect(refusal(() => api.create("services", service("late")))).toMatchObject({
      code: 500,
      reason: "InternalError",
      message: "Internal error occurred: failed to allocate a serviceIP: range is full",
    });
    api.delete("services", "default", "web");
    expect(api.create("services", service("late")).spec?.clusterIP).toBe("127.96.0.2");
  });

  it("stay when a manifest without them is sent again", async () => {
    await using cluster = await testCluster();
    const before = cluster.api.create("services", nodePort("web"));
    const after = cluster.api.update("services", nodePort("web"));
    expect(after.spec).toEqual(before.spec);
  });

  it("may not change", async () => {
    await using cluster = await testCluster();
    const before = cluster.api.create("services", service("web", { clusterIP: "127.96.0.10" }));
    const changed = { ...before, spec: { ...before.spec, clusterIP: "127.96.0.11", clusterIPs: ["127.96.0.11"] } };
    expect(refusal(() => cluster.api.update("services", changed)).message).toBe(
      'Service "web" is invalid: spec.clusterIPs[0]: Invalid value: []string{"127.96.0.11"}: may not change once set',
    );
    // What the refused change would have taken is free.
    expect(cluster.api.create("services", service("b", { clusterIP: "127.96.0.11" })).spec?.clusterIP).toBe(
      "127.96.0.11",
    );
  });

  it("are given back when a Service turns into a name, and given anew when it turns back", async () => {
    await using cluster = await testCluster();
    const before = cluster.api.create("services", nodePort("web", 30_123));
    const ip = before.spec?.clusterIP ?? "";
    const named = cluster.api.update("services", {
      ...before,
      spec: { ...before.spec, type: "ExternalName", externalName: "example.org" },
    });
    expect(named.spec).not.toHaveProperty("clusterIP");
    expect(named.spec).not.toHaveProperty("ipFamilies");
    expect(named.spec?.ports?.[0]).not.toHaveProperty("nodePort");
    const { spec } = cluster.api.create(
      "services",
      service("b", { clusterIP: ip, type: "NodePort", ports: [{ port: 1, nodePort: 30_123 }] }),
    );
    expect(spec?.clusterIP).toBe(ip);
    const { externalName: _, ...rest } = named.spec ?? {};
    const again = cluster.api.update("services", { ...named, spec: { ...rest, type: "ClusterIP" } });
    expect(again.spec?.clusterIP).toMatch(/^127\.96\./);
    expect(again.spec?.clusterIP).not.toBe(ip);
  });

  it("belong to one Service each, whatever is created, changed and deleted", async () => {
    const name = fc.integer({ min: 0, max: 8 }).map((n) => `svc-${n}`);
    const type = fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "Headless");
    const host = fc.option(fc.integer({ min: 1, max: 13 }), { nil: undefined });
    const step = fc.record({ op: fc.constantFrom("apply", "delete"), name, type, host });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        await using cluster = await testCluster({
          ...testConfig,
          serviceCidr: "127.96.0.0/28" as typeof testConfig.serviceCidr,
        });
        const { api } = cluster;
        const refusals = new Set<string>();
        for (const one of steps) {
          const exists = api.find("services", "default", one.name) !== undefined;
          if (one.op === "delete") {
            if (exists) api.delete("services", "default", one.name);
            continue;
          }
          const headless = one.type === "Headless";
          const given =
            one.host === undefined || one.type === "ExternalName" ? {} : { clusterIP: `127.96.0.${one.host}` };
          const wanted = service(one.name, {
            type: headless ? "ClusterIP" : one.type,
            ...(headless ? { clusterIP: "None" } : given),
            ...(one.type === "ExternalName" ? { externalName: "example.org" } : {}),
          });
          try {
            if (exists) api.update("services", wanted);
            else api.create("services", wanted);
          } catch (error) {
            refusals.add((error as { code: string }).code);
          }
        }
        expect(refusals.isSubsetOf(new Set(["Invalid", "InternalError"]))).toBe(true);
        const held = api
          .list("services")
          .items.flatMap(({ spec }) => spec?.clusterIPs ?? [])
          .filter((ip) => ip !== "None");
        expect(new Set(held).size).toBe(held.length);
        // What nobody holds can be had: the range has 14 addresses, the first of which is the API server's.
        for (let left = 13 - held.length; left > 0; left -= 1) api.create("services", service(`filler-${left}`));
        expect(refusal(() => api.create("services", service("late"))).code).toBe(500);
        const ports = api
          .list("services")
          .items.flatMap(({ spec }) => (spec?.ports ?? []).flatMap((port) => port.nodePort ?? []));
        expect(new Set(ports).size).toBe(ports.length);
      }),
      { numRuns: 30 },
    );
  });

  it("are known again after a restart", async () => {
    const clock = new FakeClock();
    const store = new SqliteObjectStore({ path: ":memory:" });
    await store.start();
    const errors: unknown[] = [];
    const before = createApi(store, testConfig, clock, errors);
    await before.start();
    before.create("namespaces", { metadata: { name: "default" } });
    const ip = before.create("services", nodePort("web", 30_123)).spec?.clusterIP ?? "";
    await before.stop();
    const after = createApi(store, testConfig, clock, errors);
    await after.start();
    expect(refusal(() => after.create("services", service("b", { clusterIP: ip }))).message).toContain(
      "already allocated",
    );
    expect(refusal(() => after.create("services", nodePort("b", 30_123))).message).toContain("already allocated");
    after.delete("services", "default", "web");
    expect(after.create("services", service("b", { clusterIP: ip })).spec?.clusterIP).toBe(ip);
    await after.stop();
    await store.stop();
  });
});

describe("node ports", () => {
  it("come from the dynamic band where none is given", async () => {
    await using cluster = await testCluster();
    const port = cluster.api.create("services", nodePort("web")).spec?.ports?.[0]?.nodePort ?? 0;
    expect(port).toBeGreaterThanOrEqual(30_086);
    expect(port).toBeLessThanOrEqual(32_767);
  });

  it("are honoured where given, or refused with the field", async () => {
    await using cluster = await testCluster();
    expect(cluster.api.create("services", nodePort("a", 30_123)).spec?.ports?.[0]?.nodePort).toBe(30_123);
    expect(refusal(() => cluster.api.create("services", nodePort("b", 30_123)))).toMatchObject({
      code: 422,
      message:
        'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated',
    });
    expect(refusal(() => cluster.api.create("services", nodePort("c", 8080))).message).toBe(
      'Service "c" is invalid: spec.ports[0].nodePort: Invalid value: 8080: ' +
        "provided port is not in the valid range. The range of valid ports is 30000-32767",
    );
  });

  it("are shared by the protocols of one number", async () => {
    await using cluster = await testCluster();
    const dns = service("dns", {
      type: "NodePort",
      ports: [
        { name: "udp", port: 53, protocol: "UDP" },
        { name: "tcp", port: 53, protocol: "TCP" },
        { name: "metrics", port: 9153 },
      ],
    });
    const [udp, tcp, metrics] = (cluster.api.create("services", dns).spec?.ports ?? []).map((port) => port.nodePort);
    expect(udp).toBe(tcp);
    expect(metrics).not.toBe(udp);
    cluster.api.delete("services", "default", "dns");
    expect(cluster.api.create("services", nodePort("heir", udp)).spec?.ports?.[0]?.nodePort).toBe(udp);
  });

  it("follow their port's name, and go back when the type needs none", async () => {
    await using cluster = await testCluster();
    const ports = [
      { name: "http", port: 80, nodePort: 30_001 },
      { name: "https", port: 443, nodePort: 30_002 },
    ];
    const before = cluster.api.create("services", service("web", { type: "NodePort", ports }));
    const renumbered = service("web", {
      type: "NodePort",
      ports: [
        { name: "https", port: 8443 },
        { name: "new", port: 90 },
      ],
    });
    const after = cluster.api.update("services", renumbered);
    expect(after.spec?.ports?.[0]?.nodePort).toBe(30_002);
    expect(after.spec?.ports?.[1]?.nodePort).not.toBe(30_001);
    expect(after.spec?.clusterIP).toBe(before.spec?.clusterIP);
    const plain = cluster.api.update("services", { ...after, spec: { ...after.spec, type: "ClusterIP" } });
    expect(plain.spec?.ports?.map((port) => port.nodePort)).toEqual([undefined, undefined]);
    expect(plain.spec).not.toHaveProperty("externalTrafficPolicy");
    cluster.api.create("services", nodePort("first", 30_001));
    cluster.api.create("services", nodePort("second", 30_002));
  });

  it("serve health checks of load balancers with local traffic, and stay put", async () => {
    await using cluster = await testCluster();
    const local = service("lb", { type: "LoadBalancer", externalTrafficPolicy: "Local" });
    const before = cluster.api.create("services", local);
    const health = before.spec?.healthCheckNodePort ?? 0;
    expect(health).toBeGreaterThanOrEqual(30_086);
    expect(cluster.api.update("services", local).spec?.healthCheckNodePort).toBe(health);
    expect(
      refusal(() => cluster.api.update("services", service("lb", { ...local.spec, healthCheckNodePort: 30_500 })))
        .message,
    ).toBe('Service "lb" is invalid: spec.healthCheckNodePort: Forbidden: field is immutable');
    const global = cluster.api.update("services", {
      ...before,
      spec: { ...before.spec, externalTrafficPolicy: "Cluster" },
    });
    expect(global.spec).not.toHaveProperty("healthCheckNodePort");
    cluster.api.create("services", nodePort("heir", health));
  });

  it("are not given to a load balancer that wants none, but kept where it has them (KEP-1864)", async () => {
    await using cluster = await testCluster();
    const without = service("a", { type: "LoadBalancer", allocateLoadBalancerNodePorts: false });
    expect(cluster.api.create("services", without).spec?.ports?.[0]).not.toHaveProperty("nodePort");
    const before = cluster.api.create("services", service("b", { type: "LoadBalancer" }));
    const after = cluster.api.update("services", {
      ...before,
      spec: { ...before.spec, allocateLoadBalancerNodePorts: false },
    });
    expect(after.spec?.ports).toEqual(before.spec?.ports);
  });
});

describe("address families", () => {
  const dual = { ...testConfig, secondaryServiceCidr: secondRange };

  it("are one on a single-stack cluster, and two may not be required there", async () => {
    await using cluster = await testCluster();
    const prefer = cluster.api.create("services", service("a", { ipFamilyPolicy: "PreferDualStack" }));
    expect(prefer.spec?.ipFamilies).toEqual(["IPv4"]);
    expect(
      refusal(() => cluster.api.create("services", service("b", { ipFamilyPolicy: "RequireDualStack" }))).message,
    ).toBe(
      'Service "b" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": ' +
        "this cluster is not configured for dual-stack services",
    );
    expect(refusal(() => cluster.api.create("services", service("c", { ipFamilies: ["IPv6"] }))).message).toBe(
      'Service "c" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    );
  });

  it("are both for a headless Service without selector, even on a single-stack cluster", async () => {
    await using cluster = await testCluster();
    const { selector: _, ...bare } = service("a", { clusterIP: "None" }).spec ?? {};
    const { spec } = cluster.api.create("services", { ...service("a"), spec: bare });
    expect(spec).toMatchObject({
      clusterIPs: ["None"],
      ipFamilies: ["IPv4", "IPv6"],
      ipFamilyPolicy: "RequireDualStack",
    });
  });

  it("are two where preferred and configured, in the order asked for", async () => {
    await using cluster = await testCluster(dual);
    const plain = cluster.api.create("services", service("a"));
    expect(plain.spec?.ipFamilies).toEqual(["IPv4"]);
    const { spec } = cluster.api.create(
      "services",
      service("b", { ipFamilyPolicy: "PreferDualStack", ipFamilies: ["IPv6"] }),
    );
    expect(spec?.ipFamilies).toEqual(["IPv6", "IPv4"]);
    expect(spec?.clusterIPs?.[0]).toMatch(/^fd00:96::/);
    expect(spec?.clusterIPs?.[1]).toMatch(/^127\.96\./);
    expect(spec?.clusterIP).toBe(spec?.clusterIPs?.[0]);
  });

  it("can be added later, and dropped with SingleStack only", async () => {
    await using cluster = await testCluster(dual);
    const one = cluster.api.create("services", service("a"));
    const two = cluster.api.update("services", { ...one, spec: { ...one.spec, ipFamilyPolicy: "RequireDualStack" } });
    expect(two.spec?.clusterIPs).toHaveLength(2);
    expect(two.spec?.clusterIPs?.[0]).toBe(one.spec?.clusterIP);
    const short = { ...two.spec, clusterIPs: [two.spec?.clusterIP ?? ""], ipFamilies: ["IPv4"] };
    expect(refusal(() => cluster.api.update("services", { ...two, spec: short })).message).toContain(
      "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' to release the secondary cluster IP",
    );
    const again = cluster.api.update("services", { ...two, spec: { ...two.spec, ipFamilyPolicy: "SingleStack" } });
    expect(again.spec).toMatchObject({ clusterIPs: [one.spec?.clusterIP], ipFamilies: ["IPv4"] });
    const second = two.spec?.clusterIPs?.[1] ?? "";
    const heir = service("heir", { clusterIP: second, clusterIPs: [second], ipFamilies: ["IPv6"] });
    expect(cluster.api.create("services", heir).spec?.clusterIP).toBe(second);
  });
});
