/** The messages of nf_tables: tables, chains, rules, sets with their elements, named objects, generations. All integers are big-endian. */
import { AttributeFlag, bytes, i32BE, u32BE, u64BE, type ValueOf, zeroTerminated } from "../wire/attribute-codec.ts";
import { attributes, list } from "../wire/attribute-table.ts";
import { struct } from "../wire/struct.ts";
import { data, expression, keepingExpression } from "./expressions.ts";

/** Most bytes of user data that the kernel keeps with an object. */
const maxUserDataBytes = 256;

/** Header of every message of netfilter: the family, a version that is 0, and for batches the subsystem. */
export const netfilterHeader = struct({ family: "u8", version: "u8", resource: "u16BE" });

/** See {@link netfilterHeader}. */
export interface NetfilterHeader {
  readonly family: number;
  readonly version: number;
  readonly resource: number;
}

const userData = bytes(0, maxUserDataBytes);

/** Attributes whose meaning hangs on another attribute. */
const nestedBytes = { ...bytes(), flags: AttributeFlag.NESTED };

export const batchLayout = { header: netfilterHeader, attributes: attributes({ generation: [1, u32BE] }) } as const;

export const generationLayout = {
  header: netfilterHeader,
  attributes: attributes({ id: [1, u32BE], process: [2, u32BE], processName: [3, zeroTerminated] }),
} as const;

export const tableLayout = {
  header: netfilterHeader,
  attributes: attributes({
    name: [1, zeroTerminated],
    flags: [2, u32BE],
    use: [3, u32BE],
    handle: [4, u64BE],
    userData: [6, userData],
    owner: [7, u32BE],
  }),
} as const;

const hook = attributes({
  number: [1, u32BE],
  priority: [2, i32BE],
  device: [3, zeroTerminated],
  devices: [4, list(1, zeroTerminated)],
});

export const chainLayout = {
  header: netfilterHeader,
  attributes: attributes({
    table: [1, zeroTerminated],
    handle: [2, u64BE],
    name: [3, zeroTerminated],
    hook: [4, hook],
    policy: [5, u32BE],
    use: [6, u32BE],
    type: [7, zeroTerminated],
    counters: [8, attributes({ bytes: [1, u64BE], packets: [2, u64BE] })],
    flags: [10, u32BE],
    id: [11, u32BE],
    userData: [12, userData],
  }),
} as const;

export const ruleLayout = {
  header: netfilterHeader,
  attributes: attributes({
    table: [1, zeroTerminated],
    chain: [2, zeroTerminated],
    handle: [3, u64BE],
    expressions: [4, list(1, expression)],
    position: [6, u64BE],
    userData: [7, userData],
    id: [9, u32BE],
    positionId: [10, u32BE],
    chainId: [11, u32BE],
  }),
} as const;

const setDescription = attributes({
  size: [1, u32BE],
  fields: [2, list(1, attributes({ length: [1, u32BE] }))],
});

export const setLayout = {
  header: netfilterHeader,
  attributes: attributes({
    table: [1, zeroTerminated],
    name: [2, zeroTerminated],
    flags: [3, u32BE],
    keyType: [4, u32BE],
    keyLength: [5, u32BE],
    dataType: [6, u32BE],
    dataLength: [7, u32BE],
    policy: [8, u32BE],
    description: [9, setDescription],
    id: [10, u32BE],
    timeout: [11, u64BE],
    collectionInterval: [12, u32BE],
    userData: [13, userData],
    objectType: [15, u32BE],
    handle: [16, u64BE],
    expression: [17, keepingExpression],
    expressions: [18, list(1, keepingExpression)],
    // Newer kernels tell how they keep the set, and how many elements are in it.
    backend: [19, zeroTerminated],
    count: [20, u32BE],
  }),
} as const;

const element = attributes({
  key: [1, data],
  data: [2, data],
  flags: [3, u32BE],
  timeout: [4, u64BE],
  expiration: [5, u64BE],
  userData: [6, userData],
  expression: [7, keepingExpression],
  objectName: [9, zeroTerminated],
  keyEnd: [10, data],
  expressions: [11, list(1, keepingExpression)],
});

export const elementsLayout = {
  header: netfilterHeader,
  attributes: attributes({
    table: [1, zeroTerminated],
    set: [2, zeroTerminated],
    elements: [3, list("counted", element)],
    setId: [4, u32BE],
  }),
} as const;

export const objectLayout = {
  header: netfilterHeader,
  attributes: attributes({
    table: [1, zeroTerminated],
    name: [2, zeroTerminated],
    type: [3, u32BE],
    // What is in it depends on the type: see readCounter and writeCounter.
    data: [4, nestedBytes],
    use: [5, u32BE],
    handle: [6, u64BE],
    userData: [8, userData],
  }),
} as const;

export type NftTable = ValueOf<typeof tableLayout.attributes>;
export type NftChain = ValueOf<typeof chainLayout.attributes>;
export type NftRule = ValueOf<typeof ruleLayout.attributes>;
export type NftSet = ValueOf<typeof setLayout.attributes>;
export type NftElement = ValueOf<typeof element>;
export type NftElements = ValueOf<typeof elementsLayout.attributes>;
export type NftObject = ValueOf<typeof objectLayout.attributes>;
export type NftGeneration = ValueOf<typeof generationLayout.attributes>;
