import { describe, expect, it } from "vitest";
import type { ObjectOf, ResourceName } from "../src/api/resources.ts";
import { toTable } from "../src/table/index.ts";
import type { TableOptions } from "../src/table/index.ts";

const NOW = Date.parse("2024-05-06T08:00:00Z");
const metadata = (name: string, rest: object = {}): object => ({
  name,
  creationTimestamp: "2024-05-06T07:59:55Z",
  ...rest,
});

/** One object's row as kubectl prints it: the wide columns after a bar. */
function row(resource: ResourceName, object: object): string {
  const { columnDefinitions, rows } = toTable(resource, [object as ObjectOf<ResourceName>], { now: NOW });
  const cells = rows[0]?.cells ?? [];
  const part = (priority: number): string =>
    cells.filter((_, index) => columnDefinitions[index]?.priority === priority).join("  ");
  return part(1) === "" ? part(0) : `${part(0)} | ${part(1)}`;
}

const rows: readonly [resource: ResourceName, what: string, object: object, expected: string][] = [
  [
    "services",
    "a cluster IP",
    {
      metadata: metadata("kubia"),
      spec: {
        type: "ClusterIP",
        clusterIP: "127.96.1.2",
        clusterIPs: ["127.96.1.2"],
        ports: [
          { port: 80, protocol: "TCP" },
          { port: 53, protocol: "UDP" },
        ],
        selector: { b: "2", a: "1" },
      },
    },
    "kubia  ClusterIP  127.96.1.2  <none>  80/TCP,53/UDP  5s | a=1,b=2",
  ],
  [
    "services",
    "a node port with an external address",
    {
      metadata: metadata("web"),
      spec: {
        type: "NodePort",
        clusterIPs: ["127.96.1.3"],
        externalIPs: ["192.0.2.1", "192.0.2.2"],
        ports: [{ port: 80, nodePort: 30123, protocol: "TCP" }],
      },
    },
    "web  NodePort  127.96.1.3  192.0.2.1,192.0.2.2  80:30123/TCP  5s | <none>",
  ],
  [
    "services",
    "a load balancer that waits",
    { metadata: metadata("lb"), spec: { type: "LoadBalancer", clusterIPs: ["127.96.1.4"], ports: [{ port: 443 }] } },
    "lb  LoadBalancer  127.96.1.4  <pending>  443/TCP  5s | <none>",
  ],
  [
    "services",
    "a load balancer with addresses",
    {
      metadata: metadata("lb"),
      spec: { type: "LoadBalancer", clusterIPs: ["127.96.1.4"], externalIPs: ["192.0.2.9"] },
      status: {
        loadBalancer: { ingress: [{ ip: "127.200.0.2" }, { hostname: "lb.example.org" }, { ip: "127.200.0.2" }] },
      },
    },
    "lb  LoadBalancer  127.96.1.4  127.200.0.2,lb.example.org,192.0.2.9  <none>  5s | <none>",
  ],
  [
    "services",
    "a headless one",
    { metadata: metadata("h"), spec: { type: "ClusterIP", clusterIP: "None", clusterIPs: ["None"] } },
    "h  ClusterIP  None  <none>  <none>  5s | <none>",
  ],
  [
    "services",
    "an external name",
    { metadata: metadata("e"), spec: { type: "ExternalName", externalName: "example.org" } },
    "e  ExternalName  <none>  example.org  <none>  5s | <none>",
  ],
  ["endpoints", "none", { metadata: metadata("e") }, "e  <none>  5s"],
  [
    "endpoints",
    "more than fit",
    {
      metadata: metadata("e"),
      subsets: [
        { addresses: [{ ip: "127.244.0.1" }, { ip: "::1" }], ports: [{ port: 80 }, { port: 81 }] },
        { notReadyAddresses: [{ ip: "127.244.0.9" }], ports: [{ port: 80 }] },
        { addresses: [{ ip: "127.244.0.3" }] },
      ],
    },
    "e  127.244.0.1:80,[::1]:80,127.244.0.1:81 + 2 more...  5s",
  ],
  [
    "endpointslices",
    "nothing in it",
    { metadata: metadata("s"), addressType: "IPv4" },
    "s  IPv4  <unset>  <unset>  5s",
  ],
  [
    "endpointslices",
    "ports and endpoints",
    {
      metadata: metadata("s"),
      addressType: "IPv4",
      ports: [{ port: 8080 }, { name: "any" }, {}],
      endpoints: [{ addresses: ["a", "b"] }, { addresses: ["c"] }, { addresses: ["d"] }],
    },
    "s  IPv4  8080,any,*  a,b,c + 1 more...  5s",
  ],
  [
    "ingresses",
    "hosts, TLS and an address",
    {
      metadata: metadata("i"),
      spec: { ingressClassName: "fairlead", rules: [{ host: "a" }, { host: "b" }, {}], tls: [{}] },
      status: { loadBalancer: { ingress: [{ ip: "127.0.0.1" }] } },
    },
    "i  fairlead  a,b  127.0.0.1  80, 443  5s",
  ],
  ["ingresses", "any host", { metadata: metadata("i"), spec: {} }, "i  <none>  *    80  5s"],
  [
    "ingressclasses",
    "parameters",
    {
      metadata: metadata("c"),
      spec: { controller: "example.org/x", parameters: { apiGroup: "example.org", kind: "Settings", name: "s" } },
    },
    "c  example.org/x  Settings.example.org/s  5s",
  ],
  [
    "deployments",
    "a rollout",
    {
      metadata: metadata("d"),
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: "d" }, matchExpressions: [{ key: "z", operator: "In", values: ["2", "1"] }] },
        template: {
          spec: {
            containers: [
              { name: "a", image: "i:1" },
              { name: "b", image: "j" },
            ],
          },
        },
      },
      status: { readyReplicas: 2, updatedReplicas: 1, availableReplicas: 2 },
    },
    "d  2/3  1  2  5s | a,b  i:1,j  app=d,z in (1,2)",
  ],
  [
    "replicasets",
    "no status yet",
    {
      metadata: metadata("r"),
      spec: {
        replicas: 1,
        selector: {
          matchExpressions: [
            { key: "c", operator: "NotIn", values: ["x"] },
            { key: "b", operator: "DoesNotExist" },
            { key: "a", operator: "Exists" },
          ],
        },
        template: { spec: { containers: [{ name: "a", image: "i" }] } },
      },
    },
    "r  1  0  0  5s | a  i  a,!b,c notin (x)",
  ],
  [
    "replicationcontrollers",
    "all ready",
    {
      metadata: metadata("rc"),
      spec: { replicas: 2, selector: { app: "rc" }, template: { spec: { containers: [{ name: "a" }] } } },
      status: { replicas: 2, readyReplicas: 2 },
    },
    "rc  2  2  2  5s | a    app=rc",
  ],
  [
    "nodes",
    "a ready one",
    {
      metadata: metadata("node-1", { labels: { "node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge" } }),
      status: {
        conditions: [{ type: "Ready", status: "True" }],
        addresses: [{ type: "InternalIP", address: "127.64.0.1" }],
        nodeInfo: {
          kubeletVersion: "v1",
          osImage: "Debian",
          kernelVersion: "6.1",
          containerRuntimeVersion: "process://1",
        },
      },
    },
    "node-1  Ready  edge,worker  5s  v1 | 127.64.0.1  <none>  Debian  6.1  process://1",
  ],
  [
    "nodes",
    "one that is lost and cordoned",
    {
      metadata: metadata("n"),
      spec: { unschedulable: true },
      status: { conditions: [{ type: "Ready", status: "Unknown" }] },
    },
    "n  NotReady,SchedulingDisabled  <none>  5s   | <none>  <none>  <unknown>  <unknown>  <unknown>",
  ],
  [
    "nodes",
    "a new one",
    { metadata: metadata("n") },
    "n  Unknown  <none>  5s   | <none>  <none>  <unknown>  <unknown>  <unknown>",
  ],
  [
    "namespaces",
    "an active one",
    { metadata: metadata("default"), status: { phase: "Active" } },
    "default  Active  5s",
  ],
  ["leases", "a held one", { metadata: metadata("l"), spec: { holderIdentity: "me" } }, "l  me  5s"],
  [
    "events",
    "one that happened often",
    {
      metadata: metadata("web.1"),
      type: "Warning",
      reason: "BackOff",
      message: " it failed\n",
      involvedObject: { kind: "Pod", name: "web", fieldPath: "spec.containers{a}" },
      source: { component: "kubelet", host: "node-1" },
      firstTimestamp: "2024-05-06T07:00:00Z",
      lastTimestamp: "2024-05-06T07:59:30Z",
      count: 7,
    },
    "30s  Warning  BackOff  pod/web  it failed | spec.containers{a}  kubelet, node-1  60m  7  web.1",
  ],
  [
    "events",
    "a series",
    {
      metadata: metadata("e"),
      involvedObject: { kind: "Service" },
      eventTime: "2024-05-06T07:59:00.000000Z",
      series: { count: 3, lastObservedTime: "2024-05-06T07:59:50.000000Z" },
      reportingComponent: "proxy",
    },
    "10s      service   |   proxy  60s  3  e",
  ],
  [
    "events",
    "a single one",
    { metadata: metadata("e"), involvedObject: {} },
    "<unknown>         |     <unknown>  1  e",
  ],
  ["configmaps", "both sorts of data", { metadata: metadata("c"), data: { a: "" }, binaryData: { b: "" } }, "c  2  5s"],
  ["secrets", "an opaque one", { metadata: metadata("s"), type: "Opaque", data: { a: "" } }, "s  Opaque  1  5s"],
  ["serviceaccounts", "one without secrets", { metadata: metadata("default") }, "default  0  5s"],
];

describe("the tables", () => {
  it.each(rows)("of %s show %s", (resource, _what, object, expected) => {
    expect(row(resource, object)).toBe(expected);
  });

  const headings: { readonly [R in ResourceName]: string } = {
    services: "Name,Type,Cluster-IP,External-IP,Port(s),Age,*Selector",
    endpoints: "Name,Endpoints,Age",
    endpointslices: "Name,AddressType,Ports,Endpoints,Age",
    ingresses: "Name,Class,Hosts,Address,Ports,Age",
    ingressclasses: "Name,Controller,Parameters,Age",
    pods: "Name,Ready,Status,Restarts,Age,*IP,*Node,*Nominated Node,*Readiness Gates",
    deployments: "Name,Ready,Up-to-date,Available,Age,*Containers,*Images,*Selector",
    replicasets: "Name,Desired,Current,Ready,Age,*Containers,*Images,*Selector",
    replicationcontrollers: "Name,Desired,Current,Ready,Age,*Containers,*Images,*Selector",
    nodes: "Name,Status,Roles,Age,Version,*Internal-IP,*External-IP,*OS-Image,*Kernel-Version,*Container-Runtime",
    namespaces: "Name,Status,Age",
    events: "Last Seen,Type,Reason,Object,*Subobject,*Source,Message,*First Seen,*Count,*Name",
    configmaps: "Name,Data,Age",
    secrets: "Name,Type,Data,Age",
    serviceaccounts: "Name,Secrets,Age",
    leases: "Name,Holder,Age",
  };

  it.each(Object.entries(headings) as [ResourceName, string][])(
    "have the columns of a real cluster: %s",
    (resource, expected) => {
      const { columnDefinitions } = toTable(resource, [], { now: NOW });
      expect(columnDefinitions.map(({ name, priority }) => (priority === 0 ? name : `*${name}`)).join(",")).toBe(
        expected,
      );
      expect(columnDefinitions.filter(({ name, description }) => name === "" || description === "")).toEqual([]);
    },
  );

  it("cover every resource with a row, and every row with a cell for each column", () => {
    const covered = new Set(rows.map(([resource]) => resource));
    expect(
      Object.keys(headings).filter((resource) => resource !== "pods" && !covered.has(resource as ResourceName)),
    ).toEqual([]);
    for (const [resource, , object] of rows) {
      const { columnDefinitions, rows: made } = toTable(resource, [object as ObjectOf<ResourceName>], { now: NOW });
      expect(made[0]?.cells).toHaveLength(columnDefinitions.length);
    }
  });

  it.each<[string, TableOptions["includeObject"], object]>([
    [
      "its metadata by default",
      undefined,
      { object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: { name: "n" } } },
    ],
    [
      "its metadata",
      "Metadata",
      { object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: { name: "n" } } },
    ],
    ["the whole of it", "Object", { object: { metadata: { name: "n" }, status: { phase: "Active" } } }],
    ["nothing of it", "None", {}],
  ])("carry of each object %s", (_what, includeObject, expected) => {
    const object = { metadata: { name: "n" }, status: { phase: "Active" } };
    const table = toTable("namespaces", [object], { now: NOW, includeObject, resourceVersion: "7" });
    expect(table.rows[0]).toEqual({ cells: ["n", "Active", "<unknown>"], ...expected });
    expect(table.metadata).toEqual({ resourceVersion: "7" });
  });
});
