/** The Node object of one node of the development cluster, and its Lease. */
import { arch, availableParallelism, release, totalmem } from "node:os";
import { isDeepStrictEqual } from "node:util";
import type { Node } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import type { ClusterApi } from "../api/cluster-api.ts";
import { NODE_HEARTBEAT_MS, PODS_PER_NODE } from "./limits.ts";
import { NodeLease } from "./node-lease.ts";
import { timestamp } from "./pause.ts";

/** The Kubernetes version whose kubelet this agent stands in for. */
export const KUBELET_VERSION = "v1.32.4";

/** How the `spec.providerID` of every node of a development cluster begins; its name follows. */
const providerPrefix = "fairlead://";

/** Whether a node agent made this Node, in this run or an earlier one, and not a person. */
export function isRegistered(node: Node): boolean {
  return node.spec?.providerID === `${providerPrefix}${node.metadata?.name}`;
}

/** One node: its name, its address, and the range of its pods. */
export interface NodePlace {
  readonly name: string;
  readonly address: string;
  readonly podCidr: string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** Keeps one Node object in the API: there, and Ready as long as the agent runs. */
export class NodeRegistration {
  readonly place: NodePlace;
  readonly #api: ClusterApi;
  readonly #clock: Clock;
  readonly #lease: NodeLease;
  #beatAt = 0;

  constructor(options: { place: NodePlace; api: ClusterApi; clock: Clock }) {
    this.place = options.place;
    this.#api = options.api;
    this.#clock = options.clock;
    this.#lease = new NodeLease({ name: options.place.name, api: options.api, clock: options.clock });
  }

  /** Makes the Node if it is missing, and Ready if it is not; renews its Lease, and its heartbeat now and then. */
  check(): void {
    const stored = this.#stored() ?? this.#api.create("nodes", this.#object());
    this.#lease.renew(stored);
    const due = this.#clock.monotonic() - this.#beatAt >= NODE_HEARTBEAT_MS;
    if (!due && isReady(stored) && isDeepStrictEqual(stored.status?.addresses, this.#status().addresses)) return;
    this.#beatAt = this.#clock.monotonic();
    this.#write(true);
  }

  /** The agent stops: no new pod belongs here. */
  retire(): void {
    this.#write(false);
  }

  /** The Node, unless an earlier run made it with another range of pods, which a Node keeps for good: that one is removed. */
  #stored(): Node | undefined {
    const { name, podCidr } = this.place;
    const stored = this.#api.find("nodes", undefined, name);
    if (stored === undefined || !isRegistered(stored) || stored.spec?.podCIDR === podCidr) return stored;
    this.#api.delete("nodes", undefined, name);
    return undefined;
  }

  #write(ready: boolean): void {
    const change = (node: Node): Node => ({
      ...node,
      status: { ...node.status, ...this.#status(), conditions: this.#conditions(node, ready) },
    });
    this.#api.modify("nodes", undefined, this.place.name, change, "status");
  }

  #object(): Node {
    const { name, podCidr } = this.place;
    const platform = ARCHITECTURES[arch()] ?? arch();
    const labels: Record<string, string> = {
      "kubernetes.io/hostname": name,
      "kubernetes.io/os": "linux",
      "kubernetes.io/arch": platform,
      "beta.kubernetes.io/os": "linux",
      "beta.kubernetes.io/arch": platform,
    };
    return {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels },
      spec: { podCIDR: podCidr, podCIDRs: [podCidr], providerID: `${providerPrefix}${name}` },
    };
  }

  #status(): NonNullable<Node["status"]> {
    const { name, address } = this.place;
    const size = {
      cpu: String(availableParallelism()),
      memory: `${Math.floor(totalmem() / 1024)}Ki`,
      pods: String(PODS_PER_NODE),
    };
    return {
      addresses: [
        { type: "InternalIP", address },
        { type: "Hostname", address: name },
      ],
      capacity: size,
      allocatable: size,
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      nodeInfo: {
        architecture: ARCHITECTURES[arch()] ?? arch(),
        bootID: "",
        containerRuntimeVersion: `fairlead://processes`,
        kernelVersion: release(),
        kubeProxyVersion: KUBELET_VERSION,
        kubeletVersion: KUBELET_VERSION,
        machineID: "",
        operatingSystem: "linux",
        osImage: `Node.js ${process.version} (fairlead development node)`,
        systemUUID: "",
      },
    };
  }

  #conditions(node: Node, ready: boolean): NonNullable<NonNullable<Node["status"]>["conditions"]> {
    const now = timestamp(this.#clock.now());
    const wanted = [
      condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
      condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
      condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
      ready
        ? condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")
        : condition("Ready", "False", "KubeletNotReady", "the node agent has stopped"),
    ];
    return wanted.map((entry) => {
      const old = node.status?.conditions?.find(({ type }) => type === entry.type);
      const since = old?.status === entry.status ? old.lastTransitionTime : undefined;
      return { ...entry, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
    });
  }
}

function condition(
  type: string,
  status: "True" | "False",
  reason: string,
  message: string,
): { type: string; status: string; reason: string; message: string } {
  return { type, status, reason, message };
}

function isReady(node: Node): boolean {
  return node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}
