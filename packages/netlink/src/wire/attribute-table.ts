/**
 * Attributes one after the other, each with its number: as a whole message's, nested in another attribute, or as a list.
 *
 * A value is an object with a key for each attribute that is there. Attributes are written in the order of the keys, and keys are made
 * in the order in which attributes were read, so that what was read is written again byte for byte. An attribute that the table does not
 * know is kept under `#` and its number with flag bits.
 */
import { NetlinkDecodeError, NetlinkEncodeError } from "../errors.ts";
import { type AttributeCodec, AttributeFlag, attributeTypeMask, copyOf } from "./attribute-codec.ts";
import type { NetlinkWriter } from "./netlink-writer.ts";

/** Attributes by the names of their keys: the kernel's number, and what it holds. */
export type Fields = Readonly<Record<string, readonly [number, AttributeCodec<unknown>]>>;

/** Attributes that a table does not know, by number with flag bits. */
export type UnknownAttributes = { readonly [key: `#${number}`]: Uint8Array };

/** The object that a table of attributes stands for: nothing is required, the kernel says what it wants. */
export type TableValue<F extends Fields> = {
  readonly [K in keyof F]?: F[K] extends readonly [number, AttributeCodec<infer V>] ? V : never;
} & UnknownAttributes;

const headerBytes = 4;

/** Calls `visit` for each attribute between `start` and `end`; throws {@link NetlinkDecodeError} at the first that does not fit. */
export function eachAttribute(
  source: Buffer,
  start: number,
  end: number,
  visit: (type: number, start: number, end: number) => void,
): void {
  if (end > source.length) throw new NetlinkDecodeError(start, "there are fewer bytes than were announced");
  let at = start;
  while (end - at >= headerBytes) {
    const length = source.readUInt16LE(at);
    if (length < headerBytes || at + length > end) {
      throw new NetlinkDecodeError(at, `an attribute of ${length} bytes does not fit into ${end - at}`);
    }
    visit(source.readUInt16LE(at + 2), at + headerBytes, at + length);
    at += (length + 3) & ~3;
  }
  // The last attribute's padding may be left out.
  if (at < end) throw new NetlinkDecodeError(at, `${end - at} bytes are left over`);
}

/** A table of attributes. `nested` is whether the bit that says so is set when it is written inside another attribute. */
export function attributes<const F extends Fields>(
  fields: F,
  { nested = true }: { readonly nested?: boolean } = {},
): AttributeCodec<TableValue<F>> {
  const byName = new Map(Object.entries(fields));
  const byNumber = new Map([...byName].map(([name, [number, codec]]) => [number, { name, codec }] as const));
  return {
    flags: nested ? AttributeFlag.NESTED : 0,
    shape: { kind: "table", fields },
    write(writer, value) {
      const values = value as Readonly<Record<string, unknown>>;
      for (const name in values) {
        const given = values[name];
        if (given === undefined) continue;
        const field = byName.get(name);
        if (field === undefined) {
          writeUnknown(writer, name, given);
          continue;
        }
        const [number, codec] = field;
        const begin = writer.beginAttribute(number | codec.flags);
        codec.write(writer, given);
        writer.endAttribute(begin);
      }
    },
    read(source, start, end) {
      const values: Record<string, unknown> = {};
      eachAttribute(source, start, end, (type, from, to) => {
        const field = byNumber.get(type & attributeTypeMask);
        if (field === undefined) values[`#${type}`] = copyOf(source, from, to);
        else values[field.name] = field.codec.read(source, from, to);
      });
      return values as TableValue<F>;
    },
  };
}

/**
 * Any number of the same, nested in one attribute. Each is written under `number`, or, `counted`, under 1, 2, 3 and so on, as libnftnl
 * does it; the kernel does not look at the numbers, and neither does `read`.
 */
export function list<V>(number: number | "counted", item: AttributeCodec<V>): AttributeCodec<readonly V[]> {
  return {
    flags: AttributeFlag.NESTED,
    shape: { kind: "list", item },
    write(writer, values) {
      let count = 0;
      for (const value of values) {
        count += 1;
        const type = number === "counted" ? count & attributeTypeMask : number;
        const begin = writer.beginAttribute(type | item.flags);
        item.write(writer, value);
        writer.endAttribute(begin);
      }
    },
    read(source, start, end) {
      const values: V[] = [];
      eachAttribute(source, start, end, (_type, from, to) => values.push(item.read(source, from, to)));
      return values;
    },
  };
}

function writeUnknown(writer: NetlinkWriter, name: string, value: unknown): void {
  const type = /^#(\d{1,5})$/.exec(name)?.[1];
  if (type === undefined || !(value instanceof Uint8Array)) {
    throw new NetlinkEncodeError(`there is no attribute called ${name}`);
  }
  const begin = writer.beginAttribute(Number(type));
  writer.raw(value);
  writer.endAttribute(begin);
}
