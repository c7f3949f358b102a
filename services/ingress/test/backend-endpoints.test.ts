import { FeedView } from "@fairlead/bus";
import { feedKeyOf, ipAddress, port } from "@fairlead/types";
import type { Change, Endpoint, FeedValue, Service } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { resolveBackend } from "../src/plan/backend-endpoints.ts";
import { backendRef } from "../src/plan/route.ts";

const web: Service = {
  namespace: "default",
  name: "web",
  uid: "uid-web",
  type: "ClusterIP",
  headless: false,
  clusterIPs: [],
  ipFamilies: ["IPv4"],
  ports: [
    { name: "http", protocol: "TCP", port: port(80) },
    { name: "dns", protocol: "UDP", port: port(53) },
  ],
  externalIPs: [],
  loadBalancerAddresses: [],
  loadBalancerSourceRanges: [],
  sessionAffinity: { kind: "None" },
  internalTrafficPolicy: "Cluster",
  externalTrafficPolicy: "Cluster",
  publishNotReadyAddresses: false,
};

function endpoint(address: string, state: Partial<Endpoint> = {}): Endpoint {
  return { addresses: [ipAddress(address)], ready: true, serving: true, terminating: false, weight: 1, ...state };
}

/** A view of one Service and a slice for each port that its pods call http. */
function viewOf(service: Partial<Service>, slices: readonly (readonly [number, readonly Endpoint[]])[] = []): FeedView {
  const values: FeedValue[] = [
    { kind: "service", service: { ...web, ...service } },
    ...slices.map(([number, endpoints]): FeedValue => ({
      kind: "slice",
      slice: {
        namespace: "default",
        name: `web-${number}`,
        service: "web",
        family: "IPv4",
        headless: false,
        ports: [
          { name: "http", protocol: "TCP", port: port(number) },
          { name: "dns", protocol: "UDP", port: port(number + 1) },
        ],
        endpoints,
      },
    })),
  ];
  const common = { v: 1, epoch: "e", seq: 1, at: 0 } as const;
  const view = new FeedView();
  view.apply({
    changes: values.map((value): Change => ({ ...common, key: feedKeyOf(value), op: "put", value })),
  });
  return view;
}

const found = (view: FeedView, to: number | string, protocol?: "UDP"): string[] =>
  resolveBackend(backendRef("default", "web", to), view, protocol).map(({ address, port: at }) => `${address}:${at}`);

describe("a backend", () => {
  const slices = [
    [8080, [endpoint("10.0.0.1")]],
    [9090, [endpoint("10.0.0.2")]],
  ] as const;

  test("by number or by name is the ports of that name, which may differ from pod to pod", () => {
    const view = viewOf({}, slices);
    for (const to of [80, "http"]) expect(found(view, to)).toEqual(["10.0.0.1:8080", "10.0.0.2:9090"]);
    expect(found(view, "dns", "UDP")).toEqual(["10.0.0.1:8081", "10.0.0.2:9091"]);
  });

  test.each([81, "https", "dns"])("has no endpoint for the port %s that the Service lacks", (to) => {
    expect(found(viewOf({}, slices), to)).toEqual([]);
  });

  test("takes those that serve while terminating only where none is ready", () => {
    const leaving = endpoint("10.0.0.3", { ready: false, terminating: true });
    const starting = endpoint("10.0.0.4", { ready: false, serving: false });
    expect(found(viewOf({}, [[8080, [endpoint("10.0.0.1"), leaving, starting]]]), 80)).toEqual(["10.0.0.1:8080"]);
    expect(found(viewOf({}, [[8080, [leaving, starting]]]), 80)).toEqual(["10.0.0.3:8080"]);
  });
});

describe("a backend of type ExternalName", () => {
  const external = { type: "ExternalName", externalName: "api.example.org" } as const;

  test("is the name it stands for, at the port's number, among the Service's ports or not", () => {
    const view = viewOf({ ...external, ports: [] });
    expect(resolveBackend(backendRef("default", "web", 8443), view)).toEqual([
      { address: "api.example.org", port: 8443, weight: 1 },
    ]);
  });

  test("needs a port called by name to be among the Service's", () => {
    expect(found(viewOf(external), "http")).toEqual(["api.example.org:80"]);
    expect(found(viewOf(external), "https")).toEqual([]);
  });
});
