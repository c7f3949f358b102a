/** Why an address or a port could not be handed out; the messages are those of the Kubernetes API server. */
import { CodedError } from "@fairlead/types";

/** Thrown when the asked-for value lies outside the range. */
export class NotInRangeError extends CodedError {
  readonly code = "ALLOCATION_NOT_IN_RANGE";

  constructor(message: string) {
    super(message);
    this.name = "NotInRangeError";
  }
}

/** Thrown when the asked-for value has an owner. */
export class AlreadyAllocatedError extends CodedError {
  readonly code = "ALLOCATION_TAKEN";

  constructor(what: "IP" | "port") {
    super(`provided ${what} is already allocated`);
    this.name = "AlreadyAllocatedError";
  }
}

/** Thrown when every value of the range has an owner. */
export class RangeFullError extends CodedError {
  readonly code = "ALLOCATION_RANGE_FULL";

  constructor() {
    super("range is full");
    this.name = "RangeFullError";
  }
}
