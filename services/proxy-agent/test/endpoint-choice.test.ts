import { nodeName, port } from "@fairlead/types";
import type { EndpointSlice, NodeName } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { chooseEndpoints } from "../src/plan/endpoint-table.ts";
import type { Viewpoint } from "../src/plan/endpoint-table.ts";
import { down, draining, endpoint, servicePort, slice, slicePort } from "./support/objects.ts";

const here: Viewpoint = { node: nodeName("node-1"), zone: "zone-a" };
const elsewhere = { nodeName: nodeName("node-2") };

function choose(slices: EndpointSlice | readonly EndpointSlice[], from = here) {
  const all = Array.isArray(slices) ? slices : [slices as EndpointSlice];
  const choice = chooseEndpoints(all, servicePort(), "IPv4", from);
  return {
    ...choice,
    cluster: choice.cluster.map(({ key }) => key),
    local: choice.local.map(({ key }) => key),
  };
}

function hints(options: { zones?: readonly string[]; nodes?: readonly string[] }) {
  return { hints: { zones: options.zones ?? [], nodes: (options.nodes ?? []) as readonly NodeName[] } };
}

describe("the cluster list", () => {
  it("holds the ready endpoints of every node, sorted", () => {
    const { cluster } = choose(
      slice([endpoint("127.244.0.2", elsewhere), endpoint("127.244.0.1"), endpoint("127.244.0.3", down)]),
    );
    expect(cluster).toEqual(["127.244.0.1:9090", "127.244.0.2:9090"]);
  });

  it("leaves terminating endpoints out while any is ready", () => {
    expect(choose(slice([endpoint("127.244.0.1", draining), endpoint("127.244.0.2")])).cluster).toEqual([
      "127.244.0.2:9090",
    ]);
  });

  it("falls back to endpoints that serve while terminating", () => {
    const { cluster, hasAnyEndpoints } = choose(
      slice([endpoint("127.244.0.1", draining), endpoint("127.244.0.2", down)]),
    );
    expect(cluster).toEqual(["127.244.0.1:9090"]);
    expect(hasAnyEndpoints).toBe(true);
  });

  it("is empty where nothing serves", () => {
    const choice = choose(slice([endpoint("127.244.0.1", down)]));
    expect(choice).toMatchObject({ cluster: [], local: [], hasAnyEndpoints: false, nodesWithLocal: [] });
  });

  it("counts an endpoint once that two slices list, in its better state", () => {
    const moved = [slice([endpoint("127.244.0.1", down)]), slice([endpoint("127.244.0.1")], { name: "web-2" })];
    expect(choose(moved).cluster).toEqual(["127.244.0.1:9090"]);
    expect(choose(moved.toReversed()).cluster).toEqual(["127.244.0.1:9090"]);
  });

  it("takes only slices of the family, and none that is headless", () => {
    expect(choose(slice([endpoint("fd00::1")], { family: "IPv6" })).cluster).toEqual([]);
    expect(choose(slice([endpoint("127.244.0.1")], { headless: true })).cluster).toEqual([]);
  });

  it("resolves the port by name and protocol, in each slice on its own", () => {
    const slices = [
      slice([endpoint("127.244.0.1")], {
        ports: [slicePort({ name: "http", port: port(8000) }), slicePort({ name: "admin" })],
      }),
      slice([endpoint("127.244.0.2")], { name: "web-2", ports: [slicePort({ name: "http", port: port(8001) })] }),
      slice([endpoint("127.244.0.3")], { name: "web-3", ports: [slicePort({ name: "http", protocol: "UDP" })] }),
    ];
    const { cluster } = chooseEndpoints(slices, servicePort({ name: "http" }), "IPv4", here);
    expect(cluster.map(({ key }) => key)).toEqual(["127.244.0.1:8000", "127.244.0.2:8001"]);
  });
});

describe("the local list", () => {
  it("holds the ready endpoints of this node", () => {
    const choice = choose(slice([endpoint("127.244.0.1"), endpoint("127.244.0.2", elsewhere)]));
    expect(choice.local).toEqual(["127.244.0.1:9090"]);
    expect(choice.localReady).toEqual(["127.244.0.1"]);
    expect(choice.nodesWithLocal).toEqual(["node-1", "node-2"]);
  });

  it("falls back to local terminating ones although another node has ready ones", () => {
    const choice = choose(slice([endpoint("127.244.0.1", draining), endpoint("127.244.0.2", elsewhere)]));
    expect(choice.local).toEqual(["127.244.0.1:9090"]);
    expect(choice.cluster).toEqual(["127.244.0.2:9090"]);
    expect(choice.localReady).toEqual([]);
  });

  it("does not count a node whose endpoints all have weight 0 as one that can serve", () => {
    expect(choose(slice([endpoint("127.244.0.1", { weight: 0 })])).nodesWithLocal).toEqual([]);
  });

  it("ignores hints", () => {
    const one = endpoint("127.244.0.1", hints({ zones: ["zone-b"], nodes: ["node-2"] }));
    const two = endpoint("127.244.0.2", { ...elsewhere, ...hints({ zones: ["zone-a"], nodes: ["node-1"] }) });
    const choice = choose(slice([one, two]));
    expect(choice.local).toEqual(["127.244.0.1:9090"]);
    expect(choice.cluster).toEqual(["127.244.0.2:9090"]);
  });
});

describe("topology hints", () => {
  const cases: readonly {
    name: string;
    hints: readonly (Parameters<typeof hints>[0] | undefined)[];
    from?: Viewpoint;
    expected: string;
  }[] = [
    {
      name: "the zone's endpoints where every one has a zone",
      hints: [{ zones: ["zone-a"] }, { zones: ["zone-b"] }],
      expected: "1",
    },
    {
      name: "the node's endpoints before the zone's",
      hints: [
        { zones: ["zone-a"], nodes: ["node-2"] },
        { zones: ["zone-b"], nodes: ["node-1"] },
      ],
      expected: "2",
    },
    {
      name: "the zone's where no node hint names this node",
      hints: [
        { zones: ["zone-a"], nodes: ["node-3"] },
        { zones: ["zone-b"], nodes: ["node-2"] },
      ],
      expected: "1",
    },
    { name: "all where one endpoint has no hint", hints: [{ zones: ["zone-a"] }, undefined], expected: "12" },
    {
      name: "all where no hint names this zone",
      hints: [{ zones: ["zone-b"] }, { zones: ["zone-c"] }],
      expected: "12",
    },
    {
      name: "all on a node without a zone",
      hints: [{ zones: ["zone-a"] }, { zones: ["zone-b"] }],
      from: { node: nodeName("node-1") },
      expected: "12",
    },
  ];

  it.for(cases)("choose $name", ({ hints: given, from, expected }) => {
    const endpoints = given.map((hint, index) =>
      endpoint(`127.244.0.${index + 1}`, hint === undefined ? {} : hints(hint)),
    );
    const { cluster } = choose(slice(endpoints), from);
    expect(cluster.map((key) => key.charAt("127.244.0.".length)).join("")).toBe(expected);
  });

  it("do not ask endpoints that are not ready", () => {
    const endpoints = [
      endpoint("127.244.0.1", hints({ zones: ["zone-a"] })),
      endpoint("127.244.0.2", draining),
      endpoint("127.244.0.3", hints({ zones: ["zone-b"] })),
    ];
    expect(choose(slice(endpoints)).cluster).toEqual(["127.244.0.1:9090"]);
  });
});

describe("the endpoints on standby", () => {
  it("are those in neither list, with whether they still serve", () => {
    const { standby } = choose(
      slice([
        endpoint("127.244.0.1"),
        endpoint("127.244.0.2", draining),
        endpoint("127.244.0.3", down),
        endpoint("127.244.0.4", { ...elsewhere, ...draining }),
      ]),
    );
    expect(standby.map(({ key, serving }) => [key, serving])).toEqual([
      ["127.244.0.2:9090", true],
      ["127.244.0.3:9090", false],
      ["127.244.0.4:9090", true],
    ]);
  });

  it("are those that a hint keeps out, and none that a list falls back to", () => {
    const hinted = choose(
      slice([
        endpoint("127.244.0.1", { ...elsewhere, ...hints({ zones: ["zone-a"] }) }),
        endpoint("127.244.0.2", { ...elsewhere, ...hints({ zones: ["zone-b"] }) }),
      ]),
    );
    expect(hinted.standby.map(({ key }) => key)).toEqual(["127.244.0.2:9090"]);
    expect(choose(slice([endpoint("127.244.0.1", draining)])).standby).toEqual([]);
  });
});
