import type { Pod } from "@fairlead/kube/objects";
import { describe, expect, it } from "vitest";
import { refusal, testCluster } from "./strategy-cluster.ts";

type Spec = NonNullable<Pod["spec"]>;
type Container = Spec["containers"][number];

function pod(container: Partial<Container> = {}, spec: Partial<Spec> = {}): Pod {
  return {
    metadata: { name: "p", namespace: "default" },
    spec: { containers: [{ name: "main", image: "example.org/app:1", ...container }], ...spec },
  };
}

describe("a pod's defaults", () => {
  it("are those of the API", async () => {
    await using cluster = await testCluster();
    const created = cluster.api.create(
      "pods",
      pod({ ports: [{ containerPort: 80 }], readinessProbe: { httpGet: { port: 80 } } }),
    );
    expect(created.spec).toMatchObject({
      restartPolicy: "Always",
      dnsPolicy: "ClusterFirst",
      terminationGracePeriodSeconds: 30,
      enableServiceLinks: true,
      schedulerName: "default-scheduler",
      serviceAccountName: "default",
      serviceAccount: "default",
    });
    expect(created.spec?.containers[0]).toMatchObject({
      imagePullPolicy: "IfNotPresent",
      ports: [{ containerPort: 80, protocol: "TCP" }],
      readinessProbe: {
        httpGet: { path: "/", port: 80, scheme: "HTTP" },
        timeoutSeconds: 1,
        periodSeconds: 10,
        successThreshold: 1,
        failureThreshold: 3,
      },
    });
    expect(created.status).toEqual({ phase: "Pending", qosClass: "BestEffort" });
  });

  it.for([
    ["app", "Always"],
    ["app:latest", "Always"],
    ["registry.example.org:5000/app", "Always"],
    ["registry.example.org:5000/app:2", "IfNotPresent"],
    ["app@sha256:0000", "IfNotPresent"],
  ])("pull the image %s %s", async ([image, policy]) => {
    await using cluster = await testCluster();
    expect(cluster.api.create("pods", pod({ image: image ?? "" })).spec?.containers[0]?.imagePullPolicy).toBe(policy);
  });
});

const probe = { exec: { command: ["true"] } };
const at = "spec.containers[0]";
const faults: readonly (readonly [string, Pod, string])[] = [
  ["no container", pod({}, { containers: [] }), "spec.containers: Required value"],
  ["a container without a name", pod({ name: "" }), `${at}.name: Required value`],
  ["a container without an image", pod({ image: "" }), `${at}.image: Required value`],
  [
    "a name twice",
    pod(
      {},
      {
        containers: [
          { name: "a", image: "i" },
          { name: "a", image: "i" },
        ],
      },
    ),
    'spec.containers[1].name: Duplicate value: "a"',
  ],
  [
    "a port's name twice",
    pod({
      ports: [
        { name: "a", containerPort: 1 },
        { name: "a", containerPort: 2 },
      ],
    }),
    `${at}.ports[1].name: Duplicate value: "a"`,
  ],
  [
    "a port beyond the last",
    pod({ ports: [{ containerPort: 70_000 }] }),
    `${at}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`,
  ],
  [
    "a probe without a handler",
    pod({ livenessProbe: {} }),
    `${at}.livenessProbe: Required value: must specify a handler type`,
  ],
  [
    "a probe with two",
    pod({ livenessProbe: { ...probe, tcpSocket: { port: 1 } } }),
    `${at}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`,
  ],
  [
    "a liveness probe that must succeed twice",
    pod({ livenessProbe: { ...probe, successThreshold: 2 } }),
    `${at}.livenessProbe.successThreshold: Invalid value: 2: must be 1`,
  ],
  [
    "a probe with a negative delay",
    pod({ readinessProbe: { ...probe, initialDelaySeconds: -1 } }),
    `${at}.readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0`,
  ],
  ["a variable without a name", pod({ env: [{ name: "", value: "1" }] }), `${at}.env[0].name: Required value`],
  [
    "a variable from two sources",
    pod({ env: [{ name: "A", value: "1", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }] }),
    `${at}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
  ],
  [
    "a mount of no volume",
    pod({ volumeMounts: [{ name: "data", mountPath: "/data" }] }),
    `${at}.volumeMounts[0].name: Not found: "data"`,
  ],
  [
    "an unknown restart policy",
    pod({}, { restartPolicy: "Sometimes" }),
    'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
  ],
  [
    "a negative grace period",
    pod({}, { terminationGracePeriodSeconds: -1 }),
    "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0",
  ],
  [
    "a probed init container",
    pod({}, { initContainers: [{ name: "init", image: "i", livenessProbe: probe }] }),
    "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
  ],
];

describe("a pod is refused for", () => {
  it.for(faults)("%s", async ([, bad, message]) => {
    await using cluster = await testCluster();
    expect(refusal(() => cluster.api.create("pods", bad)).message).toBe(`Pod "p" is invalid: ${message}`);
  });
});

describe("a pod's update", () => {
  it("may change images, tolerations and the deadline", async () => {
    await using cluster = await testCluster();
    const before = cluster.api.create("pods", pod());
    const after = cluster.api.modify("pods", "default", "p", (copy) => {
      copy.spec!.containers[0]!.image = "example.org/app:2";
      copy.spec!.tolerations = [{ key: "a", operator: "Exists" }];
      copy.spec!.activeDeadlineSeconds = 10;
      return copy;
    });
    expect(after?.spec?.containers[0]?.image).toBe("example.org/app:2");
    expect(after?.status).toEqual(before.status);
  });

  it("may not change anything else", async () => {
    await using cluster = await testCluster();
    const before = cluster.api.create("pods", pod());
    const changed = {
      ...before,
      spec: { ...before.spec!, containers: [{ ...before.spec!.containers[0]!, command: ["sh"] }] },
    };
    expect(refusal(() => cluster.api.update("pods", changed)).message).toContain(
      'Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than',
    );
  });

  it("may not move it to another node", async () => {
    await using cluster = await testCluster();
    const before = cluster.api.create("pods", pod({}, { nodeName: "node-1" }));
    expect(cluster.api.update("pods", pod()).spec?.nodeName).toBe("node-1");
    const moved = { ...before, spec: { ...before.spec!, nodeName: "node-2" } };
    expect(refusal(() => cluster.api.update("pods", moved)).message).toContain("spec.nodeName: Forbidden");
  });
});

describe("a pod's deletion", () => {
  it("waits for the grace period where a node runs it, and not where none does", async () => {
    await using cluster = await testCluster();
    cluster.api.create("pods", pod());
    cluster.api.delete("pods", "default", "p");
    expect(cluster.api.find("pods", "default", "p")).toBeUndefined();
    cluster.api.create("pods", pod({}, { nodeName: "node-1", terminationGracePeriodSeconds: 7 }));
    cluster.api.delete("pods", "default", "p");
    expect(cluster.api.get("pods", "default", "p").metadata).toMatchObject({ deletionGracePeriodSeconds: 7 });
    cluster.api.delete("pods", "default", "p", { gracePeriodSeconds: 0 });
    expect(cluster.api.find("pods", "default", "p")).toBeUndefined();
  });
});

describe("pods are found by", () => {
  it.for(["spec.nodeName=node-1", "status.phase=Pending", "spec.restartPolicy=Always", "metadata.name=p"])(
    "%s",
    async (fieldSelector) => {
      await using cluster = await testCluster();
      cluster.api.create("pods", pod({}, { nodeName: "node-1" }));
      expect(cluster.api.list("pods", { fieldSelector }).items).toHaveLength(1);
      expect(cluster.api.list("pods", { fieldSelector: fieldSelector.replace("=", "!=") }).items).toHaveLength(0);
    },
  );
});
