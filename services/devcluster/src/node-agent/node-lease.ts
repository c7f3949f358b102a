/** The Lease of one node: what `kubectl describe node` and whoever watches over nodes read as its sign of life. */
import type { Lease, Node } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import type { ClusterApi } from "../api/cluster-api.ts";
import { NODE_LEASE_SECONDS } from "./limits.ts";

/** Where Kubernetes keeps the Leases of nodes. */
export const NODE_LEASE_NAMESPACE = "kube-node-lease";

/** Keeps one node's Lease renewed; it goes with its Node. */
export class NodeLease {
  readonly #name: string;
  readonly #api: ClusterApi;
  readonly #clock: Clock;

  constructor(options: { name: string; api: ClusterApi; clock: Clock }) {
    this.#name = options.name;
    this.#api = options.api;
    this.#clock = options.clock;
  }

  /** Renews the Lease, or makes it. Without its namespace, which a user may delete, there is none. */
  renew(node: Node): void {
    const renewed = this.#api.modify("leases", NODE_LEASE_NAMESPACE, this.#name, (lease) => ({
      ...lease,
      spec: { ...lease.spec, ...this.#spec() },
    }));
    if (renewed !== undefined) return;
    const namespace = this.#api.find("namespaces", undefined, NODE_LEASE_NAMESPACE);
    if (namespace === undefined || namespace.metadata?.deletionTimestamp !== undefined) return;
    const owner = { apiVersion: "v1", kind: "Node", name: this.#name, uid: node.metadata?.uid ?? "" };
    this.#api.create("leases", {
      metadata: { name: this.#name, namespace: NODE_LEASE_NAMESPACE, ownerReferences: [owner] },
      spec: this.#spec(),
    });
  }

  #spec(): NonNullable<Lease["spec"]> {
    // A MicroTime: six digits after the point.
    const renewTime = new Date(this.#clock.now()).toISOString().replace("Z", "000Z");
    return { holderIdentity: this.#name, leaseDurationSeconds: NODE_LEASE_SECONDS, renewTime };
  }
}
