/** What the feed should say of each object, worked out from the informers' copies. */
import type { EndpointSlice, Node, Service } from "@fairlead/kube";
import { nodeFeedKey, serviceFeedKey, sliceFeedKey } from "@fairlead/types";
import type { FeedKey, FeedValue } from "@fairlead/types";
import type { Complaints, ReadKind } from "./complaints.ts";
import type { CurrentValue } from "./feed-writer.ts";
import type { Complaint } from "./normalise/lenient.ts";
import { normaliseNode } from "./normalise/node.ts";
import { normaliseService } from "./normalise/service.ts";
import { normaliseSlice } from "./normalise/slice.ts";
import { weightOf } from "./normalise/weight.ts";
import { triggerTimeAnnotation } from "./plan/labels.ts";
import type { NamespaceIndex } from "./pod-index.ts";

/** A copy of one resource: an informer, or what a test has in its place. */
export interface Copy<T> {
  get(namespace: string | undefined, name: string): T | undefined;
  list(): Iterable<T>;
}

/** See the module. */
export class FeedValues {
  readonly #services: Copy<Service>;
  readonly #slices: Copy<EndpointSlice>;
  readonly #nodes: Copy<Node>;
  readonly #index: NamespaceIndex;
  readonly #complaints: Complaints;

  constructor(options: {
    services: Copy<Service>;
    slices: Copy<EndpointSlice>;
    nodes: Copy<Node>;
    /** Where pods are found by name, for their weight. */
    index: NamespaceIndex;
    complaints: Complaints;
  }) {
    this.#services = options.services;
    this.#slices = options.slices;
    this.#nodes = options.nodes;
    this.#index = options.index;
    this.#complaints = options.complaints;
  }

  /** The key of every object there is. */
  *keys(): IterableIterator<FeedKey> {
    for (const { metadata } of this.#services.list()) {
      yield serviceFeedKey(metadata?.namespace ?? "", metadata?.name ?? "");
    }
    for (const { metadata } of this.#slices.list()) {
      yield sliceFeedKey(metadata?.namespace ?? "", metadata?.name ?? "");
    }
    for (const { metadata } of this.#nodes.list()) yield nodeFeedKey(metadata?.name ?? "");
  }

  /** What holds now; `undefined` for an object that is gone, is not for the feed, or cannot be read at all. */
  current(key: FeedKey): CurrentValue | undefined {
    const { kind, namespace, name } = partsOf(key);
    if (kind === "node") {
      return this.#read("Node", this.#nodes.get(undefined, name), (node, complain) => ({
        kind: "node",
        node: normaliseNode(node, complain),
      }));
    }
    if (kind === "service") {
      return this.#read("Service", this.#services.get(namespace, name), (service, complain) => ({
        kind: "service",
        service: normaliseService(service, complain),
      }));
    }
    const slice = this.#slices.get(namespace, name);
    const current = this.#read("EndpointSlice", slice, (object, complain) => {
      const weight = (target: { kind: string; namespace: string; name: string }): number =>
        this.#weight(target.namespace || namespace, target);
      const normalised = normaliseSlice(object, weight, complain);
      return normalised && { kind: "slice", slice: normalised };
    });
    const trigger = Date.parse(slice?.metadata?.annotations?.[triggerTimeAnnotation] ?? "");
    return current && (Number.isNaN(trigger) ? current : { ...current, trigger });
  }

  #read<T extends Service | EndpointSlice | Node>(
    kind: ReadKind,
    object: T | undefined,
    make: (object: T, complain: Complaint) => FeedValue | undefined,
  ): CurrentValue | undefined {
    if (object === undefined) return undefined;
    return this.#complaints.reading(kind, object, (complain) => {
      try {
        const value = make(object, complain);
        return value && { value };
      } catch (error) {
        complain("", error instanceof Error ? error.message : String(error));
        return undefined;
      }
    });
  }

  #weight(namespace: string, target: { readonly kind: string; readonly name: string }): number {
    const pod = target.kind === "Pod" ? this.#index.pod(namespace, target.name) : undefined;
    if (pod === undefined) return 1;
    return this.#complaints.reading("Pod", pod, (complain) => weightOf(pod, complain));
  }
}

/** A key taken apart: the name alone may hold dots, and a node's key has no namespace. */
function partsOf(key: FeedKey): { kind: string; namespace: string; name: string } {
  const [kind = "", ...rest] = key.split(".");
  const namespace = kind === "node" ? "" : (rest.shift() ?? "");
  return { kind, namespace, name: rest.join(".") };
}
