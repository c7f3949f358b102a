/** Base of every error of Fairlead that a caller may want to tell apart: `code` is stable, the message is for people. */
export abstract class CodedError extends Error {
  abstract readonly code: string;
}

/** Thrown when a value from outside is refused: `field` is its path in the input, `reason` what is wrong with it. */
export class InvalidInputError extends CodedError {
  readonly code = "INVALID_INPUT";
  readonly field: string;
  readonly reason: string;

  constructor(field: string, reason: string, options?: ErrorOptions) {
    super(`${field}: ${reason}`, options);
    this.name = "InvalidInputError";
    this.field = field;
    this.reason = reason;
  }
}
