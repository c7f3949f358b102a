/** Ages as kubectl prints them: two units at most, the second one only while the first is small. */
import { UNKNOWN } from "./columns.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** Each row holds below its limit (seconds, exclusive); `second` is shown where it is not zero. */
const SCALES: readonly { below: number; unit: number; suffix: string; second?: { unit: number; suffix: string } }[] = [
  { below: 2 * MINUTE, unit: 1, suffix: "s" },
  { below: 10 * MINUTE, unit: MINUTE, suffix: "m", second: { unit: 1, suffix: "s" } },
  { below: 3 * HOUR, unit: MINUTE, suffix: "m" },
  { below: 8 * HOUR, unit: HOUR, suffix: "h", second: { unit: MINUTE, suffix: "m" } },
  { below: 2 * DAY, unit: HOUR, suffix: "h" },
  { below: 8 * DAY, unit: DAY, suffix: "d", second: { unit: HOUR, suffix: "h" } },
  { below: 2 * YEAR, unit: DAY, suffix: "d" },
  { below: 8 * YEAR, unit: YEAR, suffix: "y", second: { unit: DAY, suffix: "d" } },
  { below: Infinity, unit: YEAR, suffix: "y" },
];

/** A duration in kubectl's words: `5s`, `2m10s`, `3h5m`, `2d3h`, `400d`. Up to a second in the future is clock skew and reads `0s`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  const scale = SCALES.find(({ below }) => seconds < below);
  if (!scale) return "<invalid>";
  const first = `${Math.floor(seconds / scale.unit)}${scale.suffix}`;
  const rest = scale.second ? Math.floor((seconds % scale.unit) / scale.second.unit) : 0;
  return scale.second && rest > 0 ? `${first}${rest}${scale.second.suffix}` : first;
}

/** The time since an RFC 3339 timestamp; `<unknown>` without one. `now` in milliseconds since the epoch. */
export function since(timestamp: string | undefined, now: number): string {
  const then = Date.parse(timestamp ?? "");
  return Number.isNaN(then) ? UNKNOWN : formatDuration(now - then);
}
