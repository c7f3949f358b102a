/** Where the bus says what it sees: the part of a logger that it needs, so that it depends on none. */

type Say = (message: string, fields?: Record<string, unknown>) => void;

/** `Logger` of `@fairlead/host` and `RecordingLogger` of `@fairlead/testkit` fit. */
export interface FeedLog {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
}

const nothing: Say = () => undefined;

/** Says nothing. */
export const silentFeedLog: FeedLog = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** What a thrown thing says, for a log field. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
