/** Brings one Service's load balancer, finalizer and status to what they should be, in the order that the cloud providers keep. */
import type { EventNote, Node, Service } from "@fairlead/kube";
import { AllocationError, SyncError } from "./errors.ts";
import type { SyncOperation } from "./errors.ts";
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
  /** Throws NotLeaderError where this process may not act. */
  readonly mustLead: () => void;
  /** Nodes that may get traffic. */
  readonly nodes: () => readonly Node[];
  readonly record: (service: Service, note: EventNote) => void;
}

/** See the module. Every method throws SyncError. */
export class ServiceSync {
  readonly #options: ServiceSyncOptions;

  constructor(options: ServiceSyncOptions) {
    this.#options = options;
  }

  /** EnsuringLoadBalancer → finalizer → load balancer → EnsuredLoadBalancer → status. */
  async ensure(service: Service): Promise<Ensured> {
    const { writer } = this.#options;
    this.#normal(service, "EnsuringLoadBalancer", "Ensuring load balancer");
    const kept = await syncStep("ensure", "failed to add load balancer cleanup finalizer", () =>
      writer.addFinalizer(service),
    );
    const status = await syncStep("ensure", "failed to ensure load balancer", () => this.#balance(kept));
    this.#normal(service, "EnsuredLoadBalancer", "Ensured load balancer");
    const written = await syncStep("ensure", "failed to update load balancer status", () =>
      writer.writeStatus(kept, status),
    );
    return { status, written };
  }

  /** The nodes have changed and nothing else. Returns false where the load balancer is not there any more. */
  async update(service: Service): Promise<boolean> {
    const { provider, mustLead, nodes } = this.#options;
    const hosts = nodes();
    try {
      mustLead();
      await provider.update(requestOf(service, hosts));
    } catch (error) {
      if (await this.#isGone(service)) return false;
      const names = hosts.map(({ metadata }) => metadata?.name ?? "").join(" ");
      const message = `Error updating load balancer with new hosts [${names}]`;
      throw new SyncError({ operation: "update", reason: "UpdateLoadBalancerFailed", message }, error);
    }
    if (hosts.length === 0) this.#noNodes(service);
    else this.#normal(service, "UpdatedLoadBalancer", "Updated load balancer with new hosts");
    return true;
  }

  /** DeletingLoadBalancer → no load balancer → finalizer → DeletedLoadBalancer → status. */
  async cleanUp(service: Service): Promise<void> {
    const { provider, writer, mustLead } = this.#options;
    const has = await syncStep("delete", "failed to check if load balancer exists before cleanup", () =>
      provider.get(service),
    );
    if (has !== undefined) this.#normal(service, "DeletingLoadBalancer", "Deleting load balancer");
    await syncStep("delete", "failed to delete load balancer", () => {
      mustLead();
      // Asked for in any case: what `get` does not see may still be half there.
      return provider.ensureDeleted(service);
    });
    const rest = await syncStep("delete", "failed to remove load balancer cleanup finalizer", () =>
      writer.removeFinalizer(service),
    );
    this.#normal(service, "DeletedLoadBalancer", "Deleted load balancer");
    if (rest === undefined) return;
    await syncStep("delete", "failed to update load balancer status", () => writer.writeStatus(rest, none));
  }

  /** The Service is gone although it had the finalizer: DeletingLoadBalancer → no load balancer → DeletedLoadBalancer. */
  async withdraw(service: Service): Promise<void> {
    const { provider, mustLead } = this.#options;
    this.#normal(service, "DeletingLoadBalancer", "Deleting load balancer");
    try {
      mustLead();
      await provider.ensureDeleted(service);
    } catch (error) {
      const message = "Error deleting load balancer";
      throw new SyncError({ operation: "delete", reason: "DeleteLoadBalancerFailed", message }, error);
    }
    this.#normal(service, "DeletedLoadBalancer", "Deleted load balancer");
  }

  async #balance(service: Service): Promise<LoadBalancerStatus> {
    const { provider, writer, mustLead, nodes } = this.#options;
    const hosts = nodes();
    if (hosts.length === 0) this.#noNodes(service);
    const request = requestOf(service, hosts);
    const without = provider.usesNodePorts ? portsWithoutNodePort(service) : [];
    if (without.length > 0) {
      throw new Error(`the load balancer needs node ports, and has none for ${without.join(", ")}`);
    }
    mustLead();
    try {
      return await provider.ensure(request);
    } catch (error) {
      if (error instanceof AllocationError && error.withdrawn) await writer.writeStatus(service, none);
      throw error;
    }
  }

  async #isGone(service: Service): Promise<boolean> {
    try {
      return (await this.#options.provider.get(service)) === undefined;
    } catch {
      return false;
    }
  }

  #noNodes(service: Service): void {
    const message = "There are no available nodes for LoadBalancer";
    this.#options.record(service, { type: "Warning", reason: "UnAvailableLoadBalancer", message });
  }

  #normal(service: Service, reason: string, message: string): void {
    this.#options.record(service, { type: "Normal", reason, message });
  }
}

function requestOf(service: Service, nodes: readonly Node[]): LoadBalancerRequest {
  return { service, nodes, sourceRanges: sourceRangesOf(service), healthCheck: healthCheckOf(service) };
}

async function syncStep<T>(operation: SyncOperation, what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const message = `Error syncing load balancer: ${what}`;
    throw new SyncError({ operation, reason: "SyncLoadBalancerFailed", message }, error);
  }
}
