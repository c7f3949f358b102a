/** Which pods there are, by namespace and address, from the feed of pods. Kept up change by change. */
import type { FeedBatch } from "@fairlead/bus";
import type { FeedKey, IpAddress, Pod } from "@fairlead/types";
import type { Tag } from "./zone-index.ts";

/** Answers that wait for the first state. */
export const podsTag: Tag = "pods";
/** Answers that rest on whether a pod with this address is in the namespace. */
export function podTag(namespace: string, address: IpAddress): Tag {
  return `pod ${namespace}/${address}`;
}

/** See the module. */
export class PodIndex {
  readonly #pods = new Map<FeedKey, Pod>();
  /** How many pods have an address, by tag: for a moment two may, the one that goes and the one that comes. */
  readonly #counts = new Map<Tag, number>();
  #synced = false;

  /** Whether a state has arrived: until then nobody knows which pods do not exist. */
  get synced(): boolean {
    return this.#synced;
  }

  /** How many pods there are. */
  get size(): number {
    return this.#pods.size;
  }

  /** Whether a pod of the namespace has this address. */
  has(namespace: string, address: IpAddress): boolean {
    return this.#counts.has(podTag(namespace, address));
  }

  /** Takes a batch over; returns the tags whose answers no longer hold. */
  apply(batch: Pick<FeedBatch, "changes">): ReadonlySet<Tag> {
    const tags = new Set<Tag>();
    if (!this.#synced) tags.add(podsTag);
    this.#synced = true;
    for (const change of batch.changes) {
      const before = this.#pods.get(change.key);
      if (before) this.#count(before, -1, tags);
      this.#pods.delete(change.key);
      if (change.op === "delete" || change.value.kind !== "pod") continue;
      this.#pods.set(change.key, change.value.pod);
      this.#count(change.value.pod, 1, tags);
    }
    return tags;
  }

  #count({ namespace, addresses }: Pod, by: 1 | -1, tags: Set<Tag>): void {
    for (const address of addresses) {
      const tag = podTag(namespace, address);
      const count = (this.#counts.get(tag) ?? 0) + by;
      if (count === 0) this.#counts.delete(tag);
      else this.#counts.set(tag, count);
      tags.add(tag);
    }
  }
}
