/** Datagrams that are gathered to be sent by one call. */
import { MessageHeaders } from "./message-headers.ts";
import type { ReceivedDatagrams } from "./received-datagrams.ts";
import { maxAddressBytes } from "./socket-address.ts";

/** See the module. */
export class OutgoingDatagrams {
  /** How it lies in memory; for this package. */
  readonly headers: MessageHeaders;
  #length = 0;

  /** Room for `count` datagrams of up to `bytes` bytes. */
  constructor(options: { readonly count: number; readonly bytes: number }) {
    this.headers = new MessageHeaders({ count: options.count, slotBytes: options.bytes });
  }

  /** Datagrams that wait to be sent. */
  get length(): number {
    return this.#length;
  }

  /** Room for the bytes of the next datagram: write them here, then call {@link reply}. */
  slot(): Buffer {
    const { headers } = this;
    if (this.#length >= headers.count) throw new RangeError("there is no room for another datagram");
    const at = headers.slot(this.#length);
    return headers.bytes.subarray(at, at + headers.slotBytes);
  }

  /** Sends `bytes` of {@link slot} to the sender of a received datagram, with the next `sendMany`. */
  reply(bytes: number, received: ReceivedDatagrams, index: number): void {
    const { headers } = this;
    if (this.#length >= headers.count || bytes > headers.slotBytes) throw new RangeError("there is no room for it");
    if (index >= received.length) throw new RangeError(`there is no datagram ${index}`);
    const from = received.headers;
    const target = headers.address(this.#length) / 4;
    const source = from.address(index) / 4;
    for (let word = 0; word < maxAddressBytes / 4; word++) {
      headers.words[target + word] = from.words[source + word] ?? 0;
    }
    const length = Math.min(from.words[from.addressLengthWord(index)] ?? 0, maxAddressBytes);
    headers.words[headers.addressLengthWord(this.#length)] = length;
    headers.words[headers.sendWord(this.#length)] = bytes;
    this.#length += 1;
  }

  /** Copies bytes to be sent to an address with the next `sendMany`. */
  add(bytes: Uint8Array, to: Uint8Array): void {
    const { headers } = this;
    if (bytes.length > headers.slotBytes || to.length > maxAddressBytes)
      throw new RangeError("there is no room for it");
    this.slot().set(bytes);
    headers.bytes.set(to, headers.address(this.#length));
    headers.words[headers.addressLengthWord(this.#length)] = to.length;
    headers.words[headers.sendWord(this.#length)] = bytes.length;
    this.#length += 1;
  }

  /** Forgets all; `sendMany` does that itself. */
  clear(): void {
    this.#length = 0;
  }
}
