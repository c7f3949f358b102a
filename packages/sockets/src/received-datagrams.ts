/** Room for datagrams that are received by one call. */
import { MessageHeaders } from "./message-headers.ts";
import { maxAddressBytes } from "./socket-address.ts";

/** Flag of a datagram that was cut off. */
const MSG_TRUNC = 0x20;

/** See the module. What is in it holds until the next `receiveMany` with it. */
export class ReceivedDatagrams {
  /** How it lies in memory; for this package. */
  readonly headers: MessageHeaders;
  #received = 0;

  /** Room for `count` datagrams of up to `bytes` bytes; longer ones are cut off. */
  constructor(options: { readonly count: number; readonly bytes: number }) {
    this.headers = new MessageHeaders({ count: options.count, slotBytes: options.bytes });
  }

  /** Datagrams that fit. */
  get room(): number {
    return this.headers.count;
  }

  /** Datagrams that the last call received. */
  get length(): number {
    return this.#received;
  }

  /** Notes what a call received; for this package. */
  filled(count: number): void {
    this.#received = count;
  }

  /** Makes the entries of the last call ready for the next one; for this package. */
  rearm(): void {
    const { headers } = this;
    for (let index = 0; index < this.#received; index++) {
      // The kernel wrote the length of the address that it found.
      headers.words[headers.addressLengthWord(index)] = maxAddressBytes;
    }
    this.#received = 0;
  }

  /** A datagram's bytes, not copied. */
  bytes(index: number): Buffer {
    this.#check(index);
    const { headers } = this;
    const at = headers.slot(index);
    const length = headers.words[headers.receivedWord(index)] ?? 0;
    return headers.bytes.subarray(at, at + Math.min(length, headers.slotBytes));
  }

  /** Whether the datagram was longer than its room. */
  truncated(index: number): boolean {
    this.#check(index);
    return ((this.headers.words[this.headers.flagsWord(index)] ?? 0) & MSG_TRUNC) !== 0;
  }

  /** Whether the sender of an IP datagram has a port that can be answered. */
  hasPort(index: number): boolean {
    this.#check(index);
    return this.headers.bytes.readUInt16BE(this.headers.address(index) + 2) !== 0;
  }

  /** A copy of the sender's address as the kernel wrote it. */
  sender(index: number): Uint8Array {
    this.#check(index);
    const { headers } = this;
    const at = headers.address(index);
    const length = Math.min(headers.words[headers.addressLengthWord(index)] ?? 0, maxAddressBytes);
    return Uint8Array.from(headers.bytes.subarray(at, at + length));
  }

  #check(index: number): void {
    if (!(index >= 0 && index < this.#received)) throw new RangeError(`there is no datagram ${index}`);
  }
}
