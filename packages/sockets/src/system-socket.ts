/** A socket by its system calls. It never waits: where the kernel would, calls say that nothing was done. */
import { constants } from "node:os";
import { libc } from "./libc.ts";
import type { OutgoingDatagrams } from "./outgoing-datagrams.ts";
import type { ReceivedDatagrams } from "./received-datagrams.ts";
import { maxAddressBytes } from "./socket-address.ts";
import { SystemCallError } from "./system-call-error.ts";

const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const F_DUPFD_CLOEXEC = 1030;
const { EAGAIN, EBADF, EINTR, ENOBUFS } = constants.errno;

/** Times that a call is made again when a signal broke it off. */
const MAX_INTERRUPTIONS = 8;

/** Bytes for one address or option on its way to the kernel. Calls return before the next one starts, so one room serves all. */
const scratch = Buffer.from(new ArrayBuffer(256));
const scratchLength = new DataView(scratch.buffer, 248, 4);

/** What became of datagrams. */
export interface Sent {
  /** Datagrams that the kernel took. */
  readonly sent: number;
  /** Datagrams that it did not take: for want of room, or as they cannot go where they should. */
  readonly lost: number;
}

/** Opens a socket; throws {@link SystemCallError}, and NoSystemCallsError where there are none. */
export function openSocket(options: {
  readonly family: number;
  readonly type: number;
  readonly protocol?: number;
}): SystemSocket {
  const { family, type, protocol = 0 } = options;
  const fd = passed("socket", libc().socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  return new SystemSocket(fd);
}

/** See the module. After `close` every other call throws EBADF. */
export class SystemSocket {
  readonly #libc = libc();
  #fd: number;

  /** Takes over a file descriptor: nobody else may close it. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Binds to an address as bytes. */
  bind(address: Uint8Array): void {
    const pointer = this.#put(address);
    passed("bind", this.#libc.bind(this.#open("bind"), pointer, address.length));
  }

  /** The address that it is bound to, as bytes. */
  localAddress(): Uint8Array {
    const pointer = this.#libc.addressOf(scratch);
    scratchLength.setUint32(0, maxAddressBytes, true);
    const length = this.#libc.addressOf(scratchLength);
    passed("getsockname", this.#libc.getsockname(this.#open("getsockname"), pointer, length));
    return Uint8Array.from(scratch.subarray(0, Math.min(scratchLength.getUint32(0, true), maxAddressBytes)));
  }

  /** Sets an option whose value is a number or, as of some families, bytes. */
  setOption(level: number, option: number, value: number | Uint8Array): void {
    const bytes = typeof value === "number" ? Buffer.from(Int32Array.of(value).buffer) : value;
    const pointer = this.#put(bytes);
    passed("setsockopt", this.#libc.setsockopt(this.#open("setsockopt"), level, option, pointer, bytes.length));
  }

  /** The value of an option that is a number. */
  option(level: number, option: number): number {
    const pointer = this.#put(new Uint8Array(4));
    scratchLength.setUint32(0, 4, true);
    const length = this.#libc.addressOf(scratchLength);
    passed("getsockopt", this.#libc.getsockopt(this.#open("getsockopt"), level, option, pointer, length));
    return scratch.readInt32LE(0);
  }

  /** Receives what waits, as far as there is room; returns how many, 0 if nothing waits. */
  receiveMany(into: ReceivedDatagrams): number {
    const fd = this.#open("recvmmsg");
    into.rearm();
    const { pointer, count } = into.headers;
    for (let tries = 1; ; tries++) {
      const result = this.#libc.recvmmsg(fd, pointer, count, MSG_DONTWAIT);
      if (result >= 0) {
        into.filled(result);
        return result;
      }
      if (result === -EAGAIN) return 0;
      if (result !== -EINTR || tries >= MAX_INTERRUPTIONS) throw new SystemCallError("recvmmsg", -result);
    }
  }

  /**
   * Sends all that was gathered, and forgets it. A datagram that cannot go where it should is left out; where the kernel has no
   * room the rest is, as the network does it.
   */
  sendMany(gathered: OutgoingDatagrams): Sent {
    const fd = this.#open("sendmmsg");
    const { headers, length } = gathered;
    gathered.clear();
    let sent = 0;
    // Each round either gets on by one datagram at least, or ends.
    for (let at = 0, interruptions = 0; at < length;) {
      const result = this.#libc.sendmmsg(fd, headers.pointerTo(at), length - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (result > 0) {
        sent += result;
        at += result;
      } else if (result === -EINTR && interruptions < MAX_INTERRUPTIONS) interruptions += 1;
      else if (result === -EAGAIN || result === -ENOBUFS || result === -EBADF || result === 0) break;
      else at += 1;
    }
    return { sent, lost: length - sent };
  }

  /** Sends one datagram; false if the kernel has no room for it now. */
  send(bytes: Uint8Array, to: Uint8Array): boolean {
    const address = this.#put(to);
    const pointer = this.#libc.addressOf(bytes);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const result = this.#libc.sendto(this.#open("sendto"), pointer, BigInt(bytes.length), flags, address, to.length);
    if (result === -EAGAIN || result === -ENOBUFS) return false;
    passed("sendto", result);
    return true;
  }

  /** Another file descriptor of the same socket, for whoever closes it; it is not inherited by child processes. */
  duplicate(): number {
    return passed("fcntl", this.#libc.fcntl(this.#open("fcntl"), F_DUPFD_CLOEXEC, 0));
  }

  /** Gives the descriptor away: whoever takes it closes it, and this object is as after `close`. */
  detach(): number {
    const fd = this.#open("detach");
    this.#fd = -1;
    return fd;
  }

  /** Closes it; a second time does nothing. */
  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    // Linux gives the descriptor free whatever close says, so a second try could close somebody else's.
    if (fd !== -1) this.#libc.close(fd);
  }

  #open(call: string): number {
    if (this.#fd === -1) throw new SystemCallError(call, EBADF);
    return this.#fd;
  }

  #put(bytes: Uint8Array): bigint {
    if (bytes.length > 128) throw new RangeError("an address or option has 128 bytes at most");
    scratch.set(bytes);
    return this.#libc.addressOf(scratch);
  }
}

function passed(call: string, result: number): number {
  if (result < 0) throw new SystemCallError(call, -result);
  return result;
}
