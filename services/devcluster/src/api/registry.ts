/** The Kubernetes API over a store: what holds for every resource lives here, what is particular to one in its strategy. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { Clock, Random } from "@fairlead/types";
import { copyJson } from "../store/json.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { DeleteOptions, EventNote, ObjectList, Selection, WatchEvent } from "./cluster-api.ts";
import { ApiError } from "./errors.ts";
import { EventRecorder } from "./event-recorder.ts";
import { Kinds } from "./kinds.ts";
import { ObjectReader } from "./object-reader.ts";
import { ObjectWriter } from "./object-writer.ts";
import type { Page, PageOptions, RequestApi, WatchStart, WriteOptions } from "./request-api.ts";
import type { ObjectOf, ResourceName } from "./resources.ts";
import type { ResourceNames, Strategies } from "./strategy.ts";
import { WatchHub } from "./watch-hub.ts";

/** Tries of `modify` before a Conflict is handed to the caller. */
export const modifyTries = 8;

/** What {@link createClusterApi} needs. The store is open before {@link Registry.start}. */
export interface RegistryOptions {
  readonly store: ObjectStore;
  readonly resources: readonly ResourceNames[];
  readonly strategies: Strategies;
  readonly clock: Clock;
  readonly random: Random;
  /** Told when a watch handler throws. */
  readonly onError: (error: unknown) => void;
}

/** The API with its life: `start` rebuilds allocations from the store and begins to forget old Events. */
export interface Registry extends RequestApi {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Makes the API. */
export function createClusterApi(options: RegistryOptions): Registry {
  return new StoreRegistry(options);
}

class StoreRegistry implements Registry {
  readonly name = "cluster API";
  readonly #store: ObjectStore;
  readonly #kinds: Kinds;
  readonly #hub: WatchHub;
  readonly #reader: ObjectReader;
  readonly #writer: ObjectWriter;
  readonly #recorder: EventRecorder;

  constructor({ store, resources, strategies, clock, random, onError }: RegistryOptions) {
    const kinds = new Kinds({ resources, strategies });
    const hub = new WatchHub({ onError });
    const reader = new ObjectReader({ store, kinds, hub });
    this.#store = store;
    this.#kinds = kinds;
    this.#hub = hub;
    this.#reader = reader;
    this.#writer = new ObjectWriter({ store, kinds, hub, reader, clock, random, onError });
    this.#recorder = new EventRecorder({ api: this, clock, onError });
  }

  async start(): Promise<void> {
    this.#hub.begin(this.#store.revision);
    for (const [resource, { strategy }] of this.#kinds.all()) strategy.restore?.(this.#store.list(resource));
    this.#recorder.start();
  }

  async stop(): Promise<void> {
    this.#recorder.stop();
  }

  get revision(): string {
    return this.#reader.revision;
  }

  get<R extends ResourceName>(resource: R, namespace: string | undefined, name: string): ObjectOf<R> {
    return this.#reader.get(resource, namespace, name) as ObjectOf<R>;
  }

  find<R extends ResourceName>(resource: R, namespace: string | undefined, name: string): ObjectOf<R> | undefined {
    return this.#reader.find(resource, namespace, name) as ObjectOf<R> | undefined;
  }

  list<R extends ResourceName>(resource: R, selection: Selection = {}): ObjectList<ObjectOf<R>> {
    const items = this.#reader.list(resource, selection) as readonly ObjectOf<R>[];
    return { items, resourceVersion: this.revision };
  }

  page(resource: ResourceName, selection: Selection, options: PageOptions): Page {
    return this.#reader.page(resource, selection, options);
  }

  changedSince(resource: ResourceName, revision: string): boolean {
    return this.#reader.changedSince(resource, revision);
  }

  watch<R extends ResourceName>(
    resource: R,
    selection: Selection,
    handler: (event: WatchEvent<ObjectOf<R>>) => void,
  ): () => void {
    return this.watchFrom(resource, selection, { from: "state" }, handler as (event: WatchEvent<KubeObject>) => void);
  }

  watchFrom(
    resource: ResourceName,
    selection: Selection,
    start: WatchStart,
    handler: (event: WatchEvent<KubeObject>) => void,
  ): () => void {
    return this.#reader.watchFrom(resource, selection, start, handler);
  }

  create<R extends ResourceName>(resource: R, object: ObjectOf<R>): ObjectOf<R> {
    return this.createWith(resource, object, {}) as ObjectOf<R>;
  }

  createWith(resource: ResourceName, object: KubeObject, options: WriteOptions): KubeObject {
    return this.#writer.createWith(resource, object, options);
  }

  update<R extends ResourceName>(resource: R, object: ObjectOf<R>): ObjectOf<R> {
    return this.replaceWith(resource, object, {}) as ObjectOf<R>;
  }

  updateStatus<R extends ResourceName>(resource: R, object: ObjectOf<R>): ObjectOf<R> {
    return this.replaceWith(resource, object, { status: true }) as ObjectOf<R>;
  }

  replaceWith(resource: ResourceName, object: KubeObject, options: WriteOptions): KubeObject {
    return this.#writer.replaceWith(resource, object, options);
  }

  patchWith(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    change: (current: KubeObject) => KubeObject,
    options: WriteOptions,
  ): KubeObject {
    return this.#writer.patchWith(resource, namespace, name, change, options);
  }

  modify<R extends ResourceName>(
    resource: R,
    namespace: string | undefined,
    name: string,
    change: (object: ObjectOf<R>) => ObjectOf<R> | undefined,
    part: "spec" | "status" = "spec",
  ): ObjectOf<R> | undefined {
    for (let attempt = 1; ; attempt++) {
      const stored = this.find(resource, namespace, name);
      if (!stored) return undefined;
      const changed = change(copyJson(stored));
      if (!changed) return stored;
      try {
        return this.replaceWith(resource, changed, { status: part === "status" }) as ObjectOf<R>;
      } catch (error) {
        // Only a change that wrote to the same object on the side can end up here.
        if (!(error instanceof ApiError) || error.code !== "Conflict" || attempt === modifyTries) throw error;
      }
    }
  }

  delete(resource: ResourceName, namespace: string | undefined, name: string, options: DeleteOptions = {}): void {
    this.deleteWith(resource, namespace, name, options);
  }

  deleteWith(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions & { readonly dryRun?: boolean },
  ): { readonly object: KubeObject; readonly gone: boolean } {
    return this.#writer.deleteWith(resource, namespace, name, options);
  }

  deleteCollection(
    resource: ResourceName,
    selection: Selection,
    options: DeleteOptions & { readonly dryRun?: boolean },
  ): KubeObject[] {
    const chosen = [...this.#reader.list(resource, selection)];
    return chosen.flatMap((object) => {
      const { namespace, name = "" } = object.metadata ?? {};
      // A handler of the watch may have deleted one of the others meanwhile.
      return this.find(resource, namespace, name) ? [this.deleteWith(resource, namespace, name, options).object] : [];
    });
  }

  recordEvent(about: KubeObject, note: EventNote): void {
    this.#recorder.record(about, note);
  }
}
