/** What a system call failed with. */
import { getSystemErrorName } from "node:util";
import { CodedError } from "@fairlead/types";

/** A failed system call. `code` is the error's name (`EADDRINUSE`) as on Node's own errors, or `UNKNOWN`. */
export class SystemCallError extends CodedError {
  readonly code: string;
  /** The number behind `code`, positive. */
  readonly errno: number;
  /** Name of the call. */
  readonly syscall: string;

  constructor(syscall: string, errno: number) {
    const code = nameOf(errno);
    super(`${syscall} failed with ${code} (${errno})`);
    this.name = "SystemCallError";
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** System calls cannot be made in this process; the message says why. */
export class NoSystemCallsError extends CodedError {
  readonly code = "NO_SYSTEM_CALLS";

  constructor(reason: string, options?: ErrorOptions) {
    super(`system calls cannot be made: ${reason}`, options);
    this.name = "NoSystemCallsError";
  }
}

function nameOf(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return "UNKNOWN";
  }
}
