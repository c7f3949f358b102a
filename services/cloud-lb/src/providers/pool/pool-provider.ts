/**
 * Gives addresses from pools. It has no memory of its own: what Services hold is what their status says, read once whenever this process
 * becomes the leader, and kept in a book from then on.
 */
import type { Gauge, Logger, Metrics } from "@fairlead/host";
import type { Service } from "@fairlead/kube/objects";
import { AllocationError } from "../../errors.ts";
import { defaultLoadBalancerName } from "../../provider.ts";
import type {
  ClusterView,
  LoadBalancerProvider,
  LoadBalancerRequest,
  LoadBalancerStatus,
  Notify,
} from "../../provider.ts";
import { wantsLoadBalancerType } from "../../service-view.ts";
import { AddressBook } from "./address-book.ts";
import type { Holding } from "./address-book.ts";
import { claimOf, heldAddresses, sameTerms } from "./claim.ts";
import type { Claim } from "./claim.ts";
import { decide, enter, poolOf, restore, standing, stranded } from "./planner.ts";
import { poolSize } from "./pool.ts";
import type { Pool } from "./pool.ts";

/** Stranded Services named in a message. */
const maxNamed = 10;

/** What the provider needs. */
export interface PoolProviderOptions {
  readonly pools: readonly Pool[];
  readonly notify: Notify;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** See the module. */
export class PoolProvider implements LoadBalancerProvider {
  readonly name = "pool";
  readonly usesNodePorts = false;
  readonly #options: PoolProviderOptions;
  readonly #gauges: ReturnType<typeof poolGauges>;
  #pools: readonly Pool[];
  /** New pools that would strand an address: taken as soon as they no longer do. */
  #refused: readonly Pool[] | undefined;
  #book = new AddressBook();
  #namespaceLabels: ClusterView["namespaceLabels"] = () => ({});
  #listener: (() => void) | undefined;

  constructor(options: PoolProviderOptions) {
    this.#options = options;
    this.#pools = options.pools;
    this.#gauges = poolGauges(options.metrics);
    this.#measure();
  }

  restore(view: ClusterView): void {
    const { services } = view;
    this.#namespaceLabels = (name) => view.namespaceLabels(name);
    // Not only those of our class: an address that another controller took from the same range is taken all the same.
    this.#book = restore(
      services.filter((service) => wantsLoadBalancerType(service)).map((service) => this.#claim(service)),
      this.#pools,
    );
    this.#measure();
    this.#retake();
  }

  /**
   * Replaces the pools; new ones may have addresses for those who wait. Pools that leave out an address which a Service holds are not
   * taken until it is given back; says so in the log and in a metric. Returns whether they were taken.
   */
  offer(pools: readonly Pool[]): boolean {
    const without = stranded(this.#book, pools);
    if (without.length > 0) {
      this.#refused = pools;
      this.#gauges.stale.set(1);
      this.#options.log.error("the new address pools would strand addresses in use: the old ones stay in force", {
        services: without.slice(0, maxNamed).map(({ title, addresses }) => `${title} (${addresses.join(", ")})`),
        count: without.length,
      });
      return false;
    }
    this.#pools = pools;
    this.#refused = undefined;
    this.#gauges.stale.set(0);
    // An address may be in a pool of another name now.
    const before = this.#book;
    this.#book = new AddressBook();
    for (const holding of before.holdings()) {
      this.#book.set({ ...holding, pool: poolOf(holding.addresses, pools)?.name ?? holding.pool });
    }
    this.#measure();
    this.#options.log.info("address pools are in force", { pools: pools.map(({ name }) => name) });
    this.#listener?.();
    return true;
  }

  /** A new configuration could not be read: says so in the metric. */
  faulty(): void {
    this.#gauges.stale.set(1);
  }

  nameOf(service: Service): string {
    return defaultLoadBalancerName(service);
  }

  get(service: Service): Promise<LoadBalancerStatus | undefined> {
    const holding = this.#book.holding(idOf(service));
    return Promise.resolve(holding && statusOf(holding));
  }

  ensure({ service }: LoadBalancerRequest): Promise<LoadBalancerStatus> {
    return Promise.try(() => this.#assign(service));
  }

  update(): Promise<void> {
    // An address does not depend on the nodes.
    return Promise.resolve();
  }

  ensureDeleted(service: Service): Promise<void> {
    if (this.#book.release(idOf(service))) this.#freed();
    return Promise.resolve();
  }

  noteOther(service: Service, gone: boolean): void {
    const before = this.#book.release(idOf(service));
    const takes = !gone && wantsLoadBalancerType(service) && heldAddresses(service).length > 0;
    const now = takes ? standing(this.#claim(service), this.#book, this.#pools) : undefined;
    if (now) this.#book.set(now);
    if (before && before.addresses.some((address) => !now?.addresses.includes(address))) this.#freed();
    else if (now) this.#measure();
  }

  onCapacity(listener: (() => void) | undefined): void {
    this.#listener = listener;
  }

  // In one turn: no two Services are ever decided on at the same time.
  #assign(service: Service): LoadBalancerStatus {
    const claim = this.#claim(service);
    const held = this.#book.holding(claim.id);
    const before = held?.addresses ?? claim.held;
    const decision = decide(claim, this.#book, this.#pools);
    enter(this.#book, claim, decision);
    if (decision.kind === "refuse") {
      if (decision.withdrawn) {
        const message = `lost ${before.join(", ")}: ${decision.reason}`;
        this.#options.notify(service, { type: "Warning", reason: "ClearAssignment", message });
        this.#freed();
      }
      throw new AllocationError(decision.reason, { withdrawn: decision.withdrawn });
    }
    const { holding } = decision;
    if (decision.kind === "assign") {
      const { notify } = this.#options;
      if (decision.reason !== undefined) {
        const message = `gives back ${before.join(", ")}: ${decision.reason}`;
        notify(service, { type: "Warning", reason: "ClearAssignment", message });
      }
      const message = `assigned ${holding.addresses.join(", ")} from pool ${holding.pool}`;
      notify(service, { type: "Normal", reason: "IPAllocated", message });
      if (before.length > 0) this.#freed();
    } else if (held && !sameTerms(held.sharing, holding.sharing)) {
      // A port, or the key, that another Service of this address waits for.
      this.#freed();
    }
    this.#measure();
    return statusOf(holding);
  }

  #claim(service: Service): Claim {
    return claimOf(service, this.#namespaceLabels(service.metadata?.namespace ?? ""));
  }

  #freed(): void {
    this.#measure();
    if (!this.#retake()) this.#listener?.();
  }

  /** Takes the pools that were refused, where they strand nothing any more. */
  #retake(): boolean {
    const refused = this.#refused;
    return refused !== undefined && stranded(this.#book, refused).length === 0 && this.offer(refused);
  }

  #measure(): void {
    this.#gauges.size.reset();
    this.#gauges.inUse.reset();
    for (const pool of this.#pools) {
      this.#gauges.size.set({ pool: pool.name }, Number(poolSize(pool)));
      this.#gauges.inUse.set({ pool: pool.name }, this.#book.inUse(pool.name));
    }
  }
}

function idOf({ metadata }: Service): string {
  return metadata?.uid ?? `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}

function statusOf({ addresses }: Holding): LoadBalancerStatus {
  return { ingress: addresses.map((ip) => ({ ip, ipMode: "VIP" })) };
}

function poolGauges(metrics: Metrics): { size: Gauge<"pool">; inUse: Gauge<"pool">; stale: Gauge } {
  return {
    size: metrics.gauge("fairlead_cloud_lb_pool_addresses", "Addresses of a pool", ["pool"]),
    inUse: metrics.gauge("fairlead_cloud_lb_pool_addresses_in_use", "Addresses of a pool that Services have", ["pool"]),
    stale: metrics.gauge("fairlead_cloud_lb_pool_config_stale", "1 while a new pool configuration is not in force"),
  };
}
