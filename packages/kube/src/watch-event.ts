/** The lines of a watch. */

const eventTypes = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"] as const;

/** One event. The object of a bookmark has only a resourceVersion, that of an error is a Status. */
export interface WatchEvent<T> {
  readonly type: (typeof eventTypes)[number];
  readonly object: T;
}

/** The event on a line, or `undefined` where there is none. */
export function readWatchEvent<T>(line: string): WatchEvent<T> | undefined {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof event !== "object" || event === null || !("type" in event) || !("object" in event)) return undefined;
  if (typeof event.object !== "object" || event.object === null) return undefined;
  return eventTypes.some((type) => type === event.type) ? (event as WatchEvent<T>) : undefined;
}
