/** What keeps a command from being run in the guest, each kind with its own stable code. */

/** Thrown when this machine cannot run the guest, with what to do about it. */
export class GuestUnavailableError extends Error {
  readonly code = "GUEST_UNAVAILABLE";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "GuestUnavailableError";
  }
}

/** Thrown when the guest ended without saying how the command did; the message ends with what its console showed. */
export class GuestFailedError extends Error {
  readonly code = "GUEST_FAILED";

  constructor(message: string) {
    super(message);
    this.name = "GuestFailedError";
  }
}

/** Thrown when the guest was ended because its time was over. */
export class GuestTimeLimitError extends Error {
  readonly code = "GUEST_TIME_LIMIT";

  constructor(message: string) {
    super(message);
    this.name = "GuestTimeLimitError";
  }
}
