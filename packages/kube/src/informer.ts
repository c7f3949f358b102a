/**
 * A local copy of one resource that follows the API: list, then watch, for as long as it runs. What it promises:
 *
 * 1. `start` begins; `synced` settles after the first complete list was handed over, or when the informer was stopped before.
 * 2. Every difference between two states reaches `onChange` once, in the order of the server, after the copy has changed. A
 *    difference that happened while the watch was away (deletes included) is found by comparing the new list with the copy.
 * 3. A watch that ends goes on from the last resourceVersion (bookmarks keep it fresh); 410 Gone lists anew.
 * 4. Failures are repeated with exponential back-off and jitter, without end; `onError` hears of each. What cannot be read (a line
 *    that is no event) ends in a new list.
 *
 * A listener that throws is told of by `onError`; the copy goes on, and that difference is not handed over again.
 */
import type { Clock, Random } from "@fairlead/types";
import type { KubeClient } from "./client.ts";
import { isExpired, KubeApiError, KubeConnectionError } from "./errors.ts";
import type { KubeObject, Status } from "./objects.ts";
import { resourcePath } from "./resources.ts";
import type { KubeResource, ResourceTypes } from "./resources.ts";
import { readWatchEvent } from "./watch-event.ts";

/** First wait after a failure, doubled up to the second, each ± 50 %. In milliseconds. */
export const firstRetryMs = 200;
export const longestRetryMs = 10_000;
/** How long the server is asked to keep a watch, in seconds; up to twice that, so that they do not all end at once. */
export const watchSeconds = 300;
/** A watch that says nothing for this long is dead: servers send a bookmark about every minute. In milliseconds. */
export const watchIdleMs = 150_000;
/** A watch that ends earlier without a word is counted as a failure: something on the way does not let it live. In milliseconds. */
export const shortestWatchMs = 1_000;

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
  /** Must not throw; see the module. */
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
  #expirations = 0;

  constructor(options: InformerOptions<R>) {
    this.name = `informer of ${options.resource}`;
    this.#options = options;
  }

  /** Settles after the first list, or when stopped; never rejects. See {@link isSynced}. */
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
    this.#synced.resolve();
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
          this.#expirations += 1;
          // Falling behind is no fault; to fall behind at once and again is.
          if (this.#expirations === 1) continue;
        }
        this.#failures += 1;
        this.#options.onError(error);
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
    const { client, resource, namespace, labelSelector, clock, random } = this.#options;
    const path = resourcePath(resource, { namespace });
    const begun = clock.monotonic();
    let lines = 0;
    await client.transport.stream(
      {
        method: "GET",
        path,
        query: {
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: this.#version,
          labelSelector,
          timeoutSeconds: Math.round(watchSeconds * (1 + random())),
        },
        signal: this.#abort.signal,
      },
      {
        idleMs: watchIdleMs,
        onLine: (line) => {
          lines += 1;
          this.#take(line);
        },
      },
    );
    if (lines === 0 && clock.monotonic() - begun < shortestWatchMs) {
      throw new KubeConnectionError(`watch of ${resource}`, new Error("it ended at once and without an event"));
    }
  }

  #take(line: string): void {
    if (this.#abort.signal.aborted) return;
    const event = readWatchEvent<ResourceTypes[R]>(line);
    if (event === undefined || event.type === "ERROR") {
      // After this nothing on this watch can be trusted, so it begins with a list.
      this.#version = "";
      const what = `watch of ${this.#options.resource}`;
      if (event === undefined) throw new KubeConnectionError(what, new Error("a line is no event"));
      const status = event.object as Status;
      throw new KubeApiError(status.code ?? 500, status, what);
    }
    if (event.type === "DELETED") this.#remove(event.object);
    else if (event.type !== "BOOKMARK") this.#put(event.object);
    this.#version = event.object.metadata?.resourceVersion ?? this.#version;
    this.#failures = 0;
    this.#expirations = 0;
  }

  #put(object: ResourceTypes[R]): void {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    if (previous?.metadata?.resourceVersion === object.metadata?.resourceVersion && previous !== undefined) return;
    this.#objects.set(key, object);
    // Deleted and made again under the same name while nobody looked: two differences, not one.
    if (previous !== undefined && previous.metadata?.uid !== object.metadata?.uid) {
      this.#tell({ type: "removed", object: previous });
      this.#tell({ type: "added", object });
    } else if (previous === undefined) this.#tell({ type: "added", object });
    else this.#tell({ type: "updated", object, previous });
  }

  #remove(object: ResourceTypes[R]): void {
    if (this.#objects.delete(keyOf(object))) this.#tell({ type: "removed", object });
  }

  #tell(change: InformerChange<ResourceTypes[R]>): void {
    try {
      this.#options.onChange(change);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  async #backOff(): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#abort;
    const base = Math.min(firstRetryMs * 2 ** Math.min(this.#failures - 1, 16), longestRetryMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const cancel = clock.setTimer(base * (0.5 + random()), wake);
    signal.addEventListener("abort", wake, { once: true });
    await promise;
    cancel();
    signal.removeEventListener("abort", wake);
  }
}

function keyOf(object: KubeObject): string {
  return objectKey(object.metadata?.namespace, object.metadata?.name ?? "");
}

function objectKey(namespace: string | undefined, name: string): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
