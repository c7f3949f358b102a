import type { FeedBatch } from "@fairlead/bus";
import { cidr, feedKeyOf, ipAddress, nodeName, port } from "@fairlead/types";
import type { Change, FeedValue } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { DesiredState } from "../src/desired-state.ts";
import type { DesiredStateOptions } from "../src/desired-state.ts";
import { asValue, endpoint, node, service, servicePort, slice } from "./support/objects.ts";

const { service: asService, slice: asSlice, node: asNode } = asValue;

function state(overrides: Partial<DesiredStateOptions> = {}): DesiredState {
  return new DesiredState({
    node: nodeName("node-1"),
    proxyName: "",
    sharedHost: true,
    nodePortRanges: [],
    machineAddresses: () => [],
    ...overrides,
  });
}

function batch(source: FeedBatch["source"], ...values: readonly (FeedValue & { trigger?: number })[]): FeedBatch {
  const changes = values.map(({ trigger, ...value }, index): Change => {
    const base = {
      v: 1,
      epoch: "e",
      seq: index + 1,
      key: feedKeyOf(value),
      at: 0,
      ...(trigger && { trigger }),
    } as const;
    return { ...base, op: "put", value };
  });
  return { source, epoch: "e", seq: changes.length, changes };
}

function gone(value: FeedValue): FeedBatch {
  return {
    source: "live",
    epoch: "e",
    seq: 9,
    changes: [{ v: 1, epoch: "e", seq: 9, key: feedKeyOf(value), at: 0, op: "delete" }],
  };
}

const summary = (of: DesiredState): string[] => {
  const { added, updated, removed } = of.take().change;
  return [
    ...added.map(({ key }) => `+ ${key}`),
    ...updated.map(({ after }) => `~ ${after.key}`),
    ...removed.map(({ key }) => `- ${key}`),
  ];
};

const base = [asNode(node("node-1", "127.64.0.1")), asService(service()), asSlice(slice([endpoint("127.244.0.1")]))];

describe("the difference for the plane", () => {
  it("leaves an address with a node of this host when a Node object of another machine comes first by name", () => {
    const used = state({ machineAddresses: () => [ipAddress("192.0.2.7")] });
    used.feed(batch("snapshot", ...base));
    expect(summary(used)).toEqual([expect.stringMatching(/^\+ /)]);
    used.feed(
      batch("live", asNode(node("a-ghost", "10.9.9.9")), asNode(node("b-ghost", "10.9.9.8", { addresses: [] }))),
    );
    expect(summary(used)).toEqual([]);
    // One that does share the host takes over.
    used.feed(batch("live", asNode(node("a-neighbour", "192.0.2.7"))));
    expect(summary(used)).toEqual([expect.stringMatching(/^[-~] /)]);
  });

  it("adds, updates and removes exactly what changed", () => {
    const used = state();
    used.feed(batch("snapshot", ...base));
    expect(summary(used)).toEqual(["+ default/web:/TCP IPv4"]);
    used.feed(batch("live", asSlice(slice([endpoint("127.244.0.2")]))));
    expect(summary(used)).toEqual(["~ default/web:/TCP IPv4"]);
    used.feed(gone(asService(service())));
    expect(summary(used)).toEqual(["- default/web:/TCP IPv4"]);
    expect(summary(used)).toEqual([]);
  });

  it("is empty for a change that means nothing to the plane", () => {
    const used = state();
    used.feed(batch("snapshot", ...base));
    used.take();
    used.feed(
      batch(
        "live",
        asSlice(slice([endpoint("127.244.0.1", { hostname: "named" })])),
        asNode(node("node-9", "127.64.0.9")),
      ),
    );
    expect(summary(used)).toEqual([]);
  });

  it("joins what several batches changed, and drops what came and went", () => {
    const used = state();
    used.feed(batch("snapshot", ...base));
    used.take();
    used.feed(batch("live", asSlice(slice([]))));
    used.feed(batch("live", asSlice(slice([endpoint("127.244.0.1")]))));
    expect(summary(used)).toEqual([]);
  });

  it("adds everything again after a restart", () => {
    const used = state();
    used.feed(batch("snapshot", ...base));
    used.take();
    used.restart();
    expect(summary(used)).toEqual(["+ default/web:/TCP IPv4"]);
  });

  it("holds a slice that comes before its Service", () => {
    const used = state();
    used.feed(batch("live", asSlice(slice([endpoint("127.244.0.1")]))));
    expect(summary(used)).toEqual([]);
    used.feed(batch("live", asService(service())));
    expect(used.take().change.added[0]?.cluster).toHaveLength(1);
  });
});

describe("the programming latency", () => {
  it("counts the causes of live changes, once, and not those that a snapshot tells of", () => {
    const used = state();
    used.feed(batch("snapshot", { ...asSlice(slice([])), trigger: 5 }));
    expect(used.take().triggers).toEqual([]);
    used.feed(batch("live", { ...asSlice(slice([endpoint("127.244.0.1")])), trigger: 7 }));
    expect(used.take().triggers).toEqual([{ at: 7, family: "IPv4" }]);
    expect(used.take().triggers).toEqual([]);
  });
});

describe("what a batch is about", () => {
  it("is counted by kind and family, of what is deleted too", () => {
    const used = state();
    const six = asSlice(slice([endpoint("fd00:244::1")], { name: "web-6", family: "IPv6" }));
    const dual = asService(service({ ipFamilies: ["IPv4", "IPv6"] }));
    expect(used.feed(batch("snapshot", dual, six, ...base.slice(2), asNode(node("node-1", "127.64.0.1"))))).toEqual({
      services: { IPv4: 1, IPv6: 1 },
      endpoints: { IPv4: 1, IPv6: 1 },
    });
    expect(used.feed(gone(six))).toEqual({ services: { IPv4: 0, IPv6: 0 }, endpoints: { IPv4: 0, IPv6: 1 } });
    expect(used.feed(gone(six))).toEqual({ services: { IPv4: 0, IPv6: 0 }, endpoints: { IPv4: 0, IPv6: 0 } });
  });
});

describe("the addresses of node ports", () => {
  const nodePorted = asService(service({ type: "NodePort", ports: [servicePort({ nodePort: port(30_123) })] }));
  const two = asNode(
    node("node-1", "127.64.0.1", {
      addresses: [
        { type: "InternalIP", address: ipAddress("127.64.0.1") },
        { type: "ExternalIP", address: ipAddress("127.65.0.1") },
      ],
    }),
  );
  const nodePorts = (used: DesiredState): string[] =>
    used
      .take()
      .change.added.flatMap(({ frontends }) => frontends)
      .filter(({ kind }) => kind === "NodePort")
      .map(({ address }) => address);

  it("are the node's own, all of them", () => {
    const used = state();
    used.feed(batch("snapshot", two, nodePorted));
    expect(nodePorts(used)).toEqual(["127.64.0.1", "127.65.0.1"]);
  });

  it("are those of the node in the ranges, and on a host of its own those of the machine too", () => {
    const options = {
      nodePortRanges: [cidr("127.65.0.0/16"), cidr("10.0.0.0/8")],
      machineAddresses: () => [ipAddress("10.0.0.7"), ipAddress("192.0.2.7")],
    };
    const shared = state(options);
    shared.feed(batch("snapshot", two, nodePorted));
    expect(nodePorts(shared)).toEqual(["127.65.0.1"]);
    const own = state({ ...options, sharedHost: false });
    own.feed(batch("snapshot", two, nodePorted));
    expect(nodePorts(own)).toEqual(["10.0.0.7", "127.65.0.1"]);
  });

  it("are by kube-proxy's words the first of each family, those of loopback, or all, also beside ranges", () => {
    const dual = asNode(
      node("node-1", "192.0.2.1", {
        addresses: [
          { type: "ExternalIP", address: ipAddress("203.0.113.1") },
          { type: "InternalIP", address: ipAddress("192.0.2.1") },
          { type: "InternalIP", address: ipAddress("192.0.2.2") },
          { type: "ExternalIP", address: ipAddress("2001:db8::1") },
        ],
      }),
    );
    const both = asService(
      service({
        type: "NodePort",
        ipFamilies: ["IPv4", "IPv6"],
        clusterIPs: [ipAddress("10.96.0.10"), ipAddress("fd00:96::10")],
        ports: [servicePort({ nodePort: port(30_123) })],
      }),
    );
    const served = (...nodePortRanges: DesiredStateOptions["nodePortRanges"]): string[] => {
      const used = state({
        sharedHost: false,
        nodePortRanges,
        machineAddresses: () => [ipAddress("127.0.0.1"), ipAddress("10.0.0.7")],
      });
      used.feed(batch("snapshot", dual, both));
      return nodePorts(used);
    };
    expect(served("primary")).toEqual(["192.0.2.1", "2001:db8::1"]);
    expect(served("primary", cidr("10.0.0.0/8"))).toEqual(["10.0.0.7", "192.0.2.1", "2001:db8::1"]);
    expect(served("localhost")).toEqual(["127.0.0.1"]);
    expect(served("all")).toEqual(["10.0.0.7", "127.0.0.1", "192.0.2.1", "192.0.2.2", "203.0.113.1", "2001:db8::1"]);
  });

  it("follow the machine where it counts, also while the feed says nothing", () => {
    let machine = [ipAddress("10.0.0.7")];
    const used = state({ sharedHost: false, nodePortRanges: ["all"], machineAddresses: () => machine });
    used.feed(batch("snapshot", two, nodePorted));
    expect(nodePorts(used)).toEqual(["10.0.0.7", "127.64.0.1", "127.65.0.1"]);
    machine = [ipAddress("10.0.0.8")];
    const [updated] = used.take().change.updated;
    expect(updated?.after.frontends.map(({ address }) => address)).toContain("10.0.0.8");
    expect(used.take().change.updated).toEqual([]);
  });

  it("follow the Node object", () => {
    const used = state();
    used.feed(batch("snapshot", nodePorted));
    expect(nodePorts(used)).toEqual([]);
    used.feed(batch("live", two));
    const [updated] = used.take().change.updated;
    expect(updated?.after.frontends.filter(({ kind }) => kind === "NodePort")).toHaveLength(2);
  });
});

describe("this node", () => {
  it("may be counted on until the feed says that it leaves, or that it has gone", () => {
    const used = state();
    expect(used.nodeEligible).toBe(true);
    used.feed(batch("snapshot", asService(service())));
    expect(used.nodeEligible).toBe(true);
    used.feed(batch("live", asNode(node("node-1", "127.64.0.1", { leaving: true }))));
    expect(used.nodeEligible).toBe(false);
    used.feed(batch("live", asNode(node("node-1", "127.64.0.1"))));
    expect(used.nodeEligible).toBe(true);
    used.feed(gone(asNode(node("node-1", "127.64.0.1"))));
    expect(used.nodeEligible).toBe(false);
  });

  it("is told with its pods' ranges, first and whenever they change, and again after a restart", () => {
    const used = state();
    used.feed(batch("snapshot", asNode(node("node-1", "127.64.0.1"))));
    expect(used.take().change.node).toEqual({ podRanges: ["127.244.0.0/24"] });
    used.feed(batch("live", asNode(node("node-1", "127.64.0.2"))));
    expect(used.take().change.node).toBeUndefined();
    used.feed(batch("live", asNode(node("node-1", "127.64.0.2", { podCIDRs: [cidr("127.244.7.0/24")] }))));
    expect(used.take().change.node).toEqual({ podRanges: ["127.244.7.0/24"] });
    used.restart();
    expect(used.take().change.node).toEqual({ podRanges: ["127.244.7.0/24"] });
  });
});
