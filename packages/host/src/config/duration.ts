/** Lengths of time as people write them. */
import { InvalidInputError } from "@fairlead/types";

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Longest length of time taken, in ms: what a timer can wait (2^31 - 1 ms, 24.8 days). */
const MAX_DURATION_MS = 2_147_483_647;

/** Reads `250ms`, `10s`, `1.5m`, `1h30m`, or `0`; returns milliseconds. Throws `InvalidInputError` naming `field`. */
export function parseDuration(text: string, field: string): number {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    throw new InvalidInputError(field, "must be a duration such as 250ms, 10s, 5m or 1h30m");
  }
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    ms += Number(amount) * MS_PER_UNIT[unit as keyof typeof MS_PER_UNIT];
  }
  if (ms > MAX_DURATION_MS) throw new InvalidInputError(field, "must be less than 25 days");
  return Math.round(ms);
}
