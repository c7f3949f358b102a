/** What travels on the change feed: `{v, epoch, seq, key, op, value, at, trigger}` (design, section 5). */
import type { EndpointSlice } from "./endpoint.ts";
import type { Namespace } from "./namespace.ts";
import type { Node } from "./node.ts";
import type { Pod } from "./pod.ts";
import type { Service } from "./service.ts";
import type { Brand } from "./brand.ts";

/** Version of the message format; a reader refuses any other. */
export const changeVersion = 1;

export const feedKinds = ["service", "slice", "node", "namespace", "pod"] as const;
/** What a feed key begins with. Pods have a feed of their own, for those few who want them. */
export type FeedKind = (typeof feedKinds)[number];

/** Kinds whose objects lie in no namespace. */
const clusterKinds: ReadonlySet<FeedKind> = new Set(["node", "namespace"]);

/**
 * `service.<ns>.<name>`, `slice.<ns>.<name>`, `node.<name>`, `namespace.<name>` or `pod.<ns>.<name>`. Dots inside a name stand as they are:
 * the kind and namespace hold none.
 */
export type FeedKey = Brand<string, "FeedKey">;

/** An object of the feed, told apart by `kind`. */
export type FeedValue =
  | { readonly kind: "service"; readonly service: Service }
  | { readonly kind: "slice"; readonly slice: EndpointSlice }
  | { readonly kind: "node"; readonly node: Node }
  | { readonly kind: "namespace"; readonly namespace: Namespace }
  | { readonly kind: "pod"; readonly pod: Pod };

/** What is the same in a put and a delete. */
interface ChangeBase {
  readonly v: typeof changeVersion;
  /** Names one life of the feed's store; another epoch means that sequence numbers began anew. */
  readonly epoch: string;
  /** Place in the feed's order; grows from change to change within an epoch. */
  readonly seq: number;
  readonly key: FeedKey;
  /** When the writer published it, in milliseconds since 1970. */
  readonly at: number;
  /** When the cause happened (last-change-trigger-time), in milliseconds since 1970; absent where unknown. */
  readonly trigger?: number;
}

/** One change: the key now has this value, or is gone. */
export type Change =
  | (ChangeBase & { readonly op: "put"; readonly value: FeedValue })
  | (ChangeBase & { readonly op: "delete" });

/** The key of a Service on the feed. */
export function serviceFeedKey(namespace: string, name: string): FeedKey {
  return `service.${namespace}.${name}` as FeedKey;
}

/** The key of an EndpointSlice on the feed. */
export function sliceFeedKey(namespace: string, name: string): FeedKey {
  return `slice.${namespace}.${name}` as FeedKey;
}

/** The key of a Node on the feed. */
export function nodeFeedKey(name: string): FeedKey {
  return `node.${name}` as FeedKey;
}

/** The key of a namespace on the feed. */
export function namespaceFeedKey(name: string): FeedKey {
  return `namespace.${name}` as FeedKey;
}

/** The key of a pod on the feed of pods. */
export function podFeedKey(namespace: string, name: string): FeedKey {
  return `pod.${namespace}.${name}` as FeedKey;
}

/** The key under which a value travels. */
export function feedKeyOf(value: FeedValue): FeedKey {
  switch (value.kind) {
    case "service":
      return serviceFeedKey(value.service.namespace, value.service.name);
    case "slice":
      return sliceFeedKey(value.slice.namespace, value.slice.name);
    case "node":
      return nodeFeedKey(value.node.name);
    case "namespace":
      return namespaceFeedKey(value.namespace.name);
    case "pod":
      return podFeedKey(value.pod.namespace, value.pod.name);
  }
}

/** The kind of object that a key names. */
export function feedKindOf(key: FeedKey): FeedKind {
  return key.slice(0, key.indexOf(".")) as FeedKind;
}

/** A key taken apart; `namespace` is empty where its kind has none. */
export interface FeedKeyParts {
  readonly kind: FeedKind;
  readonly namespace: string;
  readonly name: string;
}

/** Takes a key apart. */
export function splitFeedKey(key: FeedKey): FeedKeyParts {
  const [kind, ...rest] = key.split(".") as [FeedKind, ...string[]];
  const namespace = clusterKinds.has(kind) ? "" : (rest.shift() ?? "");
  return { kind, namespace, name: rest.join(".") };
}
