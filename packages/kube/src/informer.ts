/**
 * A local copy of one resource that follows the API: list, then watch, for as long as it runs. What it promises:
 *
 * 1. `start` begins; `synced` settles after the first complete list was handed over.
 * 2. Every difference between two states reaches `onChange` once, in the order of the server, after the copy has changed. A
 *    difference that happened while the watch was away (deletes included) is found by comparing the new list with the copy.
 * 3. A watch that ends goes on from the last resourceVersion (bookmarks keep it fresh); 410 Gone lists anew.
 * 4. Failures are repeated with exponential back-off and jitter, without end; `onError` hears of each.
 */
import type { Clock, Random } from "@fairlead/types";
import type { KubeClient } from "./client.ts";
import { isExpired, KubeApiError } from "./errors.ts";
import type { KubeObject, Status } from "./objects.ts";
import { resourcePath } from "./resources.ts";
import type { KubeResource, ResourceTypes } from "./resources.ts";

/** First wait after a failure, doubled up to the second, each ± 50 %. In milliseconds. */
export const firstRetryMs = 200;
export const longestRetryMs = 10_000;
/** How long the server is asked to keep a watch, in seconds; up to twice that, so that they do not all end at once. */
export const watchSeconds = 300;
/** A watch that says nothing for this long is dead: servers send a bookmark about every minute. In milliseconds. */
export const watchIdleMs = 150_000;

/** One difference. */
export type InformerChange<T> =
  | { readonly type: "added"; readonly object: T }
  | { readonly type: "updated"; readonly object: T; readonly previous: T }
  | { readonly type: "removed"; readonly object: T };

/** What an informer needs. */
export interface InformerOptions<R extends KubeResource> {
  readonly client: KubeClient;
  readonly resource: R;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly clock: Clock;
  readonly random: Random;
  onChange(change: InformerChange<ResourceTypes[R]>): void;
  onError(error: unknown): void;
}

/** See the module. */
export class Informer<R extends KubeResource> {
  readonly name: string;
  readonly #options: InformerOptions<R>;
  readonly #objects = new Map<string, ResourceTypes[R]>();
  readonly #abort = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  #isSynced = false;
  #version = "";
  #loop: Promise<void> | undefined;
  #failures = 0;

  constructor(options: InformerOptions<R>) {
    this.name = `informer of ${options.resource}`;
    this.#options = options;
  }

  /** Settles after the first list; never rejects. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** The object as last seen. */
  get(namespace: string | undefined, name: string): ResourceTypes[R] | undefined {
    return this.#objects.get(objectKey(namespace, name));
  }

  /** All objects as last seen. */
  list(): IterableIterator<ResourceTypes[R]> {
    return this.#objects.values();
  }

  /** Begins; settles at once. */
  start(): Promise<void> {
    this.#loop ??= this.#run();
    return Promise.resolve();
  }

  /** Ends; nothing is handed over afterwards. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        if (this.#version === "") await this.#list();
        await this.#watch();
      } catch (error) {
        if (signal.aborted) return;
        if (isExpired(error)) {
          this.#version = "";
          if (this.#failures === 0) continue;
        }
        this.#options.onError(error);
        this.#failures += 1;
        await this.#backOff();
      }
    }
  }

  async #list(): Promise<void> {
    const { client, resource, namespace, labelSelector } = this.#options;
    const { items, resourceVersion } = await client.list(resource, {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      signal: this.#abort.signal,
    });
    this.#abort.signal.throwIfAborted();
    const gone = new Map(this.#objects);
    for (const object of items) {
      gone.delete(keyOf(object));
      this.#put(object);
    }
    for (const object of gone.values()) this.#remove(object);
    this.#version = resourceVersion;
    if (!this.#isSynced) {
      this.#isSynced = true;
      this.#synced.resolve();
    }
  }

  async #watch(): Promise<void> {
    const { client, resource, namespace, labelSelector, random } = this.#options;
    await client.transport.stream(
      {
        method: "GET",
        path: resourcePath(resource, { namespace }),
        query: {
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: this.#version,
          labelSelector,
          timeoutSeconds: Math.round(watchSeconds * (1 + random())),
        },
        signal: this.#abort.signal,
      },
      { idleMs: watchIdleMs, onLine: (line) => this.#take(line) },
    );
  }

  #take(line: string): void {
    if (this.#abort.signal.aborted) return;
    const event = JSON.parse(line) as { type: string; object: ResourceTypes[R] };
    if (event.type === "ERROR") {
      const status = event.object as Status;
      // After an error event nothing on this watch can be trusted, so an unknown one begins with a list as well.
      this.#version = "";
      throw new KubeApiError(status.code ?? 500, status, `watch of ${this.#options.resource}`);
    }
    if (event.type === "DELETED") this.#remove(event.object);
    else if (event.type !== "BOOKMARK") this.#put(event.object);
    this.#version = event.object.metadata?.resourceVersion ?? this.#version;
    this.#failures = 0;
  }

  #put(object: ResourceTypes[R]): void {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    if (previous?.metadata?.resourceVersion === object.metadata?.resourceVersion && previous !== undefined) return;
    this.#objects.set(key, object);
    // Deleted and made again under the same name while nobody looked: two differences, not one.
    if (previous !== undefined && previous.metadata?.uid !== object.metadata?.uid) {
      this.#options.onChange({ type: "removed", object: previous });
      this.#options.onChange({ type: "added", object });
    } else if (previous === undefined) this.#options.onChange({ type: "added", object });
    else this.#options.onChange({ type: "updated", object, previous });
  }

  #remove(object: ResourceTypes[R]): void {
    if (this.#objects.delete(keyOf(object))) this.#options.onChange({ type: "removed", object });
  }

  async #backOff(): Promise<void> {
    const { clock, random } = this.#options;
    const base = Math.min(firstRetryMs * 2 ** Math.min(this.#failures - 1, 16), longestRetryMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.setTimer(base * (0.5 + random()), resolve);
    this.#abort.signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    cancel();
  }
}

function keyOf(object: KubeObject): string {
  return objectKey(object.metadata?.namespace, object.metadata?.name ?? "");
}

function objectKey(namespace: string | undefined, name: string): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
