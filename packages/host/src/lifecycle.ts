/** Ordered start and stop. */

/** A part with a life of its own. */
export interface Startable {
  /** For the log, and for the error when it does not start or stop. */
  readonly name: string;
  /** Settles when the part does its work. It may rely on every part before it having started. */
  start(): Promise<void>;
  /** Settles when the part holds nothing any more: no socket, timer or process. Never called before start; safe to call once. */
  stop(): Promise<void>;
}
