/** Whether a machine that is on networks already can have the ranges of a stack as well. */
import { cidrParts, CodedError } from "@fairlead/types";
import type { Cidr } from "@fairlead/types";
import { overlap } from "../options/address-plan.ts";
import type { Ranges } from "../options/address-plan.ts";

/** Routes of a shorter prefix lead to everything that no other leads to: a stack's are more exact, as those of every network are. */
const shortestPrefix = 8;

/** The option of each range. */
const flags: Readonly<Record<keyof Ranges, string>> = {
  serviceCidr: "--service-cidr",
  podCidr: "--pod-cidr",
  nodeCidr: "--node-cidr",
  lbPool: "--lb-pool",
};

/** A range that leads somewhere already. */
export interface TakenRange {
  readonly range: Cidr;
  /** Name of the interface. */
  readonly by: string;
}

/** Thrown where ranges are in use. */
export class AddressesTakenError extends CodedError {
  readonly code = "ADDRESSES_TAKEN";

  constructor(conflicts: readonly string[]) {
    super(`this machine has such addresses already: ${conflicts.join(", ")}; choose other ranges`);
    this.name = "AddressesTakenError";
  }
}

/** Every conflict, the first of each option, by the option that solves it. */
export function addressConflicts(ranges: Ranges, taken: readonly TakenRange[]): readonly string[] {
  const others = taken.filter(({ range }) => cidrParts(range).prefix >= shortestPrefix);
  return Object.entries(flags).flatMap(([field, flag]) => {
    const range = ranges[field as keyof Ranges];
    const other = others.find((each) => overlap(each.range, range));
    if (other === undefined) return [];
    return [`${flag} ${range} (${other.range} by ${other.by})`];
  });
}
