/** What a zone says to a question, before it is bytes. */
import type { Name } from "../wire/name.ts";
import type { ResourceRecord } from "../wire/records.ts";
import type { Tag } from "./zone-index.ts";

/** An answer of the cluster's own zones. */
export interface ZoneAnswer {
  readonly rcode: number;
  readonly answers: readonly ResourceRecord[];
  /** The SOA of the zone, in an answer that says that something does not exist. */
  readonly authority: readonly ResourceRecord[];
  /** May be left out where there is no room. */
  readonly additional: readonly ResourceRecord[];
  /** The answer holds until a change names one of these. */
  readonly tags: readonly Tag[];
  /** Where an alias leads out of the zone: the name that must be asked for elsewhere. */
  readonly chase?: Name;
}
