import type { ObjectOf, ResourceName } from "../src/api/resources.ts";
import { resourceNames } from "../src/strategies/names.ts";
import { describe, expect, it } from "vitest";
import { refusal, testCluster, testConfig } from "./strategy-cluster.ts";

const meta = { name: "x", namespace: "default" };
const template = { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "main", image: "i:1" }] } };
const workload = { selector: { matchLabels: { app: "x" } }, template };
const endpoints = (count: number) => Array.from({ length: count }, () => ({ addresses: ["127.244.1.1"] }));
const path = (rest: object) => ({ rules: [{ http: { paths: [{ path: "/", pathType: "Prefix", ...rest }] } }] });

interface Row<R extends ResourceName = ResourceName> {
  readonly resource: R;
  readonly object: ObjectOf<R>;
  readonly message: string;
}

const row = <R extends ResourceName>(resource: R, object: ObjectOf<R>, message: string): Row => ({
  resource,
  object,
  message,
});

const rows: readonly Row[] = [
  row(
    "configmaps",
    { metadata: { ...meta, labels: { "-a": "" } } },
    'metadata.labels: Invalid value: "-a": name part must consist of',
  ),
  row(
    "configmaps",
    { metadata: { ...meta, annotations: { a: "x".repeat(262_144) } } },
    "metadata.annotations: Too long: may not be more than 262144 bytes",
  ),
  row(
    "configmaps",
    { metadata: { ...meta, name: "A_B" } },
    'metadata.name: Invalid value: "A_B": a lowercase RFC 1123 subdomain must consist of',
  ),
  row(
    "configmaps",
    { metadata: { ...meta, ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "p", uid: "" }] } },
    'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
  ),
  row(
    "configmaps",
    { metadata: meta, data: { "a b": "" } },
    'data[a b]: Invalid value: "a b": a valid config key must consist of',
  ),
  row(
    "configmaps",
    { metadata: meta, data: { a: "x".repeat(1_048_577) } },
    "data: Too long: may not be more than 1048576 bytes",
  ),
  row("secrets", { metadata: meta, data: { a: "?" } }, 'data[a]: Invalid value: "<value omitted>": must be base64'),
  row(
    "secrets",
    { metadata: meta, type: "kubernetes.io/tls", data: { "tls.crt": "" } },
    "data[tls.key]: Required value",
  ),
  row(
    "endpointslices",
    { metadata: meta, addressType: "IPv5", endpoints: [] },
    'addressType: Unsupported value: "IPv5": supported values: "FQDN", "IPv4", "IPv6"',
  ),
  row(
    "endpointslices",
    { metadata: meta, addressType: "IPv4", endpoints: endpoints(1001) },
    "endpoints: Too many: 1001: must have at most 1000 items",
  ),
  row(
    "endpointslices",
    { metadata: meta, addressType: "IPv4", endpoints: [{ addresses: [] }] },
    "endpoints[0].addresses: Required value: must contain at least 1 address",
  ),
  row(
    "endpointslices",
    { metadata: meta, addressType: "IPv4", endpoints: [{ addresses: ["fd00::1"] }] },
    'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address',
  ),
  row(
    "endpointslices",
    {
      metadata: meta,
      addressType: "IPv4",
      endpoints: [],
      ports: Array.from({ length: 101 }, (_, n) => ({ name: `p${n}` })),
    },
    "ports: Too many: 101: must have at most 100 items",
  ),
  row(
    "endpoints",
    { metadata: meta, subsets: [{ addresses: [{ ip: "169.254.0.1" }], ports: [{ port: 80 }] }] },
    'subsets[0].addresses[0].ip: Invalid value: "169.254.0.1": may not be in the link-local range',
  ),
  row(
    "endpoints",
    { metadata: meta, subsets: [{ ports: [{ port: 80 }] }] },
    "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
  ),
  row(
    "replicasets",
    { metadata: meta, spec: { ...workload, replicas: -1 } },
    "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
  ),
  row(
    "replicasets",
    { metadata: meta, spec: { ...workload, selector: { matchLabels: { app: "y" } } } },
    'spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`',
  ),
  row(
    "replicasets",
    { metadata: meta, spec: { ...workload, selector: {} } },
    "spec.selector: Invalid value: {}: empty selector is invalid for replicaset",
  ),
  row(
    "replicasets",
    {
      metadata: meta,
      spec: { ...workload, template: { ...template, spec: { ...template.spec, restartPolicy: "Never" } } },
    },
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  ),
  row(
    "replicationcontrollers",
    { metadata: meta, spec: { template: { spec: template.spec } } },
    "spec.selector: Required value",
  ),
  row(
    "deployments",
    { metadata: meta, spec: { ...workload, strategy: { type: "Magic" } } },
    'spec.strategy: Unsupported value: "Magic": supported values: "Recreate", "RollingUpdate"',
  ),
  row(
    "deployments",
    {
      metadata: meta,
      spec: { ...workload, strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "a lot" } } },
    },
    'spec.strategy.rollingUpdate.maxSurge: Invalid value: "a lot": a valid percent string',
  ),
  row(
    "deployments",
    { metadata: meta, spec: { ...workload, minReadySeconds: 700 } },
    "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
  ),
  row(
    "ingresses",
    { metadata: meta, spec: {} },
    "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified",
  ),
  row(
    "ingresses",
    {
      metadata: meta,
      spec: path({ pathType: undefined, backend: { service: { name: "web", port: { number: 80 } } } }),
    } as unknown as ObjectOf<"ingresses">,
    "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
  ),
  row(
    "ingresses",
    { metadata: meta, spec: path({ backend: { service: { name: "web", port: {} } } }) } as ObjectOf<"ingresses">,
    "spec.rules[0].http.paths[0].backend.service.port: Required value: port name or number is required",
  ),
  row(
    "ingressclasses",
    { metadata: { name: "x" }, spec: { controller: "nonsense!" } },
    'spec.controller: Invalid value: "nonsense!": must be a domain-prefixed path',
  ),
  row(
    "leases",
    { metadata: meta, spec: { leaseDurationSeconds: 0 } },
    "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
  ),
  row(
    "events",
    { metadata: meta, involvedObject: { namespace: "other" } },
    'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
  ),
  row(
    "nodes",
    { metadata: { name: "x" }, spec: { taints: [{ key: "a", effect: "Maybe" }] } },
    'spec.taints[0].effect: Unsupported value: "Maybe"',
  ),
  row(
    "namespaces",
    { metadata: { name: "a.b" } },
    'metadata.name: Invalid value: "a.b": a lowercase RFC 1123 label must consist of',
  ),
  row(
    "serviceaccounts",
    { metadata: { ...meta, finalizers: ["a/b/c"] } },
    'metadata.finalizers: Invalid value: "a/b/c": a qualified name',
  ),
];

describe("an object is refused that says", () => {
  it.for(rows)("$resource: $message", async ({ resource, object, message }) => {
    await using cluster = await testCluster();
    const answer = refusal(() => cluster.api.create(resource, object));
    expect(answer.code).toBe(422);
    expect(answer.message).toContain(message);
  });

  it("something about every kind but pods and Services, which have their own tests", () => {
    const missing = resourceNames
      .map((names) => names.resource)
      .filter((resource) => !rows.some((one) => one.resource === resource));
    expect(missing).toEqual(["pods", "services"]);
  });
});

describe("endpoint addresses", () => {
  it("may be loopback addresses only where pods are", async () => {
    await using lenient = await testCluster();
    await using strict = await testCluster({ ...testConfig, podCidr: "10.244.0.0/16" as typeof testConfig.podCidr });
    const slice = { metadata: meta, addressType: "IPv4", endpoints: endpoints(1) };
    expect(lenient.api.create("endpointslices", slice).endpoints).toHaveLength(1);
    expect(refusal(() => strict.api.create("endpointslices", slice)).message).toContain(
      "may not be in the loopback range",
    );
  });
});

describe("what may not change once set", () => {
  it.for([
    [
      "a slice's address type",
      "endpointslices",
      { metadata: meta, addressType: "IPv4", endpoints: [] },
      { addressType: "FQDN" },
      "addressType",
    ],
    ["a Secret's type", "secrets", { metadata: meta, type: "a" }, { type: "b" }, "type"],
    [
      "a ReplicaSet's selector",
      "replicasets",
      { metadata: meta, spec: workload },
      {
        spec: {
          selector: { matchLabels: { app: "y" } },
          template: { ...template, metadata: { labels: { app: "y" } } },
        },
      },
      "spec.selector",
    ],
    [
      "a Deployment's selector",
      "deployments",
      { metadata: meta, spec: workload },
      {
        spec: {
          selector: { matchLabels: { app: "y" } },
          template: { ...template, metadata: { labels: { app: "y" } } },
        },
      },
      "spec.selector",
    ],
    [
      "an IngressClass' controller",
      "ingressclasses",
      { metadata: { name: "x" }, spec: { controller: "example.org/a" } },
      { spec: { controller: "example.org/b" } },
      "spec.controller",
    ],
  ] as const)("%s", async ([, resource, object, change, field]) => {
    await using cluster = await testCluster();
    const created = cluster.api.create(resource, object);
    const { message } = refusal(() => cluster.api.update(resource, { ...created, ...change }));
    expect(message).toMatch(new RegExp(`${field}: Invalid value: .*: field is immutable`));
  });

  it("an immutable ConfigMap", async () => {
    await using cluster = await testCluster();
    const created = cluster.api.create("configmaps", { metadata: meta, immutable: true, data: { a: "1" } });
    expect(refusal(() => cluster.api.update("configmaps", { ...created, data: { a: "2" } })).message).toContain(
      "data: Forbidden: field is immutable when `immutable` is set",
    );
  });
});

describe("defaults", () => {
  it("roll a Deployment by quarters, with ten revisions and ten minutes", async () => {
    await using cluster = await testCluster();
    expect(cluster.api.create("deployments", { metadata: meta, spec: workload }).spec).toMatchObject({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
    });
  });

  it("encode what a Secret says in plain text", async () => {
    await using cluster = await testCluster();
    const secret = cluster.api.create("secrets", {
      metadata: meta,
      stringData: { a: "plain" },
      data: { a: "b2xk", b: "Yg==" },
    });
    expect(secret).toMatchObject({ type: "Opaque", data: { a: "cGxhaW4=", b: "Yg==" } });
    expect(secret).not.toHaveProperty("stringData");
  });

  it("take a ReplicationController's selector and labels from its template", async () => {
    await using cluster = await testCluster();
    const created = cluster.api.create("replicationcontrollers", { metadata: meta, spec: { template } });
    expect(created.spec).toMatchObject({ replicas: 1, selector: { app: "x" } });
    expect(created.metadata?.labels).toEqual({ app: "x" });
  });

  it("label a namespace with its name and hold it until it is empty", async () => {
    await using cluster = await testCluster();
    const created = cluster.api.create("namespaces", { metadata: { name: "x" } });
    expect(created).toMatchObject({
      metadata: { labels: { "kubernetes.io/metadata.name": "x" } },
      spec: { finalizers: ["kubernetes"] },
      status: { phase: "Active" },
    });
    const replaced = cluster.api.update("namespaces", { metadata: { name: "x" } });
    expect(replaced.spec).toEqual({ finalizers: ["kubernetes"] });
  });
});

describe("generation", () => {
  it("counts changes of the spec, not of labels or status", async () => {
    await using cluster = await testCluster();
    const { api } = cluster;
    expect(api.create("deployments", { metadata: meta, spec: workload }).metadata?.generation).toBe(1);
    api.modify("deployments", "default", "x", (copy) => ({
      ...copy,
      metadata: { ...copy.metadata, labels: { a: "b" } },
    }));
    api.modify("deployments", "default", "x", (copy) => ({ ...copy, status: { replicas: 3 } }), "status");
    expect(api.get("deployments", "default", "x").metadata?.generation).toBe(1);
    api.modify("deployments", "default", "x", (copy) => ({ ...copy, spec: { ...copy.spec!, replicas: 3 } }));
    expect(api.get("deployments", "default", "x")).toMatchObject({
      metadata: { generation: 2 },
      status: { replicas: 3 },
    });
  });
});
