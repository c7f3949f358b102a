/** Arbitrary values of anything that the wire's descriptions describe. */
import * as fc from "fast-check";
import type { AttributeCodec, Shape } from "../../src/wire/attribute-codec.ts";
import type { Struct, StructField } from "../../src/wire/struct.ts";
import type { AnyLayout } from "./layouts.ts";

/** Most entries of a list and bytes of a text or of bytes: attributes in attributes must stay below 64 KiB. */
const maxItems = 3;
const maxBytes = 24;

/** A value that a codec can write. */
export function arbitraryOf(codec: AttributeCodec<unknown>): fc.Arbitrary<unknown> {
  return ofShape(codec.shape);
}

/** What a message of a layout may hold. */
export function arbitraryContent(layout: AnyLayout): fc.Arbitrary<{ header: unknown; attributes: unknown }> {
  return fc.record({ header: arbitraryStruct(layout.header), attributes: arbitraryOf(layout.attributes) });
}

function ofShape(shape: Shape): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case "integer":
      return fc.integer({ min: shape.min, max: shape.max });
    case "bigint":
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case "text":
      return fc.string({ unit: "grapheme", maxLength: maxBytes }).filter((text) => !text.includes("\0"));
    case "flag":
      return fc.constant(true);
    case "bytes":
      return fc.uint8Array({ minLength: shape.min, maxLength: Math.min(shape.max, shape.min + maxBytes) });
    case "list":
      return fc.array(arbitraryOf(shape.item), { maxLength: maxItems });
    case "table": {
      const entries = Object.entries(shape.fields);
      if (entries.length === 0) return fc.constant({});
      // Any of the keys, in any order: what was read must keep it.
      return fc
        .shuffledSubarray(entries)
        .chain((chosen) =>
          fc
            .tuple(...chosen.map(([, [, codec]]) => arbitraryOf(codec)))
            .map((values) => Object.fromEntries(chosen.map(([name], index) => [name, values[index]] as const))),
        );
    }
    case "choice":
      return fc.oneof(
        ...Object.entries(shape.of).map(([name, codec]) =>
          fc.oneof(
            fc.constant({ [shape.key]: name }),
            arbitraryOf(codec).map((data) => ({ [shape.key]: name, data })),
          ),
        ),
        fc.uint8Array({ maxLength: maxBytes }).map((data) => ({ [shape.key]: "other", called: "unheard-of", data })),
      );
  }
}

const ranges: Record<StructField, readonly [number, number]> = {
  u8: [0, 0xff],
  u16: [0, 0xffff],
  u16BE: [0, 0xffff],
  u32: [0, 0xffff_ffff],
  i32: [-0x8000_0000, 0x7fff_ffff],
};

function arbitraryStruct(struct: Struct<unknown>): fc.Arbitrary<unknown> {
  return fc.record(
    Object.fromEntries(
      Object.entries(struct.fields).map(([name, kind]) => {
        const [min, max] = ranges[kind];
        return [name, fc.integer({ min, max })];
      }),
    ),
    { noNullPrototype: true },
  );
}
