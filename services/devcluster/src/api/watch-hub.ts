/** Hands every write to those who watch, in order, and remembers the last ones for those who come back. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { StoreEvent } from "../store/object-store.ts";
import type { WatchEvent } from "./cluster-api.ts";
import { ApiError, expired } from "./errors.ts";
import type { ResourceName } from "./resources.ts";

/** Events kept for each resource; a watch that starts before the oldest is answered with 410 and has to list again. */
export const historyLength = 1024;

interface Watcher {
  readonly resource: ResourceName;
  readonly matches: (object: KubeObject) => boolean;
  readonly handler: (event: WatchEvent<KubeObject>) => void;
  /** Newest revision that the watcher knows already. */
  readonly since: number;
}

/**
 * See the module. Delivery is synchronous, within the write; a write made by a handler is delivered after the event that
 * caused it has reached everybody. A handler that throws is reported and stays.
 */
export class WatchHub {
  readonly #watchers = new Set<Watcher>();
  readonly #history = new Map<ResourceName, StoreEvent[]>();
  readonly #onError: (error: unknown) => void;
  readonly #queue: StoreEvent[] = [];
  /** Newest revision of each resource that is no longer remembered; the rest starts at `#start`. */
  readonly #forgotten = new Map<ResourceName, number>();
  #start = 0;
  #newest = 0;
  #draining = false;

  constructor(options: { onError: (error: unknown) => void }) {
    this.#onError = options.onError;
  }

  /** Sets the revision up to which nothing is remembered: the store's at start. */
  begin(revision: number): void {
    this.#start = revision;
    this.#newest = revision;
  }

  /** Number of open watches. */
  get size(): number {
    return this.#watchers.size;
  }

  publish(events: readonly StoreEvent[]): void {
    for (const event of events) this.#remember(event);
    this.#queue.push(...events);
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let event = this.#queue.shift(); event; event = this.#queue.shift()) this.#deliver(event);
    } finally {
      this.#draining = false;
    }
  }

  /** Everything that happened to the resource after the revision; throws Expired or, for one yet to come, Timeout. */
  after(resource: ResourceName, revision: number): readonly StoreEvent[] {
    if (revision > this.#newest) throw yetToCome(revision, this.#newest);
    const oldest = this.#forgotten.get(resource) ?? this.#start;
    if (revision < oldest) throw expired(`too old resource version: ${revision} (${oldest})`);
    const history = this.#history.get(resource) ?? [];
    return history.filter((event) => event.revision > revision);
  }

  /** Delivers what comes after now. The returned function ends it, at once. */
  watch(
    resource: ResourceName,
    matches: (object: KubeObject) => boolean,
    handler: (event: WatchEvent<KubeObject>) => void,
  ): () => void {
    const watcher: Watcher = { resource, matches, handler, since: this.#newest };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  #remember(event: StoreEvent): void {
    this.#newest = event.revision;
    let history = this.#history.get(event.resource);
    if (!history) this.#history.set(event.resource, (history = []));
    history.push(event);
    if (history.length < historyLength * 2) return;
    // Halving now and then costs less than shifting an array on every write.
    const dropped = history.splice(0, history.length - historyLength);
    this.#forgotten.set(event.resource, dropped.at(-1)?.revision ?? 0);
  }

  #deliver(event: StoreEvent): void {
    for (const watcher of this.#watchers) {
      if (watcher.resource !== event.resource || event.revision <= watcher.since) continue;
      const seen = eventAsSeen(event, watcher.matches);
      if (!seen) continue;
      try {
        watcher.handler(seen);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}

/** What a write looks like through a selector: an object that begins or ceases to match is added or deleted. */
export function eventAsSeen(
  event: StoreEvent,
  matches: (object: KubeObject) => boolean,
): WatchEvent<KubeObject> | undefined {
  const { type, object, previous } = event;
  const before = previous !== undefined && matches(previous);
  if (type === "DELETED") return before ? { type, object } : undefined;
  if (matches(object)) return { type: before ? "MODIFIED" : "ADDED", object };
  if (!before) return undefined;
  const metadata = { ...previous.metadata, resourceVersion: String(event.revision) };
  return { type: "DELETED", object: { ...previous, metadata } };
}

function yetToCome(revision: number, newest: number): ApiError {
  return new ApiError(504, "Timeout", `Too large resource version: ${revision}, current: ${newest}`, {
    retryAfterSeconds: 1,
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
  });
}
