/** What is wrong with bytes that should be a DNS message. */
import { CodedError } from "@fairlead/types";

/** Thrown by the codec when bytes are no message, or a message cannot be written; `offset` is where. */
export class WireError extends CodedError {
  readonly code = "DNS_WIRE";
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(`${reason} (at byte ${offset})`);
    this.name = "WireError";
    this.offset = offset;
  }
}
