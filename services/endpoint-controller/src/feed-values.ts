/** What the feed should say of each object, worked out from the informers' copies. */
import type { EndpointSlice, KubeObject, Namespace, Node, Pod, Service } from "@fairlead/kube";
import { namespaceFeedKey, nodeFeedKey, podFeedKey, serviceFeedKey, sliceFeedKey, splitFeedKey } from "@fairlead/types";
import type { FeedKey, FeedValue } from "@fairlead/types";
import type { Complaints, ReadKind } from "./complaints.ts";
import type { CurrentValue } from "./feed-writer.ts";
import type { Complaint } from "./normalise/lenient.ts";
import { normaliseNamespace } from "./normalise/namespace.ts";
import { normaliseNode } from "./normalise/node.ts";
import { normalisePod } from "./normalise/pod.ts";
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
  readonly #namespaces: Copy<Namespace>;
  readonly #pods: Copy<Pod>;
  readonly #index: NamespaceIndex;
  readonly #complaints: Complaints;

  constructor(options: {
    services: Copy<Service>;
    slices: Copy<EndpointSlice>;
    nodes: Copy<Node>;
    namespaces: Copy<Namespace>;
    pods: Copy<Pod>;
    /** Where pods are found by name, for their weight. */
    index: NamespaceIndex;
    complaints: Complaints;
  }) {
    this.#services = options.services;
    this.#slices = options.slices;
    this.#nodes = options.nodes;
    this.#namespaces = options.namespaces;
    this.#pods = options.pods;
    this.#index = options.index;
    this.#complaints = options.complaints;
  }

  /** The key of every object there is, but for pods. */
  *keys(): IterableIterator<FeedKey> {
    for (const { metadata } of this.#services.list()) {
      yield serviceFeedKey(metadata?.namespace ?? "", metadata?.name ?? "");
    }
    for (const { metadata } of this.#slices.list()) {
      yield sliceFeedKey(metadata?.namespace ?? "", metadata?.name ?? "");
    }
    for (const { metadata } of this.#nodes.list()) yield nodeFeedKey(metadata?.name ?? "");
    for (const { metadata } of this.#namespaces.list()) yield namespaceFeedKey(metadata?.name ?? "");
  }

  /** The key of every pod there is, on the feed of pods. */
  *podKeys(): IterableIterator<FeedKey> {
    for (const { metadata } of this.#pods.list()) yield podFeedKey(metadata?.namespace ?? "", metadata?.name ?? "");
  }

  /** What holds now; `undefined` for an object that is gone, is not for the feed, or cannot be read at all. */
  current(key: FeedKey): CurrentValue | undefined {
    const { kind, namespace, name } = splitFeedKey(key);
    switch (kind) {
      case "node":
        return this.#read("Node", this.#nodes.get(undefined, name), (node, complain) => ({
          kind,
          node: normaliseNode(node, complain),
        }));
      case "service":
        return this.#read("Service", this.#services.get(namespace, name), (service, complain) => ({
          kind,
          service: normaliseService(service, complain),
        }));
      case "namespace":
        return this.#read("Namespace", this.#namespaces.get(undefined, name), (object) => ({
          kind,
          namespace: normaliseNamespace(object),
        }));
      case "pod":
        return this.#read("Pod", this.#pods.get(namespace, name), (object, complain) => {
          const pod = normalisePod(object, complain);
          return pod && { kind, pod };
        });
      case "slice":
        return this.#slice(namespace, name);
    }
  }

  #slice(namespace: string, name: string): CurrentValue | undefined {
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

  #read<T extends KubeObject>(
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
