/** Reads lists of which one bad item must not spoil the rest. */
import { InvalidInputError } from "@fairlead/types";

/** Told of a part that was left out: its field, and why. */
export type Complaint = (field: string, reason: string) => void;

/** A reader that leaves out what does not parse, and says so. */
export function lenient(complain: Complaint): {
  each<Raw, T>(items: readonly Raw[], field: string, read: (item: Raw, field: string) => T): T[];
} {
  return {
    each: (items, field, read) =>
      items.flatMap((item, index) => {
        try {
          return [read(item, `${field}[${index}]`)];
        } catch (error) {
          if (!(error instanceof InvalidInputError)) throw error;
          complain(error.field, error.reason);
          return [];
        }
      }),
  };
}
