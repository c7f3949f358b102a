/** A cloud in memory: host names instead of addresses, node ports needed, and failures on demand. */
import type { Service } from "@fairlead/kube/objects";
import { defaultLoadBalancerName } from "../provider.ts";
import type { LoadBalancerProvider, LoadBalancerRequest, LoadBalancerStatus } from "../provider.ts";

/** What the cloud has. */
export interface FakeLoadBalancer {
  readonly nodes: readonly string[];
  readonly sourceRanges: readonly string[];
  readonly healthCheckPort: number;
}

/** See the module. Its load balancers outlive the provider that made them, as those of a cloud do: give both the same map. */
export class FakeLoadBalancerProvider implements LoadBalancerProvider {
  readonly name = "fake";
  readonly usesNodePorts = true;
  readonly balancers: Map<string, FakeLoadBalancer>;
  /** Thrown by the next call, once. */
  failure: Error | undefined;
  /** Thrown by every call of a kind, for as long as it is here. */
  readonly failing: { get?: Error; ensure?: Error; update?: Error; ensureDeleted?: Error } = {};
  #listener: (() => void) | undefined;

  constructor(options: { balancers?: Map<string, FakeLoadBalancer> } = {}) {
    this.balancers = options.balancers ?? new Map();
  }

  restore(): void {
    // The cloud remembers.
  }

  nameOf(service: Service): string {
    return defaultLoadBalancerName(service);
  }

  get(service: Service): Promise<LoadBalancerStatus | undefined> {
    const name = this.nameOf(service);
    return this.#answer("get", () => (this.balancers.has(name) ? statusOf(name) : undefined));
  }

  ensure({ service, ...request }: LoadBalancerRequest): Promise<LoadBalancerStatus> {
    return this.#answer("ensure", () => {
      const name = this.nameOf(service);
      this.balancers.set(name, balancerOf(request));
      return statusOf(name);
    });
  }

  update({ service, ...request }: LoadBalancerRequest): Promise<void> {
    return this.#answer("update", () => {
      this.balancers.set(this.nameOf(service), balancerOf(request));
    });
  }

  ensureDeleted(service: Service): Promise<void> {
    return this.#answer("ensureDeleted", () => {
      this.balancers.delete(this.nameOf(service));
    });
  }

  noteOther(_service: Service, _gone: boolean): void {
    // Another controller's load balancer is in nobody's way.
  }

  onCapacity(listener: (() => void) | undefined): void {
    this.#listener = listener;
  }

  /** Tells the controller that those who were refused may ask again. */
  grow(): void {
    this.#listener?.();
  }

  async #answer<T>(call: keyof FakeLoadBalancerProvider["failing"], act: () => T): Promise<T> {
    const failure = this.failure ?? this.failing[call];
    this.failure = undefined;
    await Promise.resolve();
    if (failure) throw failure;
    return act();
  }
}

function balancerOf({ nodes, sourceRanges, healthCheck }: Omit<LoadBalancerRequest, "service">): FakeLoadBalancer {
  return { nodes: nodes.map(({ metadata }) => metadata?.name ?? ""), sourceRanges, healthCheckPort: healthCheck.port };
}

function statusOf(name: string): LoadBalancerStatus {
  return { ingress: [{ hostname: `${name}.lb.example.org` }] };
}
