/** Follows one object by name, so that no right to list its kind is needed: read, then watched, for as long as it runs. */
import { isNotFound } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import type { Clock, Random } from "@fairlead/types";

/** Wait after a failure or a watch's end, in milliseconds, doubled up to the second, each ± 50 %. */
export const FIRST_RETRY_MS = 200;
export const LONGEST_RETRY_MS = 10_000;
/** How long the server is asked to keep the watch, in seconds. */
const watchSeconds = 300;
/** Silence after which a watch is dead, in milliseconds: servers send a bookmark about every minute. */
const idleMs = 150_000;

/** What a watch needs. */
export interface ObjectWatchOptions<T> {
  readonly client: KubeClient;
  /** Path of the collection that the object is in. */
  readonly collection: string;
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of each state; undefined means that there is none. */
  readonly onChange: (object: T | undefined) => void;
  readonly onError: (error: unknown) => void;
}

interface Named {
  readonly metadata?: { readonly name?: string; readonly resourceVersion?: string };
}

/** See the module. */
export class ObjectWatch<T extends Named> {
  readonly #options: ObjectWatchOptions<T>;
  readonly #abort = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: ObjectWatchOptions<T>) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { onError } = this.#options;
    const { signal } = this.#abort;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#follow();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        onError(error);
      }
      if (!signal.aborted) await this.#pause(Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures, 16), LONGEST_RETRY_MS));
    }
  }

  async #follow(): Promise<void> {
    const { client, collection, name, onChange } = this.#options;
    const { signal } = this.#abort;
    const object = await this.#find();
    if (signal.aborted) return;
    onChange(object);
    const version = object?.metadata?.resourceVersion;
    await client.transport.stream(
      {
        method: "GET",
        path: collection,
        query: {
          watch: true,
          fieldSelector: `metadata.name=${name}`,
          allowWatchBookmarks: true,
          timeoutSeconds: watchSeconds,
          ...(version === undefined ? {} : { resourceVersion: version }),
        },
        signal,
      },
      {
        idleMs,
        onLine: (line) => {
          if (signal.aborted) return;
          const event = JSON.parse(line) as { type: string; object: T };
          if (event.type === "ERROR") throw new Error("the watch has fallen behind");
          if (event.object.metadata?.name !== name) return;
          if (event.type === "DELETED") onChange(undefined);
          else if (event.type !== "BOOKMARK") onChange(event.object);
        },
      },
    );
  }

  async #find(): Promise<T | undefined> {
    const { client, collection, name } = this.#options;
    try {
      return await client.transport.request<T>({ method: "GET", path: `${collection}/${name}` });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #pause(ms: number): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#abort;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const cancel = clock.setTimer(ms * (0.5 + random()), wake);
    signal.addEventListener("abort", wake, { once: true });
    await promise;
    cancel();
    signal.removeEventListener("abort", wake);
  }
}
