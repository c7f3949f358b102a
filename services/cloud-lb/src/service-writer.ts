/** The writes that the controller makes: a Service's finalizer and its status. Each only while this process leads, and conflict-checked. */
import { isNotFound } from "@fairlead/kube";
import type { KubeClient, Service } from "@fairlead/kube";
import { cleanupFinalizer, hasFinalizer } from "./service-view.ts";
import type { LoadBalancerStatus } from "./provider.ts";

/** What the writer needs. */
export interface ServiceWriterOptions {
  readonly client: KubeClient;
  /** Throws NotLeaderError where this process may not write. */
  readonly mustLead: () => void;
}

/** See the module. Every method throws KubeApiError with the code Conflict where the Service was written by others since it was read. */
export class ServiceWriter {
  readonly #options: ServiceWriterOptions;

  constructor(options: ServiceWriterOptions) {
    this.#options = options;
  }

  /** The Service with the finalizer. */
  async addFinalizer(service: Service): Promise<Service> {
    if (hasFinalizer(service)) return service;
    return this.#setFinalizers(service, [...(service.metadata?.finalizers ?? []), cleanupFinalizer]);
  }

  /** The Service without it; undefined where that was the last thing that kept it. */
  async removeFinalizer(service: Service): Promise<Service | undefined> {
    if (!hasFinalizer(service)) return service;
    try {
      const finalizers = (service.metadata?.finalizers ?? []).filter((one) => one !== cleanupFinalizer);
      const written = await this.#setFinalizers(service, finalizers);
      return service.metadata?.deletionTimestamp !== undefined && finalizers.length === 0 ? undefined : written;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** The Service with this status; nothing is written where it has it. */
  async writeStatus(service: Service, { ingress }: LoadBalancerStatus): Promise<Service> {
    if (sameIngress(service, { ingress })) return service;
    this.#options.mustLead();
    const { namespace, name = "", resourceVersion } = service.metadata ?? {};
    const loadBalancer = { ingress: ingress.length === 0 ? null : ingress };
    const patch = { metadata: { resourceVersion }, status: { loadBalancer } };
    return this.#options.client.patch("services", { namespace, name }, patch, "status");
  }

  #setFinalizers(service: Service, finalizers: readonly string[]): Promise<Service> {
    this.#options.mustLead();
    const { namespace, name = "", resourceVersion } = service.metadata ?? {};
    const metadata = { resourceVersion, finalizers: finalizers.length === 0 ? null : finalizers };
    return this.#options.client.patch("services", { namespace, name }, { metadata });
  }
}

/** Whether the Service's status says just this. What the API fills in by itself does not count. */
export function sameIngress({ status }: Service, { ingress }: LoadBalancerStatus): boolean {
  const now = status?.loadBalancer?.ingress ?? [];
  return (
    now.length === ingress.length &&
    ingress.every((wanted, index) => {
      const has = now[index];
      return (
        has?.ip === wanted.ip &&
        has?.hostname === wanted.hostname &&
        (wanted.ipMode === undefined || has?.ipMode === wanted.ipMode)
      );
    })
  );
}
