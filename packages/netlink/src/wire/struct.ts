/** The fixed part at the beginning of a family's messages: numbers one after the other. */
import { NetlinkDecodeError } from "../errors.ts";
import type { NetlinkWriter } from "./netlink-writer.ts";

const widths = { u8: 1, u16: 2, u16BE: 2, u32: 4, i32: 4 } as const;

/** Kinds of numbers in a structure. */
export type StructField = keyof typeof widths;

/** A structure: every field is required when written; keys in the order of the bytes. */
export interface Struct<V> {
  readonly bytes: number;
  readonly fields: Readonly<Record<string, StructField>>;
  write(writer: NetlinkWriter, value: V): void;
  /** Throws {@link NetlinkDecodeError} where there is less than the structure between `start` and `end`. */
  read(source: Buffer, start: number, end: number): V;
}

/** Describes a structure by its fields in order. Padding has a name and is 0 for whoever asks. */
export function struct<const F extends Readonly<Record<string, StructField>>>(
  fields: F,
): Struct<{ readonly [K in keyof F]: number }> {
  const layout = Object.entries(fields);
  const bytes = layout.reduce((sum, [, kind]) => sum + widths[kind], 0);
  return {
    bytes,
    fields,
    write(writer, value) {
      const values = value as Readonly<Record<string, number>>;
      for (const [name, kind] of layout) writer[kind](values[name] ?? 0);
    },
    read(source, start, end) {
      if (end - start < bytes || end > source.length) {
        throw new NetlinkDecodeError(start, `${bytes} bytes belong here, not ${end - start}`);
      }
      const values: Record<string, number> = {};
      let at = start;
      for (const [name, kind] of layout) {
        values[name] = readField(source, at, kind);
        at += widths[kind];
      }
      return values as { readonly [K in keyof F]: number };
    },
  };
}

function readField(source: Buffer, at: number, kind: StructField): number {
  switch (kind) {
    case "u8":
      return source.readUInt8(at);
    case "u16":
      return source.readUInt16LE(at);
    case "u16BE":
      return source.readUInt16BE(at);
    case "u32":
      return source.readUInt32LE(at);
    case "i32":
      return source.readInt32LE(at);
  }
}
