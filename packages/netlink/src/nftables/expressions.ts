/**
 * What rules are made of, as the kernel has it: a program of expressions on registers. Each expression is a name and a table of
 * attributes; `rule-expressions.ts` makes the usual ones.
 */
import { NetlinkDecodeError, NetlinkEncodeError } from "../errors.ts";
import {
  type AttributeCodec,
  AttributeFlag,
  attributeTypeMask,
  bytes,
  copyOf,
  i32BE,
  text,
  u16BE,
  u32BE,
  u64BE,
  u8,
  type ValueOf,
  zeroTerminated,
} from "../wire/attribute-codec.ts";
import { attributes, eachAttribute, list } from "../wire/attribute-table.ts";
import { NetlinkWriter } from "../wire/netlink-writer.ts";

/** What to do with a packet: a code of `NftVerdict`, and the chain for jump and goto. */
export const verdict = attributes({ code: [1, i32BE], chain: [2, zeroTerminated], chainId: [3, u32BE] });

/** A value in a register or an element: bytes, or a verdict. */
export const data = attributes({ value: [1, bytes(0, 64)], verdict: [2, verdict] });

/** See {@link data}. */
export type NftData = ValueOf<typeof data>;

const counter = attributes({ bytes: [1, u64BE], packets: [2, u64BE] });
const limit = attributes({
  rate: [1, u64BE],
  unit: [2, u64BE],
  burst: [3, u32BE],
  type: [4, u32BE],
  flags: [5, u32BE],
});
const quota = attributes({ bytes: [1, u64BE], flags: [2, u32BE], consumed: [4, u64BE] });
const connectionLimit = attributes({ count: [1, u32BE], flags: [2, u32BE] });
const last = attributes({ set: [1, u32BE], milliseconds: [2, u64BE] });

/** Expressions that keep something from packet to packet, and may stand in an element. They hold no others, so nothing nests for ever. */
const keeping = { counter, limit, quota, connlimit: connectionLimit, last } as const;

/** An expression of a table of them, or one that the table does not know. */
export type ExpressionOf<T extends Readonly<Record<string, AttributeCodec<unknown>>>> =
  | { [N in keyof T & string]: { readonly name: N; readonly data?: ValueOf<T[N]> } }[keyof T & string]
  | { readonly name: "other"; readonly called: string; readonly data?: Uint8Array };

const nameNumber = 1;
const dataNumber = 2;

function expressionCodec<T extends Readonly<Record<string, AttributeCodec<unknown>>>>(
  of: T,
): AttributeCodec<ExpressionOf<T>> {
  const byName = new Map<string, AttributeCodec<unknown>>(Object.entries(of));
  return {
    flags: AttributeFlag.NESTED,
    shape: { kind: "choice", key: "name", of },
    write(writer, expression) {
      const known = byName.get(expression.name);
      const name = expression.name === "other" ? (expression as { called: string }).called : expression.name;
      if (known === undefined && expression.name !== "other") {
        throw new NetlinkEncodeError(`there is no expression called ${expression.name}`);
      }
      let begin = writer.beginAttribute(nameNumber);
      writer.zeroTerminated(name);
      writer.endAttribute(begin);
      if (expression.data === undefined) return;
      begin = writer.beginAttribute(dataNumber | AttributeFlag.NESTED);
      if (known === undefined) writer.raw(expression.data as Uint8Array);
      else known.write(writer, expression.data);
      writer.endAttribute(begin);
    },
    read(source, start, end) {
      let called: string | undefined;
      let from = -1;
      let to = -1;
      eachAttribute(source, start, end, (type, first, last) => {
        const number = type & attributeTypeMask;
        if (number === nameNumber) called = zeroTerminated.read(source, first, last);
        else if (number === dataNumber) [from, to] = [first, last];
      });
      if (called === undefined) throw new NetlinkDecodeError(start, "an expression has no name");
      const codec = byName.get(called);
      if (codec === undefined) {
        const rest = from < 0 ? {} : { data: copyOf(source, from, to) };
        return { name: "other", called, ...rest };
      }
      const known = from < 0 ? { name: called } : { name: called, data: codec.read(source, from, to) };
      // The table was asked for the name, so name and data go together.
      return known as ExpressionOf<T>;
    },
  };
}

/** Expressions that an element may hold. */
export const keepingExpression = expressionCodec(keeping);

/** See {@link keepingExpression}. */
export type KeepingExpression = ValueOf<typeof keepingExpression>;

/** Every expression with its attributes. Registers are those of `NftRegister`. */
export const expressions = {
  ...keeping,
  payload: attributes({
    destination: [1, u32BE],
    base: [2, u32BE],
    offset: [3, u32BE],
    length: [4, u32BE],
    source: [5, u32BE],
    checksumType: [6, u32BE],
    checksumOffset: [7, u32BE],
    checksumFlags: [8, u32BE],
  }),
  meta: attributes({ destination: [1, u32BE], key: [2, u32BE], source: [3, u32BE] }),
  ct: attributes({ destination: [1, u32BE], key: [2, u32BE], direction: [3, u8], source: [4, u32BE] }),
  cmp: attributes({ source: [1, u32BE], operation: [2, u32BE], data: [3, data] }),
  range: attributes({ source: [1, u32BE], operation: [2, u32BE], from: [3, data], to: [4, data] }),
  bitwise: attributes({
    source: [1, u32BE],
    destination: [2, u32BE],
    length: [3, u32BE],
    mask: [4, data],
    xor: [5, data],
    operation: [6, u32BE],
    data: [7, data],
  }),
  byteorder: attributes({
    source: [1, u32BE],
    destination: [2, u32BE],
    operation: [3, u32BE],
    length: [4, u32BE],
    size: [5, u32BE],
  }),
  lookup: attributes({
    set: [1, zeroTerminated],
    source: [2, u32BE],
    destination: [3, u32BE],
    setId: [4, u32BE],
    flags: [5, u32BE],
  }),
  immediate: attributes({ destination: [1, u32BE], data: [2, data] }),
  nat: attributes({
    type: [1, u32BE],
    family: [2, u32BE],
    addressMin: [3, u32BE],
    addressMax: [4, u32BE],
    portMin: [5, u32BE],
    portMax: [6, u32BE],
    flags: [7, u32BE],
  }),
  masq: attributes({ flags: [1, u32BE], portMin: [2, u32BE], portMax: [3, u32BE] }),
  redir: attributes({ portMin: [1, u32BE], portMax: [2, u32BE], flags: [3, u32BE] }),
  reject: attributes({ type: [1, u32BE], code: [2, u8] }),
  numgen: attributes({ destination: [1, u32BE], modulus: [2, u32BE], type: [3, u32BE], offset: [4, u32BE] }),
  hash: attributes({
    source: [1, u32BE],
    destination: [2, u32BE],
    length: [3, u32BE],
    modulus: [4, u32BE],
    seed: [5, u32BE],
    offset: [6, u32BE],
    type: [7, u32BE],
  }),
  objref: attributes({
    type: [1, u32BE],
    name: [2, text],
    source: [3, u32BE],
    set: [4, zeroTerminated],
    setId: [5, u32BE],
  }),
  dynset: attributes({
    set: [1, zeroTerminated],
    setId: [2, u32BE],
    operation: [3, u32BE],
    sourceKey: [4, u32BE],
    sourceData: [5, u32BE],
    timeout: [6, u64BE],
    expression: [7, keepingExpression],
    flags: [9, u32BE],
    expressions: [10, list(1, keepingExpression)],
  }),
  fib: attributes({ destination: [1, u32BE], result: [2, u32BE], flags: [3, u32BE] }),
  log: attributes({
    group: [1, u16BE],
    prefix: [2, zeroTerminated],
    snapLength: [3, u32BE],
    queueThreshold: [4, u16BE],
    level: [5, u32BE],
    flags: [6, u32BE],
  }),
  notrack: attributes({}),
} as const;

/** One expression of a rule. */
export const expression = expressionCodec(expressions);

/** See {@link expression}. */
export type NftExpression = ValueOf<typeof expression>;

/** What a counter counted. */
export interface Counted {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** The data of a named counter, from its bytes; throws NetlinkDecodeError. */
export function readCounter(bytes: Uint8Array): Counted {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const { packets = 0n, bytes: sum = 0n } = counter.read(source, 0, source.length);
  return { packets, bytes: sum };
}

/** The bytes of a named counter's data. */
export function writeCounter(counted: Counted): Uint8Array {
  const writer = new NetlinkWriter();
  counter.write(writer, { bytes: counted.bytes, packets: counted.packets });
  return Uint8Array.from(writer.bytes());
}
