/** Which entry has an address that several want: the first by its key. */
import type { EntryKey, Frontend, ServicePortEntry } from "../plan/entry.ts";

/** See the module. Nearly every address is wanted by one entry alone, which is then kept without a list. */
export class Claims {
  readonly #byPlace = new Map<string, EntryKey | EntryKey[]>();

  /** Notes everything that the entry wants. */
  claim(entry: ServicePortEntry): void {
    for (const frontend of entry.frontends) {
      const place = placeOf(entry, frontend);
      const others = this.#byPlace.get(place);
      if (others === undefined) this.#byPlace.set(place, entry.key);
      else this.#byPlace.set(place, [...[others].flat(), entry.key].sort());
    }
  }

  /** Forgets it. */
  release(entry: ServicePortEntry): void {
    for (const frontend of entry.frontends) {
      const place = placeOf(entry, frontend);
      const left = [this.#byPlace.get(place) ?? []].flat().filter((key) => key !== entry.key);
      if (left.length === 0) this.#byPlace.delete(place);
      else this.#byPlace.set(place, left.length === 1 ? (left[0] as EntryKey) : left);
    }
  }

  /** Entries that want an address which this one wants too. */
  rivals(entry: ServicePortEntry): readonly EntryKey[] {
    return entry.frontends.flatMap((frontend) => {
      const claimants = this.#byPlace.get(placeOf(entry, frontend));
      return Array.isArray(claimants) ? claimants.filter((key) => key !== entry.key) : [];
    });
  }

  /** Whether any entry wants the address. */
  isWanted(place: Pick<ServicePortEntry, "protocol"> & Pick<Frontend, "address" | "port">): boolean {
    return this.#byPlace.has(placeOf(place, place));
  }

  /** Who has the address; the entry itself where nobody claimed it. */
  owner(entry: ServicePortEntry, frontend: Frontend): EntryKey {
    const claimants = this.#byPlace.get(placeOf(entry, frontend)) ?? entry.key;
    return Array.isArray(claimants) ? (claimants[0] as EntryKey) : claimants;
  }
}

function placeOf(
  { protocol }: Pick<ServicePortEntry, "protocol">,
  { address, port }: Pick<Frontend, "address" | "port">,
): string {
  return `${address} ${port} ${protocol}`;
}
