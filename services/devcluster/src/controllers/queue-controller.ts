/** What all controllers have in common: watches that name keys, and a queue that brings one key at a time in order. */
import type { Logger, Startable } from "@fairlead/host";
import type { KubeObject } from "@fairlead/kube/objects";
import { WorkQueue } from "@fairlead/reconcile";
import type { Clock, Random } from "@fairlead/types";
import type { ClusterApi } from "../api/cluster-api.ts";

/** What a controller works with. */
export interface ControllerContext {
  readonly api: ClusterApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Where handlers of watches put the keys of objects to look at. */
export interface KeySink {
  add(key: string): void;
  addAfter(key: string, ms: number): void;
}

/** Longest time until a key is looked at again: timers of Node hold no more than 24 days, and fire at once past that. */
export const longestWaitMs = 24 * 60 * 60 * 1000;

/** Time that a controller works in one go before it lets the rest of the process have a turn: requests, traffic, timers. */
export const turnMs = 5;

export interface QueueControllerOptions extends ControllerContext {
  readonly name: string;
  /** Begins the watches; answers with what ends each. */
  readonly watch: (keys: KeySink) => readonly (() => void)[];
  /** Brings the object of this key from what is to what should be; throwing means "again later". */
  readonly process: (key: string, keys: KeySink) => void;
}

/**
 * See the module. The API answers at once and from memory, so `process` is synchronous, sees every write made before it, and is never
 * interleaved with that of another controller. Between two keys the rest of the process has its turn every {@link turnMs}, so that a
 * thousand new pods do not hold up the traffic of those that run.
 */
export class QueueController implements Startable {
  readonly name: string;
  readonly #watch: QueueControllerOptions["watch"];
  readonly #queue: WorkQueue<string>;
  readonly #keys: KeySink;
  #ends: readonly (() => void)[] = [];
  #turnBegan = Number.NEGATIVE_INFINITY;

  constructor({ name, watch, process, clock, random, log }: QueueControllerOptions) {
    this.name = name;
    this.#watch = watch;
    this.#queue = new WorkQueue<string>({
      process: async (key) => {
        if (clock.monotonic() - this.#turnBegan > turnMs) {
          await new Promise((resolve) => setImmediate(resolve));
          this.#turnBegan = clock.monotonic();
        }
        process(key, this.#keys);
      },
      clock,
      random,
      // Processing does not wait for anything, so more at a time would gain nothing.
      concurrency: 1,
      onError: (key, error, attempt) => log.warn(`${name} could not bring an object in order`, { key, attempt, error }),
    });
    this.#keys = {
      add: (key) => this.#queue.add(key),
      addAfter: (key, ms) => this.#queue.addAfter(key, Math.min(ms, longestWaitMs)),
    };
  }

  async start(): Promise<void> {
    this.#ends = this.#watch(this.#keys);
    this.#queue.start();
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end();
    this.#ends = [];
    await this.#queue.stop();
  }
}

/** Key of an object among those of its resource; the namespace is empty for cluster-wide ones. */
export function keyOf(object: KubeObject): string {
  return joinKey(object.metadata?.namespace ?? "", object.metadata?.name ?? "");
}

export function joinKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
