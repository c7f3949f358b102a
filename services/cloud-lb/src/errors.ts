/** Errors of the service. */
import { CodedError } from "@fairlead/types";

export { NotLeaderError } from "@fairlead/kube";

/** Thrown by a provider that has no address for a Service: none is free, or the one asked for may not be had. */
export class AllocationError extends CodedError {
  readonly code = "ALLOCATION_REFUSED";
  /** The Service lost the address that its status names: the status must not go on naming it. */
  readonly withdrawn: boolean;

  constructor(message: string, options: { withdrawn?: boolean } = {}) {
    super(message);
    this.name = "AllocationError";
    this.withdrawn = options.withdrawn ?? false;
  }
}

/** Thrown by a provider that wants to be asked again after a time of its own choosing, as a cloud's API does that is still at work. */
export class RetryLaterError extends CodedError {
  readonly code = "RETRY_LATER";
  readonly delayMs: number;

  constructor(message: string, delayMs: number) {
    super(message);
    this.name = "RetryLaterError";
    this.delayMs = delayMs;
  }
}

/** What was being done for a Service. */
export type SyncOperation = "ensure" | "update" | "delete";

/** Thrown when a step of a sync fails: with the Event that says so, and why as `cause`. */
export class SyncError extends CodedError {
  readonly code = "SYNC_FAILED";
  readonly operation: SyncOperation;
  /** Reason of the Event; the message is its message. */
  readonly reason: string;

  constructor(event: { operation: SyncOperation; reason: string; message: string }, cause: unknown) {
    super(`${event.message}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "SyncError";
    this.operation = event.operation;
    this.reason = event.reason;
  }
}
