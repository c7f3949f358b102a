/** Follows one object by name, so that no right to list its kind is needed: read, then watched, for as long as it runs. */
import { isExpired, isNotFound, KubeApiError } from "@fairlead/kube";
import type { KubeClient, Status } from "@fairlead/kube";
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
  /** The version told last, so that none is told twice; null where nothing was, undefined where there was no object. */
  #told: string | undefined | null = null;

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

  /**
   * From the version that was read, so that nothing is missed. An object that nobody changed for long has one that the server has
   * forgotten, which is no failure: then from now on, the present state first.
   */
  async #follow(): Promise<void> {
    const object = await this.#find();
    if (this.#abort.signal.aborted) return;
    this.#tell(object);
    const version = object?.metadata?.resourceVersion;
    try {
      await this.#watch(version);
    } catch (error) {
      if (version === undefined || !isExpired(error)) throw error;
      await this.#watch(undefined);
    }
  }

  async #watch(version: string | undefined): Promise<void> {
    const { client, collection, name, onError } = this.#options;
    const { signal } = this.#abort;
    let heard = false;
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
        onOpen: () => {
          if (version !== undefined) return;
          // Such a watch begins with the object, but is silent about one that went just before it.
          this.#find().then(
            (object) => {
              if (object === undefined && !heard && !signal.aborted) this.#tell(undefined);
            },
            (error: unknown) => {
              // What was on its way when the watch ended is no news.
              if (!signal.aborted) onError(error);
            },
          );
        },
        onLine: (line) => {
          if (signal.aborted) return;
          const event = JSON.parse(line) as { type: string; object: T };
          if (event.type === "ERROR") {
            const status = event.object as Status;
            throw new KubeApiError(status.code ?? 0, status, `WATCH ${collection}/${name}`);
          }
          if (event.object.metadata?.name !== name || event.type === "BOOKMARK") return;
          heard = true;
          this.#tell(event.type === "DELETED" ? undefined : event.object);
        },
      },
    );
  }

  #tell(object: T | undefined): void {
    const version = object?.metadata?.resourceVersion;
    if (version === this.#told && (object === undefined || version !== undefined)) return;
    this.#told = version;
    this.#options.onChange(object);
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
