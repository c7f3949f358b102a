import { FeedView } from "@fairlead/bus";
import { feedKeyOf, ipAddress, port } from "@fairlead/types";
import type { Change, FeedValue, Service } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { bindWords } from "../src/l4/bind-words.ts";
import { MAX_MAPPED_PORTS, readPortMap } from "../src/l4/port-map.ts";
import { planPorts } from "../src/l4/port-plan.ts";
import type { PortPlan } from "../src/l4/port-plan.ts";

describe("an entry of tcp-services", () => {
  const plain = { port: 9000, protocol: "TCP", namespace: "default", service: "web", servicePort: 80 };
  test.each<[string, object]>([
    ["default/web:80", { readsProxyHeader: false, writesProxyHeader: false }],
    ["default/web:http", { servicePort: "http", readsProxyHeader: false, writesProxyHeader: false }],
    ["default/web:80:PROXY", { readsProxyHeader: true, writesProxyHeader: false }],
    ["default/web:80:PROXY:PROXY", { readsProxyHeader: true, writesProxyHeader: true }],
    ["default/web:80::PROXY", { readsProxyHeader: false, writesProxyHeader: true }],
    ["default/web:80:proxy", { readsProxyHeader: true, writesProxyHeader: false }],
  ])("%s is read", (value, more) => {
    expect(readPortMap({ "9000": value }, "TCP")).toEqual({ mappings: [{ ...plain, ...more }], problems: [] });
  });

  test.each([
    ["0", "default/web:80"],
    ["65536", "default/web:80"],
    ["080", "default/web:80"],
    ["http", "default/web:80"],
    ["9000", ""],
    ["9000", "web:80"],
    ["9000", "default/web"],
    ["9000", "default/web:0"],
    ["9000", "default/web:65536"],
    ["9000", "default/web:http_alt"],
    ["9000", "default/web:a-name-too-long-for-a-port"],
    ["9000", "default/web:80:TLS"],
    ["9000", "default/web:80:PROXY:PROXY:PROXY"],
    ["9000", "default/web:80:"],
    ["9000", "default/we b:80"],
    ["9000", "Default/web:80"],
    ["9000", "default/web:80\n"],
    ["9000", "a/b/c:80"],
  ])("%j: %j is refused by its key, and the others are served", (key, value) => {
    const { mappings, problems } = readPortMap({ [key]: value, "9999": "default/web:80" }, "TCP");
    expect(mappings).toMatchObject([{ port: 9999 }]);
    expect(problems).toMatchObject([{ key, message: expect.any(String) }]);
  });

  test("with PROXY is refused for UDP", () => {
    expect(readPortMap({ "53": "kube-system/dns:53:PROXY" }, "UDP").problems).toMatchObject([
      { key: "53", message: expect.stringContaining("TCP only") },
    ]);
  });

  test("beyond the most that there may be is refused, the lowest ports are served", () => {
    const data = Object.fromEntries(
      Array.from({ length: MAX_MAPPED_PORTS + 2 }, (_, index) => [`${20_000 + index}`, "default/web:80"]),
    );
    const { mappings, problems } = readPortMap(data, "TCP");
    expect(mappings.at(-1)?.port).toBe(20_000 + MAX_MAPPED_PORTS - 1);
    expect(problems.map(({ key }) => key)).toEqual([`${20_000 + MAX_MAPPED_PORTS}`, `${20_001 + MAX_MAPPED_PORTS}`]);
  });
});

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
  sessionAffinity: { kind: "ClientIP", timeoutSeconds: 60 },
  internalTrafficPolicy: "Cluster",
  externalTrafficPolicy: "Cluster",
  publishNotReadyAddresses: false,
  scheduler: "lc",
};

function planOf(data: Record<string, string>, protocol: "TCP" | "UDP", service: Partial<Service> = {}): PortPlan {
  const values: FeedValue[] = [
    { kind: "service", service: { ...web, ...service } },
    ...(["IPv4", "IPv6"] as const).map((family): FeedValue => ({
      kind: "slice",
      slice: {
        namespace: "default",
        name: `web-${family}`,
        service: "web",
        family,
        headless: false,
        ports: [
          { name: "http", protocol: "TCP", port: port(8080) },
          { name: "dns", protocol: "UDP", port: port(5353) },
        ],
        endpoints: [
          {
            addresses: [ipAddress(family === "IPv4" ? "10.0.0.1" : "2001:db8::1")],
            ready: true,
            serving: true,
            terminating: false,
            weight: 3,
          },
        ],
      },
    })),
  ];
  const common = { v: 1, epoch: "e", seq: 1, at: 0 } as const;
  const view = new FeedView();
  view.apply({ changes: values.map((value): Change => ({ ...common, key: feedKeyOf(value), op: "put", value })) });
  const doors = [{ what: "HTTP", host: "127.0.0.1", port: 8080 }];
  return planPorts({ mappings: readPortMap(data, protocol).mappings, view, address: "0.0.0.0", doors });
}

describe("a port that is mapped", () => {
  test("is relayed to the Service's endpoints, balanced as the Service asks", () => {
    const plan = planOf({ "9000": "default/web:http:PROXY:PROXY" }, "TCP");
    expect([...plan.entries.values()]).toMatchObject([
      {
        protocol: "TCP",
        frontends: [{ address: "0.0.0.0", port: 9000, readsProxyHeader: true, writesProxyHeader: true }],
        cluster: [
          { address: "10.0.0.1", port: 8080, weight: 3 },
          { address: "2001:db8::1", port: 8080 },
        ],
        affinityMs: 60_000,
        scheduler: "lc",
      },
    ]);
  });

  test("takes over UDP only the endpoints of the family it is served in", () => {
    const [entry] = planOf({ "53": "default/web:dns" }, "UDP").entries.values();
    expect(entry?.cluster.map(({ address }) => address)).toEqual(["10.0.0.1"]);
  });

  test("leads to the name of an ExternalName Service over TCP, and not over UDP", () => {
    const external = { type: "ExternalName", externalName: "api.example.org", ports: [] } as const;
    const [entry] = planOf({ "9000": "default/web:443" }, "TCP", external).entries.values();
    expect(entry?.cluster).toMatchObject([{ address: "api.example.org", port: 443 }]);
    expect(planOf({ "9000": "default/web:443" }, "UDP", external).problems).toMatchObject([
      { key: "9000", reason: "BackendMissing", message: expect.stringContaining("ExternalName") },
    ]);
  });

  test.each([
    ["default/other:80", "there is no Service default/other"],
    ["default/web:81", "has no TCP port 81"],
    ["default/web:dns", "has no TCP port dns"],
  ])("to %s, which is not there, is told", (value, message) => {
    const plan = planOf({ "9000": value }, "TCP");
    expect(plan.entries.size).toBe(0);
    expect(plan.problems).toMatchObject([
      { key: "9000", reason: "BackendMissing", message: expect.stringContaining(message) },
    ]);
  });

  test("cannot be the ingress' own over TCP, but over UDP", () => {
    expect(planOf({ "8080": "default/web:80" }, "TCP").problems).toMatchObject([
      { key: "8080", reason: "Rejected", message: expect.stringContaining("HTTP") },
    ]);
    expect(planOf({ "8080": "default/web:53" }, "UDP").entries.size).toBe(1);
  });
});

test.each([
  ["EACCES", /port 81\/TCP.*1024 or above/],
  ["EADDRINUSE", /port 81\/TCP.*in use/],
  ["EADDRNOTAVAIL", /not an address of this machine/],
  ["EMFILE", /cannot be served: too many/],
])("a bind that fails with %s is told in words", (code, words) => {
  const error = Object.assign(new Error("too many files"), { code });
  expect(bindWords({ port: 81, protocol: "TCP" }, "0.0.0.0", error)).toMatch(words);
});
