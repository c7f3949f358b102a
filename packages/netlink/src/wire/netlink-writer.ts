/** Writes netlink messages one after the other into memory that grows as needed. The bytes are good until the next write. */
import { NetlinkEncodeError } from "../errors.ts";

/** Most bytes of one write to the kernel. 250,000 endpoints as map elements take about 25 MB. */
export const maxWriteBytes = 128 * 1024 * 1024;

/** Most bytes of one attribute with its header: its length is a 16-bit number. */
export const maxAttributeBytes = 65_535;

/** Bytes of memory to begin with. */
const firstBytes = 4096;

/** Bytes of memory that are kept for what is written next; what one large write took beyond is given back. */
const keptBytes = 4 * 1024 * 1024;

/** See the module. Values are written in the host's byte order, which is little-endian wherever Fairlead runs, unless the name ends in BE. */
export class NetlinkWriter {
  #memory = Buffer.from(new ArrayBuffer(firstBytes));
  #length = 0;
  #message = -1;

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** What was written, not copied. */
  bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  /** Forgets all, and keeps the memory for what is written next, unless it is very large. */
  clear(): void {
    if (this.#memory.length > keptBytes) this.#memory = Buffer.from(new ArrayBuffer(firstBytes));
    this.#length = 0;
    this.#message = -1;
  }

  /** Begins a message; its length is filled in by {@link endMessage}. */
  beginMessage(header: { readonly type: number; readonly flags: number; readonly sequence: number }): void {
    this.#message = this.#length;
    this.u32(0);
    this.u16(header.type);
    this.u16(header.flags);
    this.u32(header.sequence);
    this.u32(0);
  }

  endMessage(): void {
    if (this.#message < 0) throw new NetlinkEncodeError("no message was begun");
    this.#memory.writeUInt32LE(this.#length - this.#message, this.#message);
    this.align();
    this.#message = -1;
  }

  /** Begins an attribute (`type` with its flag bits); returns what {@link endAttribute} wants. */
  beginAttribute(type: number): number {
    const at = this.#length;
    this.u16(0);
    this.u16(type);
    return at;
  }

  endAttribute(begin: number): void {
    const length = this.#length - begin;
    if (length > maxAttributeBytes) {
      throw new NetlinkEncodeError(`an attribute of ${length} bytes is longer than ${maxAttributeBytes}`);
    }
    this.#memory.writeUInt16LE(length, begin);
    this.align();
  }

  u8(value: number): void {
    // Asked for first, as everywhere here: making room may replace the memory.
    const at = this.#room(1);
    this.#memory[at] = checked(value, 0, 0xff);
  }

  u16(value: number): void {
    const at = this.#room(2);
    this.#memory.writeUInt16LE(checked(value, 0, 0xffff), at);
  }

  u16BE(value: number): void {
    const at = this.#room(2);
    this.#memory.writeUInt16BE(checked(value, 0, 0xffff), at);
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#memory.writeUInt32LE(checked(value, 0, 0xffff_ffff), at);
  }

  u32BE(value: number): void {
    const at = this.#room(4);
    this.#memory.writeUInt32BE(checked(value, 0, 0xffff_ffff), at);
  }

  i32(value: number): void {
    const at = this.#room(4);
    this.#memory.writeInt32LE(checked(value, -0x8000_0000, 0x7fff_ffff), at);
  }

  i32BE(value: number): void {
    const at = this.#room(4);
    this.#memory.writeInt32BE(checked(value, -0x8000_0000, 0x7fff_ffff), at);
  }

  u64(value: bigint): void {
    const at = this.#room(8);
    this.#memory.writeBigUInt64LE(checked64(value), at);
  }

  u64BE(value: bigint): void {
    const at = this.#room(8);
    this.#memory.writeBigUInt64BE(checked64(value), at);
  }

  raw(bytes: Uint8Array): void {
    const { length } = bytes;
    const at = this.#room(length);
    const memory = this.#memory;
    // A call into native code costs more than copying what most attributes hold.
    if (length > 32) memory.set(bytes, at);
    else for (let index = 0; index < length; index++) memory[at + index] = bytes[index] as number;
  }

  /** A text and the zero byte at its end. */
  zeroTerminated(text: string): void {
    this.text(text);
    this.u8(0);
  }

  text(text: string): void {
    if (text.includes("\0")) throw new NetlinkEncodeError("a text may not hold a zero byte");
    const at = this.#room(Buffer.byteLength(text));
    this.#memory.write(text, at);
  }

  /** Zero bytes up to the next multiple of 4. */
  align(): void {
    const padding = -this.#length & 3;
    if (padding === 0) return;
    const at = this.#room(padding);
    this.#memory.fill(0, at, at + padding);
  }

  /** Makes room at the end; returns where it begins. */
  #room(bytes: number): number {
    const at = this.#length;
    const end = at + bytes;
    if (end > this.#memory.length) this.#grow(end);
    this.#length = end;
    return at;
  }

  #grow(wanted: number): void {
    if (wanted > maxWriteBytes) {
      throw new NetlinkEncodeError(`more than ${maxWriteBytes} bytes do not go into one write`);
    }
    const grown = Buffer.from(new ArrayBuffer(Math.min(maxWriteBytes, Math.max(wanted, this.#memory.length * 2))));
    grown.set(this.#memory.subarray(0, this.#length));
    this.#memory = grown;
  }
}

function checked(value: number, lowest: number, highest: number): number {
  if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
  throw new NetlinkEncodeError(`${value} is no whole number from ${lowest} to ${highest}`);
}

function checked64(value: bigint): bigint {
  if (typeof value === "bigint" && BigInt.asUintN(64, value) === value) return value;
  throw new NetlinkEncodeError(`${value} is no unsigned 64-bit number`);
}
