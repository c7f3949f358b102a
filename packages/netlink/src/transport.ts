/** The edge to the kernel, as conversations see it. */

/** Families of netlink sockets. */
export const NetlinkFamily = { ROUTE: 0, NETFILTER: 12, GENERIC: 16 } as const;

/** What one call received. */
export interface Arrival {
  /** Good until the next call of `receive`. */
  readonly bytes: Buffer;
  /** It was longer than there was room. */
  readonly truncated: boolean;
}

/** A netlink socket that never waits. */
export interface NetlinkTransport {
  /** Sends one write; false if the kernel has no room for it now. Throws SystemCallError. */
  send(bytes: Uint8Array): boolean;
  /** Everything that waits, as far as there is room; empty if nothing waits. Throws {@link ArrivalsLostError} once after a loss. */
  receive(): readonly Arrival[];
  /** Joins a multicast group, by its number. */
  join(group: number): void;
  /** Closes it; a second time does nothing. */
  close(): void;
}

/** Opens the transport of a family. */
export type OpenTransport = (family: number) => NetlinkTransport;

/** Thrown by `receive` when the kernel had more to say than the buffer holds. What is still in the buffer can be received. */
export class ArrivalsLostError extends Error {
  constructor(options?: ErrorOptions) {
    super("the kernel dropped messages for want of room", options);
    this.name = "ArrivalsLostError";
  }
}
