/** Writes a message piece by piece, with compressed names, within a bound. */
import { headerBytes } from "./constants.ts";
import { checkName } from "./name.ts";
import type { Name } from "./name.ts";
import { addressBytes, typeOf } from "./records.ts";
import type { RecordData, ResourceRecord } from "./records.ts";
import { WireError } from "./wire-error.ts";

/** Largest message, in bytes: the length before a message over TCP has 16 bits. */
export const MAX_MESSAGE_BYTES = 65_535;

/** A pointer has 14 bits, so names that stand later cannot be pointed to. */
const maxPointer = 0x3fff;

/** See the module. The header is left to the caller. */
export class MessageWriter {
  readonly #limit: number;
  readonly #names = new Map<string, number>();
  #bytes: Buffer;
  /** Where the next byte goes. */
  length = headerBytes;
  /** Where the serial of the last SOA record stands; -1 if there is none. */
  serialAt = -1;

  /** `limit` in bytes, at most {@link MAX_MESSAGE_BYTES}. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#bytes = Buffer.alloc(512);
  }

  /** What was written so far; the caller may keep it once nothing more is written. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  /** Writes a question; throws {@link WireError} if it does not fit. */
  question(name: Name, type: number, recordClass: number): void {
    this.#name(name, true);
    this.#u16(type);
    this.#u16(recordClass);
    if (this.length > this.#limit) throw new WireError("the question does not fit", this.length);
  }

  /** Writes a record, or nothing at all and returns false if it would not fit. */
  record(record: ResourceRecord): boolean {
    const start = this.length;
    const serialAt = this.serialAt;
    this.#name(record.name, true);
    this.#u16(typeOf(record.data));
    this.#u16(record.class);
    this.#u32(record.ttl);
    const size = this.length;
    this.#u16(0);
    this.#data(record.data);
    if (this.length - size - 2 > 0xffff) throw new WireError("a record's data is too long", start);
    if (this.length > this.#limit) {
      this.length = start;
      this.serialAt = serialAt;
      for (const [name, at] of this.#names) if (at >= start) this.#names.delete(name);
      return false;
    }
    this.#bytes.writeUInt16BE(this.length - size - 2, size);
    return true;
  }

  #data(data: RecordData): void {
    switch (data.kind) {
      case "A":
      case "AAAA":
        return this.#raw(addressBytes(data.address));
      case "CNAME":
      case "NS":
      case "PTR":
        return this.#name(data.target, true);
      case "SRV":
        this.#u16(data.priority);
        this.#u16(data.weight);
        this.#u16(data.port);
        // RFC 2782 forbids compression here.
        return this.#name(data.target, false);
      case "TXT":
        for (const text of data.texts) {
          if (text.length > 255) throw new WireError("a text of more than 255 bytes", this.length);
          this.#raw(Buffer.from([text.length]));
          this.#raw(Buffer.from(text, "latin1"));
        }
        return;
      case "SOA":
        this.#name(data.mname, true);
        this.#name(data.rname, true);
        this.serialAt = this.length;
        for (const value of [data.serial, data.refresh, data.retry, data.expire, data.minimum]) this.#u32(value);
        return;
      case "raw":
        return this.#raw(data.bytes);
    }
  }

  #name(name: Name, compress: boolean): void {
    checkName(name);
    for (let index = 0; index < name.length; index++) {
      // A byte that no label's length can be keeps labels with dots apart from several labels.
      const rest = name.slice(index).join("\0\xff");
      const known = this.#names.get(rest);
      if (known !== undefined && compress) return this.#u16(0xc000 | known);
      if (known === undefined && this.length <= maxPointer) this.#names.set(rest, this.length);
      const label = name[index] ?? "";
      this.#raw(Buffer.from([label.length]));
      this.#raw(Buffer.from(label, "latin1"));
    }
    this.#raw(root);
  }

  #raw(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#bytes, this.length);
    this.length += bytes.length;
  }

  #u16(value: number): void {
    this.#reserve(2);
    this.length = this.#bytes.writeUInt16BE(value, this.length);
  }

  #u32(value: number): void {
    this.#reserve(4);
    this.length = this.#bytes.writeUInt32BE(value, this.length);
  }

  #reserve(more: number): void {
    if (this.length + more <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(this.#bytes.length * 2, this.length + more));
    this.#bytes.copy(grown, 0, 0, this.length);
    this.#bytes = grown;
  }
}

const root = Buffer.from([0]);
