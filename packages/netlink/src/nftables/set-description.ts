/** Sets and maps by the types of what they hold, as the kernel and programs that list them want to know. */
import { NetlinkEncodeError } from "../errors.ts";
import type { NftDataType } from "./data-types.ts";
import type { NftSet } from "./layouts.ts";
import { NftSetFlag, verdictDataType } from "./nftables-numbers.ts";

/** User data: which entry is about the keys' byte order, which about the data's; each has 4 bytes. */
const UserDataEntry = { keyOrder: 0, dataOrder: 1 } as const;

/** What every set has. */
export interface SetOptions {
  readonly table: string;
  readonly name: string;
  readonly key: NftDataType<unknown>;
  /** Tells it from other sets of the same transaction; not 0. */
  readonly id: number;
  /** Keys are ranges: of single values by two elements (the second with INTERVAL_END), of concatenations by `keyEnd`. */
  readonly interval?: boolean;
  /** Rules may add elements. */
  readonly dynamic?: boolean;
  /** Elements go after this time without an update, in ms; 0: each says its own. */
  readonly timeoutMs?: bigint;
  /** Most elements. */
  readonly size?: number;
}

/** A set, for `NftablesTransaction.addSet`. */
export function plainSet(options: SetOptions): NftSet {
  return describe(options, 0, {}, undefined);
}

/** A map from keys to values of a type. */
export function dataMap(options: SetOptions & { readonly data: NftDataType<unknown> }): NftSet {
  const { number: dataType, bytes: dataLength, order } = options.data;
  return describe(options, NftSetFlag.MAP, { dataType, dataLength }, order);
}

/** A map from keys to verdicts. */
export function verdictMap(options: SetOptions): NftSet {
  return describe(options, NftSetFlag.MAP, { dataType: verdictDataType, dataLength: 0 }, 0);
}

function describe(options: SetOptions, moreFlags: number, data: NftSet, dataOrder: number | undefined): NftSet {
  const { table, name, key, id, interval = false, dynamic = false, timeoutMs, size } = options;
  if (!Number.isInteger(id) || id < 1) throw new NetlinkEncodeError(`the id of a set is a number from 1 on, not ${id}`);
  const concatenated = interval && key.fields !== undefined;
  const flags =
    moreFlags |
    (interval ? NftSetFlag.INTERVAL : 0) |
    (dynamic ? NftSetFlag.DYNAMIC : 0) |
    (timeoutMs === undefined ? 0 : NftSetFlag.TIMEOUT) |
    (concatenated ? NftSetFlag.CONCATENATION : 0);
  const fields = concatenated ? { fields: (key.fields ?? []).map((length) => ({ length })) } : {};
  const description = { ...(size === undefined ? {} : { size }), ...fields };
  return {
    table,
    name,
    flags,
    keyType: key.number,
    keyLength: key.bytes,
    ...data,
    id,
    ...(Object.keys(description).length === 0 ? {} : { description }),
    ...(timeoutMs === undefined || timeoutMs === 0n ? {} : { timeout: timeoutMs }),
    userData: userData(key.order, dataOrder),
  };
}

/** `nft` needs the byte order to print keys and data. */
function userData(keyOrder: number, dataOrder: number | undefined): Uint8Array {
  const entries: [number, number][] = [[UserDataEntry.keyOrder, keyOrder]];
  if (dataOrder !== undefined) entries.push([UserDataEntry.dataOrder, dataOrder]);
  const bytes = Buffer.alloc(entries.length * 6);
  entries.forEach(([type, order], index) => {
    bytes.writeUInt8(type, index * 6);
    bytes.writeUInt8(4, index * 6 + 1);
    bytes.writeUInt32LE(order, index * 6 + 2);
  });
  return new Uint8Array(bytes);
}
