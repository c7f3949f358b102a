/**
 * The usual expressions of rules. Each function makes one expression; a rule is an array of them. Registers are `NftRegister` numbers:
 * load a key's parts into 4-byte registers one after the other (8, 9, …; 1 is the same place as 8), and look it up from the first.
 */
import type { NftData, NftExpression } from "./expressions.ts";
import {
  CompareOperation,
  CtKey,
  DynamicSetOperation,
  FibFlag,
  FibResult,
  HashType,
  IcmpxCode,
  MetaKey,
  NatType,
  NftFamily,
  NftObjectType,
  NftVerdict,
  NumgenType,
  PayloadBase,
  RejectType,
} from "./nftables-numbers.ts";

/** Parts of packets that Services are matched by: base, offset and length of `payload`. */
export const packetField = {
  ipSource: [PayloadBase.network, 12, 4],
  ipDestination: [PayloadBase.network, 16, 4],
  ip6Source: [PayloadBase.network, 8, 16],
  ip6Destination: [PayloadBase.network, 24, 16],
  sourcePort: [PayloadBase.transport, 0, 2],
  destinationPort: [PayloadBase.transport, 2, 2],
} as const;

/** Loads a part of the packet into a register. */
export function payload(
  field: readonly [base: number, offset: number, length: number],
  destination: number,
): NftExpression {
  const [base, offset, length] = field;
  return { name: "payload", data: { destination, base, offset, length } };
}

/** Loads what `meta` knows. */
export function meta(key: keyof typeof MetaKey, destination: number): NftExpression {
  return { name: "meta", data: { key: MetaKey[key], destination } };
}

/** Sets the packet's mark, or whatever else of `meta` can be set. */
export function setMeta(key: keyof typeof MetaKey, source: number): NftExpression {
  return { name: "meta", data: { key: MetaKey[key], source } };
}

/** Loads what connection tracking knows; `direction` is 0 for the original one, 1 for the reply. */
export function ct(key: keyof typeof CtKey, destination: number, direction?: 0 | 1): NftExpression {
  return {
    name: "ct",
    data: { destination, key: CtKey[key], ...(direction === undefined ? {} : { direction }) },
  };
}

/** Goes on only if the register compares so with the bytes. */
export function compare(source: number, operation: keyof typeof CompareOperation, value: Uint8Array): NftExpression {
  return { name: "cmp", data: { source, operation: CompareOperation[operation], data: { value } } };
}

/** `destination = (source & mask) ^ xor`, bytes of the same length. */
export function bitwise(source: number, destination: number, mask: Uint8Array, xor: Uint8Array): NftExpression {
  return {
    name: "bitwise",
    data: { source, destination, length: mask.length, mask: { value: mask }, xor: { value: xor } },
  };
}

/** Goes on only if the key from `source` on is in the set (or, inverted, is not). A map's data comes into `destination`; 0 for verdicts. */
export function lookup(
  set: string,
  source: number,
  options: { readonly destination?: number; readonly inverted?: boolean; readonly setId?: number } = {},
): NftExpression {
  const { destination, inverted = false, setId } = options;
  return {
    name: "lookup",
    data: {
      set,
      source,
      ...(destination === undefined ? {} : { destination }),
      ...(setId === undefined ? {} : { setId }),
      ...(inverted ? { flags: 1 } : {}),
    },
  };
}

/** Loads bytes. */
export function immediate(destination: number, value: Uint8Array): NftExpression {
  return { name: "immediate", data: { destination, data: { value } } };
}

/** Data that is a verdict. */
export function verdictData(code: keyof typeof NftVerdict, chain?: string): NftData {
  return { verdict: { code: NftVerdict[code], ...(chain === undefined ? {} : { chain }) } };
}

/** Ends the rule with a verdict; jump and goto name a chain. */
export function verdictOf(code: keyof typeof NftVerdict, chain?: string): NftExpression {
  return { name: "immediate", data: { destination: 0, data: verdictData(code, chain) } };
}

/** Translates addresses to what is in the registers; without a register for the port it stays. */
export function nat(
  type: keyof typeof NatType,
  family: "ip" | "ip6",
  registers: { readonly address: number; readonly port?: number; readonly flags?: number },
): NftExpression {
  const { address, port, flags } = registers;
  return {
    name: "nat",
    data: {
      type: NatType[type],
      family: NftFamily[family],
      addressMin: address,
      ...(port === undefined ? {} : { portMin: port }),
      ...(flags === undefined ? {} : { flags }),
    },
  };
}

/** Translates the source to the address of the interface that the packet leaves by. */
export function masquerade(flags?: number): NftExpression {
  return flags === undefined ? { name: "masq", data: {} } : { name: "masq", data: { flags } };
}

/** Translates the destination to this machine, to the port in the register. */
export function redirect(port: number): NftExpression {
  return { name: "redir", data: { portMin: port } };
}

/** Refuses with a reset of the TCP connection. */
export const rejectWithReset: NftExpression = { name: "reject", data: { type: RejectType.tcpReset, code: 0 } };

/** Refuses with an ICMP message in the packet's own family; for tables of the family inet. */
export function rejectWithIcmpx(code: keyof typeof IcmpxCode): NftExpression {
  return { name: "reject", data: { type: RejectType.icmpx, code: IcmpxCode[code] } };
}

/** Counts what comes this far. */
export const counter: NftExpression = { name: "counter", data: {} };

/** Counts in a named counter. */
export function namedCounter(name: string): NftExpression {
  return { name: "objref", data: { type: NftObjectType.counter, name } };
}

/** Goes on for `rate` packets in `unitSeconds`, and for `burst` beyond. */
export function limit(rate: bigint, unitSeconds: bigint, burst: number): NftExpression {
  return { name: "limit", data: { rate, unit: unitSeconds, burst, type: 0, flags: 0 } };
}

/** A number from `offset` to `offset + modulus - 1`, in the host's byte order: by chance, or each in turn. */
export function numgen(type: keyof typeof NumgenType, modulus: number, destination: number, offset = 0): NftExpression {
  return { name: "numgen", data: { destination, modulus, type: NumgenType[type], offset } };
}

/** A number from `offset` to `offset + modulus - 1` by Jenkins' hash of `length` bytes from the register `source` on. */
export function jhash(
  source: number,
  length: number,
  options: { readonly modulus: number; readonly seed: number; readonly destination: number; readonly offset?: number },
): NftExpression {
  const { modulus, seed, destination, offset } = options;
  return {
    name: "hash",
    data: {
      source,
      destination,
      length,
      modulus,
      seed,
      ...(offset === undefined ? {} : { offset }),
      type: HashType.jhash,
    },
  };
}

/** A number below `modulus` by a hash of the flow that is the same in both directions. */
export function symhash(modulus: number, destination: number): NftExpression {
  return { name: "hash", data: { destination, modulus, type: HashType.symhash } };
}

/** Adds the key from `key` on to a dynamic set, or (update) makes its time begin again. `timeoutMs` 0 stands for the set's own. */
export function dynamicSet(
  operation: keyof typeof DynamicSetOperation,
  set: string,
  registers: { readonly key: number; readonly data?: number; readonly timeoutMs?: bigint; readonly setId?: number },
): NftExpression {
  const { key, data, timeoutMs, setId } = registers;
  return {
    name: "dynset",
    data: {
      sourceKey: key,
      ...(data === undefined ? {} : { sourceData: data }),
      operation: DynamicSetOperation[operation],
      ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
      set,
      ...(setId === undefined ? {} : { setId }),
    },
  };
}

/** Looks up the packet's destination (or source) in the routing tables; `type` gives a number of `FibAddressType`. */
export function fib(
  by: "saddr" | "daddr",
  result: keyof typeof FibResult,
  destination: number,
  moreFlags = 0,
): NftExpression {
  return { name: "fib", data: { destination, result: FibResult[result], flags: FibFlag[by] | moreFlags } };
}

/** Takes the packet out of connection tracking. */
export const notrack: NftExpression = { name: "notrack" };
