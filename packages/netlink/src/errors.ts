/** What can go wrong between a process and the kernel, each kind with its own stable code. */
import { getSystemErrorName } from "node:util";
import { CodedError } from "@fairlead/types";

/** Thrown when bytes are not what their description says. Nothing of them was used. */
export class NetlinkDecodeError extends CodedError {
  readonly code = "NETLINK_DECODE";
  /** Offset of the fault within the bytes that were being read. */
  readonly offset: number;

  constructor(offset: number, reason: string) {
    super(`at byte ${offset}: ${reason}`);
    this.name = "NetlinkDecodeError";
    this.offset = offset;
  }
}

/** Thrown when a value does not fit its place on the wire. Nothing was sent. */
export class NetlinkEncodeError extends CodedError {
  readonly code = "NETLINK_ENCODE";

  constructor(reason: string) {
    super(reason);
    this.name = "NetlinkEncodeError";
  }
}

/** What the kernel said about one message that it refused. */
export interface Refusal {
  /** Which message of those that were sent together, from 0. */
  readonly index: number;
  /** Positive error number, and its name. */
  readonly errno: number;
  readonly code: string;
  /** The kernel's own words, where it had any (extended acknowledgement). */
  readonly message?: string;
  /** Offset of the attribute at fault, from the beginning of the refused message. */
  readonly offset?: number;
  /** Numbers of the attributes that lead to {@link offset}, from the outside in. */
  readonly path?: readonly number[];
  /** Number of an attribute that the kernel wanted and that was not there. */
  readonly missing?: number;
  /** Bytes with a meaning of the family's own. */
  readonly cookie?: Uint8Array;
}

/** Thrown when the kernel refuses. `code` is the name of the first error number (`EEXIST`), which callers tell cases apart by. */
export class NetlinkError extends CodedError {
  readonly code: string;
  readonly errno: number;
  /** What was asked for, in words. */
  readonly operation: string;
  /** Every refusal that came back, the first one first; never empty. */
  readonly refusals: readonly Refusal[];

  constructor(operation: string, refusals: readonly [Refusal, ...Refusal[]]) {
    const [first] = refusals;
    const more = refusals.length > 1 ? ` (and ${refusals.length - 1} more)` : "";
    super(`${operation}: ${sayRefusal(first)}${more}`);
    this.name = "NetlinkError";
    this.code = first.code;
    this.errno = first.errno;
    this.operation = operation;
    this.refusals = refusals;
  }
}

/** Thrown when the socket was closed before or while something was waited for. */
export class NetlinkClosedError extends CodedError {
  readonly code = "NETLINK_CLOSED";

  constructor(operation: string) {
    super(`${operation}: the netlink socket is closed`);
    this.name = "NetlinkClosedError";
  }
}

/** Thrown when the kernel did not answer in time. Whether it did what was asked is unknown. */
export class NetlinkTimeoutError extends CodedError {
  readonly code = "NETLINK_TIMEOUT";

  constructor(operation: string, ms: number) {
    super(`${operation}: no answer within ${ms} ms`);
    this.name = "NetlinkTimeoutError";
  }
}

/** Thrown when answers were lost for want of room. Whether the kernel did what was asked is unknown. */
export class NetlinkLossError extends CodedError {
  readonly code = "NETLINK_LOSS";

  constructor(operation: string, reason: string) {
    super(`${operation}: ${reason}`);
    this.name = "NetlinkLossError";
  }
}

/** Thrown when a list changed while it was read, each time it was tried. */
export class DumpInterruptedError extends CodedError {
  readonly code = "NETLINK_DUMP_INTERRUPTED";

  constructor(operation: string, tries: number) {
    super(`${operation}: the list changed while it was read, ${tries} times in a row`);
    this.name = "DumpInterruptedError";
  }
}

/** Thrown when more conversations wait for a socket than may. */
export class NetlinkBusyError extends CodedError {
  readonly code = "NETLINK_BUSY";

  constructor(operation: string, waiting: number) {
    super(`${operation}: ${waiting} conversations wait for this socket already`);
    this.name = "NetlinkBusyError";
  }
}

/** Name of a positive error number, `UNKNOWN` where Node has none. */
export function errorName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return "UNKNOWN";
  }
}

function sayRefusal({ code, errno, message, path, offset, missing, index }: Refusal): string {
  const where = path === undefined ? "" : ` at attribute ${path.join(".")} (byte ${offset})`;
  const lack = missing === undefined ? "" : `, attribute ${missing} is missing`;
  return `message ${index} was refused with ${code} (${errno})${message === undefined ? "" : `: ${message}`}${where}${lack}`;
}
