/** What can be in the way of using a state folder. */
import { CodedError } from "@fairlead/types";

/** Thrown when another launcher works on the state folder. */
export class StateInUseError extends CodedError {
  readonly code = "STATE_IN_USE";

  constructor(stateDir: string, owner: string, options?: ErrorOptions) {
    super(`${stateDir} is in use by ${owner}: stop that one first, or choose another --state-dir`, options);
    this.name = "StateInUseError";
  }
}

/** Thrown when the state folder cannot be made, read or written. */
export class StateUnusableError extends CodedError {
  readonly code = "STATE_UNUSABLE";

  constructor(stateDir: string, cause: unknown) {
    super(`${stateDir} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "StateUnusableError";
  }
}
