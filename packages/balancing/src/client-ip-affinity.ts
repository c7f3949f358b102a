/**
 * `sessionAffinity: ClientIP` around any picker: a client keeps its candidate until it has been silent for the timeout.
 *
 * A candidate of weight 0 loses its clients to others, as one does that left the list: 0 says that no new connection comes,
 * and a drain would not end while returning clients were let in. (IPVS does so with `expire_quiescent_template=1`;
 * without, a persistent client still reaches the server of weight 0.)
 */
import { type Clock, InvalidInputError } from "@fairlead/types";
import { ListCache } from "./mechanisms/list-cache.ts";
import { RecentClients } from "./mechanisms/recent-clients.ts";
import { openIndexes } from "./mechanisms/turn.ts";
import type { Candidate, PickContext, Picker } from "./picker.ts";

/** Clients that one wrapper remembers unless told otherwise; beyond, the one least recently used is forgotten. */
export const defaultMaxClients = 65_536;

/** Stale clients that one pick clears away: more than one, so the table shrinks when new clients become fewer. */
const expiredPerPick = 2;

/** See {@link withClientIpAffinity}. */
export interface ClientIpAffinity extends Picker {
  /** Forgets every client of the candidate with this key (one that left, and whose address another may get). */
  forget(key: string): void;
  /** Clients remembered; those whose time is up count until a later pick clears them away. */
  readonly size: number;
}

/** Options of {@link withClientIpAffinity}. */
export interface ClientIpAffinityOptions {
  /** Silence after which a client's choice is free again, in milliseconds: more than 0. */
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, "monotonic">;
  /** At least 1; {@link defaultMaxClients} if absent. */
  readonly maxClients?: number;
}

/**
 * Wraps a picker. The client's address alone is the key: use one wrapper for each Service port. A client whose candidate is
 * excluded gets another from `picker`, and keeps that one. There is no timer: entries lapse when they are met.
 *
 * Throws {@link InvalidInputError} if an option is out of range.
 */
export function withClientIpAffinity(picker: Picker, options: ClientIpAffinityOptions): ClientIpAffinity {
  const { timeoutMs, clock, maxClients = defaultMaxClients } = options;
  if (!(timeoutMs > 0)) throw new InvalidInputError("timeoutMs", `must be more than 0, not ${timeoutMs}`);
  if (!Number.isInteger(maxClients) || maxClients < 1) {
    throw new InvalidInputError("maxClients", `must be a whole number from 1, not ${maxClients}`);
  }
  return new AffinityPicker({ picker, timeoutMs, clock, maxClients });
}

class AffinityPicker implements ClientIpAffinity {
  readonly #picker: Picker;
  readonly #timeoutMs: number;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #clients: RecentClients;
  readonly #places = new ListCache<ReadonlyMap<string, number>>({ derive: (list) => placesByKey(list) });

  constructor(options: Required<ClientIpAffinityOptions> & { readonly picker: Picker }) {
    this.#picker = options.picker;
    this.#timeoutMs = options.timeoutMs;
    this.#clock = options.clock;
    this.#clients = new RecentClients({ capacity: options.maxClients });
  }

  get size(): number {
    return this.#clients.size;
  }

  forget(key: string): void {
    this.#clients.removeKey(key);
  }

  pick<C extends Candidate>(candidates: readonly C[], context: PickContext): C | undefined {
    const now = this.#clock.monotonic();
    this.#clients.expire(now - this.#timeoutMs, expiredPerPick);
    const known = this.#clients.get(context.client);
    if (known !== undefined && now - known.usedAt < this.#timeoutMs && !context.exclude?.has(known.key)) {
      const place = this.#places.get(candidates).get(known.key);
      if (place !== undefined) {
        this.#clients.touch(known, now);
        return candidates[place];
      }
    }
    const picked = this.#picker.pick(candidates, context);
    if (known === undefined) {
      if (picked !== undefined) this.#clients.add(context.client, picked.key, now);
    } else if (picked === undefined) {
      this.#clients.remove(known);
    } else {
      known.key = picked.key;
      this.#clients.touch(known, now);
    }
    return picked;
  }
}

/** Where each candidate stands that has a weight. */
function placesByKey(list: readonly Candidate[]): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (const index of openIndexes(list)) places.set((list[index] as Candidate).key, index);
  return places;
}
