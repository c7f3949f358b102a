/**
 * Arrays of `struct mmsghdr` with everything that they point to, laid out once in one ArrayBuffer that is never given away: a call for
 * many datagrams needs no preparation but a few numbers.
 *
 * struct mmsghdr, 64 bytes: 0 address, 8 its length (u32), 16 pieces, 24 their count, 32 and 40 control data, 48 flags (i32),
 * 56 the datagram's length (u32). A piece (struct iovec), 16 bytes: address and length.
 */
import { libc } from "./libc.ts";
import { maxAddressBytes } from "./socket-address.ts";

const headerBytes = 64;
const pieceBytes = 16;
/** Room of an address, so that the next begins at a multiple of 4. */
export const addressRoom = 32;

/** Where each part of entry `index` is. */
export class MessageHeaders {
  readonly count: number;
  readonly slotBytes: number;
  /** Address of the first header. */
  readonly pointer: bigint;
  /** All of it. */
  readonly bytes: Buffer;
  /** The same as 32-bit words. */
  readonly words: Uint32Array;
  readonly #pieces: number;
  readonly #addresses: number;
  readonly #slots: number;

  constructor(options: { readonly count: number; readonly slotBytes: number }) {
    const { count, slotBytes } = options;
    this.count = count;
    this.slotBytes = slotBytes;
    this.#pieces = count * headerBytes;
    this.#addresses = this.#pieces + count * pieceBytes;
    this.#slots = this.#addresses + count * addressRoom;
    const memory = new ArrayBuffer(this.#slots + count * slotBytes);
    this.bytes = Buffer.from(memory);
    this.words = new Uint32Array(memory, 0, this.#slots / 4);
    const view = new DataView(memory);
    this.pointer = libc().addressOf(view);
    const put = (at: number, value: bigint): void => view.setBigUint64(at, value, true);
    for (let index = 0; index < count; index++) {
      const header = index * headerBytes;
      const piece = this.#pieces + index * pieceBytes;
      put(header, this.pointer + BigInt(this.#addresses + index * addressRoom));
      view.setUint32(header + 8, maxAddressBytes, true);
      put(header + 16, this.pointer + BigInt(piece));
      put(header + 24, 1n);
      put(piece, this.pointer + BigInt(this.slot(index)));
      put(piece + 8, BigInt(slotBytes));
    }
  }

  /** Offset of the bytes of a datagram. */
  slot(index: number): number {
    return this.#slots + index * this.slotBytes;
  }

  /** Offset of its address. */
  address(index: number): number {
    return this.#addresses + index * addressRoom;
  }

  /** Word of the length of its address. */
  addressLengthWord(index: number): number {
    return (index * headerBytes + 8) / 4;
  }

  /** Word of its flags. */
  flagsWord(index: number): number {
    return (index * headerBytes + 48) / 4;
  }

  /** Word of how many bytes were received. */
  receivedWord(index: number): number {
    return (index * headerBytes + 56) / 4;
  }

  /** Word of how many bytes to send; the upper half of that number stays 0. */
  sendWord(index: number): number {
    return (this.#pieces + index * pieceBytes + 8) / 4;
  }

  /** Address of a header. */
  pointerTo(index: number): bigint {
    return this.pointer + BigInt(index * headerBytes);
  }
}
