/** A bounded table of clients, ordered by last use: the one least recently used makes room, the stale ones lapse. */

/** What is remembered of a client. */
export interface RecentClient {
  readonly client: string;
  /** Key of its candidate. */
  key: string;
  /** Last use, in milliseconds of the clock's monotonic time. */
  usedAt: number;
  older: RecentClient | undefined;
  newer: RecentClient | undefined;
}

/**
 * A map with a doubly linked list through its entries, so that a use moves pointers and allocates nothing.
 *
 * Bound: `capacity` clients.
 */
export class RecentClients {
  readonly #capacity: number;
  readonly #entries = new Map<string, RecentClient>();
  #oldest: RecentClient | undefined;
  #newest: RecentClient | undefined;

  constructor(options: { readonly capacity: number }) {
    this.#capacity = options.capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(client: string): RecentClient | undefined {
    return this.#entries.get(client);
  }

  /** Makes the entry the newest. */
  touch(entry: RecentClient, now: number): void {
    entry.usedAt = now;
    if (entry === this.#newest) return;
    this.#unlink(entry);
    this.#append(entry);
  }

  /** Remembers a client that has no entry yet; at capacity, the oldest is forgotten. */
  add(client: string, key: string, now: number): void {
    if (this.#entries.size >= this.#capacity && this.#oldest !== undefined) this.remove(this.#oldest);
    const entry: RecentClient = { client, key, usedAt: now, older: undefined, newer: undefined };
    this.#entries.set(client, entry);
    this.#append(entry);
  }

  remove(entry: RecentClient): void {
    this.#entries.delete(entry.client);
    this.#unlink(entry);
  }

  /** Removes up to `most` entries that were last used at or before `deadline`. */
  expire(deadline: number, most: number): void {
    for (let step = 0; step < most; step++) {
      const oldest = this.#oldest;
      if (oldest === undefined || oldest.usedAt > deadline) return;
      this.remove(oldest);
    }
  }

  /** Removes every client of this candidate. */
  removeKey(key: string): void {
    for (const entry of this.#entries.values()) if (entry.key === key) this.remove(entry);
  }

  #append(entry: RecentClient): void {
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  #unlink(entry: RecentClient): void {
    if (entry.older === undefined) this.#oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === undefined) this.#newest = entry.older;
    else entry.newer.older = entry.older;
  }
}
