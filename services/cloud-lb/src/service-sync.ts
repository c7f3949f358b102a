/** Brings one Service's load balancer, finalizer and status to what they should be, in the order that the cloud providers keep. */
import type { EventNote, Node, Service } from "@fairlead/kube";
import { AllocationError } from "./errors.ts";
import type { LoadBalancerProvider, LoadBalancerRequest, LoadBalancerStatus } from "./provider.ts";
import { healthCheckOf, portsWithoutNodePort, sourceRangesOf } from "./service-view.ts";
import type { ServiceWriter } from "./service-writer.ts";

const none: LoadBalancerStatus = { ingress: [] };

/** What a Service has now, and the Service as it was written. */
export interface Ensured {
  readonly status: LoadBalancerStatus;
  readonly written: Service;
}

/** What a sync works with. */
export interface ServiceSyncOptions {
  readonly provider: LoadBalancerProvider;
  readonly writer: ServiceWriter;
  /** Nodes that may get traffic. */
  readonly nodes: () => readonly Node[];
  readonly record: (service: Service, note: EventNote) => void;
}

/** See the module. Errors come with the message that their Event should have. */
export class ServiceSync {
  readonly #options: ServiceSyncOptions;

  constructor(options: ServiceSyncOptions) {
    this.#options = options;
  }

  /** EnsuringLoadBalancer → finalizer → load balancer → EnsuredLoadBalancer → status. */
  async ensure(service: Service): Promise<Ensured> {
    const { provider, writer } = this.#options;
    this.#normal(service, "EnsuringLoadBalancer", "Ensuring load balancer");
    const kept = await writer.addFinalizer(service);
    const request = this.#request(kept);
    if (provider.usesNodePorts) {
      const without = portsWithoutNodePort(kept);
      if (without.length > 0)
        throw new Error(`the load balancer needs node ports, and has none for ${without.join(", ")}`);
    }
    let status: LoadBalancerStatus;
    try {
      status = await provider.ensure(request);
    } catch (error) {
      if (error instanceof AllocationError && error.withdrawn) await writer.writeStatus(kept, none);
      throw error;
    }
    this.#normal(service, "EnsuredLoadBalancer", "Ensured load balancer");
    return { status, written: await writer.writeStatus(kept, status) };
  }

  /** The nodes have changed and nothing else. */
  async update(service: Service): Promise<void> {
    await this.#options.provider.update(this.#request(service));
    this.#normal(service, "UpdatedLoadBalancer", "Updated load balancer with new hosts");
  }

  /** DeletingLoadBalancer → no load balancer → finalizer → DeletedLoadBalancer → status. */
  async cleanUp(service: Service): Promise<void> {
    const { provider, writer } = this.#options;
    if ((await provider.get(service)) !== undefined) {
      this.#normal(service, "DeletingLoadBalancer", "Deleting load balancer");
    }
    // Asked for in any case: what `get` does not see may still be half there.
    await provider.ensureDeleted(service);
    const rest = await writer.removeFinalizer(service);
    this.#normal(service, "DeletedLoadBalancer", "Deleted load balancer");
    if (rest !== undefined) await writer.writeStatus(rest, none);
  }

  #request(service: Service): LoadBalancerRequest {
    const nodes = this.#options.nodes();
    if (nodes.length === 0) {
      const message = "There are no available nodes for LoadBalancer";
      this.#options.record(service, { type: "Warning", reason: "UnAvailableLoadBalancer", message });
    }
    return { service, nodes, sourceRanges: sourceRangesOf(service), healthCheck: healthCheckOf(service) };
  }

  #normal(service: Service, reason: string, message: string): void {
    this.#options.record(service, { type: "Normal", reason, message });
  }
}
