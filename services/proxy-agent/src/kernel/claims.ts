/** Which entry has an address that several want: that of the first Service by namespace and name. */
import type { Frontend, ServicePortEntry } from "../plan/entry.ts";

/** See the module. Nearly every address is wanted by one entry alone, which is then kept without a list. */
export class Claims {
  readonly #byPlace = new Map<string, ServicePortEntry | readonly ServicePortEntry[]>();

  /** Notes everything that the entry wants. */
  claim(entry: ServicePortEntry): void {
    for (const frontend of entry.frontends) {
      const place = placeOf(entry, frontend);
      const others = this.#byPlace.get(place);
      if (others === undefined) this.#byPlace.set(place, entry);
      else this.#byPlace.set(place, [...listOf(others), entry].sort(byName));
    }
  }

  /** Forgets it. */
  release(entry: ServicePortEntry): void {
    for (const frontend of entry.frontends) {
      const place = placeOf(entry, frontend);
      const left = listOf(this.#byPlace.get(place)).filter(({ key }) => key !== entry.key);
      const [first, ...more] = left;
      if (first === undefined) this.#byPlace.delete(place);
      else this.#byPlace.set(place, more.length === 0 ? first : left);
    }
  }

  /** Entries that want an address which this one wants too. */
  rivals(entry: ServicePortEntry): readonly ServicePortEntry[] {
    return entry.frontends.flatMap((frontend) =>
      listOf(this.#byPlace.get(placeOf(entry, frontend))).filter(({ key }) => key !== entry.key),
    );
  }

  /** Who has the address; the entry itself where nobody claimed it. */
  owner(entry: ServicePortEntry, frontend: Frontend): ServicePortEntry {
    return listOf(this.#byPlace.get(placeOf(entry, frontend)))[0] ?? entry;
  }
}

function listOf(claimants: ServicePortEntry | readonly ServicePortEntry[] | undefined): readonly ServicePortEntry[] {
  if (claimants === undefined) return [];
  return Array.isArray(claimants) ? claimants : [claimants as ServicePortEntry];
}

function byName(a: ServicePortEntry, b: ServicePortEntry): number {
  const [left, right] = [a, b].map(({ service }) => `${service.namespace}/${service.name}`) as [string, string];
  if (left === right) return a.key < b.key ? -1 : 1;
  return left < right ? -1 : 1;
}

function placeOf({ protocol }: ServicePortEntry, { address, port }: Frontend): string {
  return `${address} ${port} ${protocol}`;
}
