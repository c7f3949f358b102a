/** Counts of Service ports that never go back, made of counters in the kernel that do: whenever their element is made anew. */
import type { ServicePortKey } from "@fairlead/types";
import type { TrafficCounters } from "../plane.ts";

/** What one address of a Service port has counted, as the kernel says it. */
export interface CountedPlace {
  readonly servicePort: ServicePortKey;
  /** Tells the address from the Service port's others. */
  readonly place: string;
  readonly counters: TrafficCounters;
}

const fields = ["connections", "sentPackets", "sentBytes", "receivedPackets", "receivedBytes"] as const;
type Totals = { -readonly [F in keyof TrafficCounters]: TrafficCounters[F] };

const nothing = (): Totals => ({ connections: 0, sentPackets: 0, sentBytes: 0, receivedPackets: 0, receivedBytes: 0 });

/** See the module. Holds as many Service ports and addresses as there are. */
export class TrafficTotals {
  readonly #totals = new Map<ServicePortKey, Totals>();
  readonly #seen = new Map<string, TrafficCounters>();

  /** Adds what was counted since the place was seen last. */
  see({ servicePort, place, counters }: CountedPlace): void {
    const totals = this.#of(servicePort);
    const id = `${servicePort} ${place}`;
    const before = this.#seen.get(id);
    for (const field of fields) {
      const known = before?.[field] ?? 0;
      const now = counters[field];
      totals[field] += now >= known ? now - known : now;
    }
    this.#seen.set(id, counters);
  }

  /** The place is gone: should it come back, it counts from 0. What it counted stays with the Service port. */
  forgetPlace(servicePort: ServicePortKey, place: string): void {
    this.#seen.delete(`${servicePort} ${place}`);
  }

  /** The Service port is there, and is shown also while nothing was counted. */
  begin(servicePort: ServicePortKey): void {
    this.#of(servicePort);
  }

  /** The Service port is gone, with its counts. */
  forget(servicePort: ServicePortKey): void {
    this.#totals.delete(servicePort);
  }

  /** The sums. */
  all(): ReadonlyMap<ServicePortKey, TrafficCounters> {
    return this.#totals;
  }

  #of(servicePort: ServicePortKey): Totals {
    const known = this.#totals.get(servicePort);
    if (known !== undefined) return known;
    const fresh = nothing();
    this.#totals.set(servicePort, fresh);
    return fresh;
  }
}
