/**
 * Servers that get no new connection any more and keep those that they have. One whose pod is still there stays until it is not; one whose
 * pod has gone stays until it has no connection left, or its time is over. Pure.
 */
import type { IpvsDestinationState } from "@fairlead/netlink";
import type { HeldService } from "./arrangement.ts";
import { type Place, serverKey } from "./place.ts";
import type { VirtualService } from "./virtual-services.ts";

/** See the module. */
export class Drain {
  readonly #timeoutMs: number;
  /** Until when each server stays at the latest, on the monotonic clock. */
  readonly #leaving = new Map<Place, Map<string, number>>();

  constructor(options: { readonly timeoutMs: number }) {
    this.#timeoutMs = options.timeoutMs;
  }

  /** Notes who leaves a place, after it was changed. */
  note(place: Place, want: VirtualService | undefined, held: HeldService | undefined, now: number): void {
    const before = this.#leaving.get(place);
    const leaving = new Map<string, number>();
    for (const [key, { forwarding }] of held?.servers ?? []) {
      if (want?.servers.has(key) === true || want?.standby.has(key) === true || forwarding === "local") continue;
      leaving.set(key, before?.get(key) ?? now + this.#timeoutMs);
    }
    if (leaving.size === 0) this.#leaving.delete(place);
    else this.#leaving.set(place, leaving);
  }

  /** How many places some server leaves. */
  get size(): number {
    return this.#leaving.size;
  }

  /** Some of these places, at most so many; each has its turn. */
  next(most: number): readonly Place[] {
    const places = [...this.#leaving.keys()].slice(0, most);
    for (const place of places) {
      const leaving = this.#leaving.get(place) as Map<string, number>;
      this.#leaving.delete(place);
      this.#leaving.set(place, leaving);
    }
    return places;
  }

  /** Those of the places that some server leaves, at most so many. */
  among(places: Iterable<Place>, most: number): readonly Place[] {
    return [...places].filter((place) => this.#leaving.has(place)).slice(0, most);
  }

  /**
   * Keys of the servers that may go now, by what the kernel has just listed. One that the list does not have is not taken for gone: lists are
   * read by position and may miss one.
   */
  due(place: Place, listed: readonly IpvsDestinationState[], now: number): readonly string[] {
    const leaving = this.#leaving.get(place);
    if (leaving === undefined) return [];
    const idle = new Set(
      listed
        .filter(
          ({ weight, activeConnections, inactiveConnections }) =>
            weight + activeConnections + inactiveConnections === 0,
        )
        .map(serverKey),
    );
    return [...leaving].filter(([key, until]) => idle.has(key) || now >= until).map(([key]) => key);
  }

  /** Forgets everything. */
  clear(): void {
    this.#leaving.clear();
  }
}
