/** The feed's current values, ready to be looked up: what most followers would otherwise build for themselves. */
import { feedKeyOf, serviceKey } from "@fairlead/types";
import type { EndpointSlice, FeedKey, FeedValue, Node, NodeName, Service, ServiceKey } from "@fairlead/types";
import type { FeedBatch } from "./feed.ts";

/** Which parts of a view a batch touched. A slice touches the Service it belongs to, before and after. */
export interface ViewChange {
  readonly services: ReadonlySet<ServiceKey>;
  readonly nodes: ReadonlySet<NodeName>;
  readonly namespaces: ReadonlySet<string>;
}

/** The same, while it is put together. */
interface Touched {
  readonly services: Set<ServiceKey>;
  readonly nodes: Set<NodeName>;
  readonly namespaces: Set<string>;
}

/** Values by kind, as of the last batch applied. Not safe to keep across `apply`: the maps are the live ones. */
export class FeedView {
  readonly #values = new Map<FeedKey, FeedValue>();
  readonly #services = new Map<ServiceKey, Service>();
  readonly #nodes = new Map<NodeName, Node>();
  readonly #namespaces = new Set<string>();
  readonly #slices = new Map<ServiceKey, Map<string, EndpointSlice>>();

  /** Every value by its key. */
  get values(): ReadonlyMap<FeedKey, FeedValue> {
    return this.#values;
  }

  get services(): ReadonlyMap<ServiceKey, Service> {
    return this.#services;
  }

  get nodes(): ReadonlyMap<NodeName, Node> {
    return this.#nodes;
  }

  /** Names of the namespaces; empty for a follower that does not ask for them. */
  get namespaces(): ReadonlySet<string> {
    return this.#namespaces;
  }

  /** The slices of one Service, in no particular order; also of one that the feed does not (yet) hold. */
  slicesOf(service: ServiceKey): readonly EndpointSlice[] {
    return [...(this.#slices.get(service)?.values() ?? [])];
  }

  /** Takes a batch over and says what it touched. */
  apply(batch: Pick<FeedBatch, "changes">): ViewChange {
    const touched: Touched = { services: new Set(), nodes: new Set(), namespaces: new Set() };
    for (const change of batch.changes) {
      this.#remove(change.key, touched);
      if (change.op === "put") this.#add(change.value, touched);
    }
    return touched;
  }

  #add(value: FeedValue, touched: Touched): void {
    this.#values.set(feedKeyOf(value), value);
    switch (value.kind) {
      case "service": {
        const key = serviceKey(value.service.namespace, value.service.name);
        this.#services.set(key, value.service);
        touched.services.add(key);
        return;
      }
      case "slice": {
        const key = serviceKey(value.slice.namespace, value.slice.service);
        const slices = this.#slices.get(key) ?? new Map<string, EndpointSlice>();
        this.#slices.set(key, slices.set(value.slice.name, value.slice));
        touched.services.add(key);
        return;
      }
      case "node":
        this.#nodes.set(value.node.name, value.node);
        touched.nodes.add(value.node.name);
        return;
      case "namespace":
        this.#namespaces.add(value.namespace.name);
        touched.namespaces.add(value.namespace.name);
        return;
      // Found by its key alone.
      case "pod":
    }
  }

  #remove(key: FeedKey, touched: Touched): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    switch (value.kind) {
      case "service": {
        const name = serviceKey(value.service.namespace, value.service.name);
        this.#services.delete(name);
        touched.services.add(name);
        return;
      }
      case "slice": {
        const name = serviceKey(value.slice.namespace, value.slice.service);
        const slices = this.#slices.get(name);
        slices?.delete(value.slice.name);
        if (slices?.size === 0) this.#slices.delete(name);
        touched.services.add(name);
        return;
      }
      case "node":
        this.#nodes.delete(value.node.name);
        touched.nodes.add(value.node.name);
        return;
      case "namespace":
        this.#namespaces.delete(value.namespace.name);
        touched.namespaces.add(value.namespace.name);
        return;
      case "pod":
    }
  }
}
