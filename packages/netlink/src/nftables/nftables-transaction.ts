/**
 * Changes to nf_tables in order, which the kernel takes all or none of. Nothing is sent here: {@link NftablesTransaction.write} writes the
 * messages, and `NftablesClient.commit` sends them.
 */
import { NetlinkEncodeError } from "../errors.ts";
import { type MessageLayout, MessageFlag, writeMessage } from "../wire/message.ts";
import { maxAttributeBytes, type NetlinkWriter } from "../wire/netlink-writer.ts";
import {
  batchLayout,
  chainLayout,
  elementsLayout,
  type NftChain,
  type NftElement,
  type NftObject,
  type NftRule,
  type NftSet,
  type NftTable,
  objectLayout,
  ruleLayout,
  setLayout,
  tableLayout,
} from "./layouts.ts";
import { NftFamily, NftMessage } from "./nftables-numbers.ts";

/** Subsystem that a batch is for, as its header wants it. */
const batchResource = 10;

/** Bytes of one list of elements: it is one attribute, and must leave room for the last element. */
const elementListBytes = maxAttributeBytes - 4_096;

/** One change, which may take several messages. */
interface Operation {
  /** Writes the messages; returns how many. */
  readonly write: (writer: NetlinkWriter, envelope: { sequence: number; lastFlags: number }) => number;
}

/** See the module. */
export class NftablesTransaction {
  #family: number;
  readonly #operations: Operation[] = [];

  /** Changes to tables of one family, until {@link NftablesTransaction.in} names another. */
  constructor(options: { readonly family: keyof typeof NftFamily }) {
    this.#family = NftFamily[options.family];
  }

  /** What is added from now on is about tables of this family. It is one transaction all the same. */
  in(family: keyof typeof NftFamily): this {
    this.#family = NftFamily[family];
    return this;
  }

  /** Operations so far. */
  get size(): number {
    return this.#operations.length;
  }

  /** Adds a table; with `exclusive` it may not be there yet. */
  addTable(table: NftTable, options: AddOptions = {}): this {
    return this.#add(NftMessage.NEW_TABLE, addFlags(options), tableLayout, table);
  }

  /** Deletes a table with all that is in it, by name or handle. */
  deleteTable(table: NftTable): this {
    return this.#add(NftMessage.DELETE_TABLE, 0, tableLayout, table);
  }

  /** Adds a chain; one with a hook, a type and a priority is a base chain. Adding one that is there may change its policy. */
  addChain(chain: NftChain, options: AddOptions = {}): this {
    return this.#add(NftMessage.NEW_CHAIN, addFlags(options), chainLayout, chain);
  }

  /** Deletes a chain that nothing refers to any more. */
  deleteChain(chain: NftChain): this {
    return this.#add(NftMessage.DELETE_CHAIN, 0, chainLayout, chain);
  }

  /** Adds a rule at the end of its chain, or after the one whose handle is `position`. */
  addRule(rule: NftRule): this {
    return this.#add(NftMessage.NEW_RULE, MessageFlag.CREATE | MessageFlag.APPEND, ruleLayout, rule);
  }

  /** Puts a rule at the beginning of its chain, or before the one whose handle is `position`. */
  insertRule(rule: NftRule): this {
    return this.#add(NftMessage.NEW_RULE, MessageFlag.CREATE, ruleLayout, rule);
  }

  /** Puts a rule in the place of the one with its handle. */
  replaceRule(rule: NftRule): this {
    return this.#add(NftMessage.NEW_RULE, MessageFlag.REPLACE, ruleLayout, rule);
  }

  /** Deletes the rule with the handle, or all of the chain, or (with a table alone) all rules. */
  deleteRule(rule: NftRule): this {
    return this.#add(NftMessage.DELETE_RULE, 0, ruleLayout, rule);
  }

  /** Adds a set or map. */
  addSet(set: NftSet, options: AddOptions = {}): this {
    return this.#add(NftMessage.NEW_SET, addFlags(options), setLayout, set);
  }

  /** Deletes a set that no rule refers to any more. */
  deleteSet(set: NftSet): this {
    return this.#add(NftMessage.DELETE_SET, 0, setLayout, set);
  }

  /**
   * Adds elements, in as many messages as it takes. An equal element that is there is no error, unless `exclusive`; the same key with
   * other data always is: delete it first, in the same transaction. The elements are asked for when they are written, so that many of them
   * need not be there at once.
   */
  addElements(set: SetName, elements: Iterable<NftElement>, options: AddOptions = {}): this {
    return this.#elements(NftMessage.NEW_ELEMENTS, addFlags(options), set, elements);
  }

  /** Deletes elements by their keys. One that is not there refuses the whole transaction. */
  deleteElements(set: SetName, elements: Iterable<NftElement>): this {
    return this.#elements(NftMessage.DELETE_ELEMENTS, 0, set, elements);
  }

  /** Deletes all elements of a set. */
  flushSet(set: SetName): this {
    return this.#add(NftMessage.DELETE_ELEMENTS, 0, elementsLayout, { table: set.table, set: set.set });
  }

  /** Adds a named object, such as a counter. */
  addObject(object: NftObject, options: AddOptions = {}): this {
    return this.#add(NftMessage.NEW_OBJECT, addFlags(options), objectLayout, object);
  }

  /** Deletes a named object that nothing refers to any more. */
  deleteObject(object: NftObject): this {
    return this.#add(NftMessage.DELETE_OBJECT, 0, objectLayout, object);
  }

  /**
   * Writes the whole batch with sequence numbers from `first` on; returns how many messages it has. `generation`: the kernel refuses (with
   * ERESTART) if somebody changed anything since it had that number.
   */
  write(writer: NetlinkWriter, first: number, generation?: number): number {
    if (this.#operations.length === 0) throw new NetlinkEncodeError("a transaction has at least one operation");
    const header = { family: 0, version: 0, resource: batchResource };
    const edge = (type: number, sequence: number): void => {
      const attributes = type === NftMessage.BATCH_END || generation === undefined ? {} : { generation };
      writeMessage(writer, batchLayout, { type, flags: MessageFlag.REQUEST, sequence }, { header, attributes });
    };
    edge(NftMessage.BATCH_BEGIN, first);
    let sequence = first + 1;
    this.#operations.forEach((operation, index) => {
      // Success is silent; that of the last message, acknowledged once all were taken, stands for all.
      const lastFlags = index === this.#operations.length - 1 ? MessageFlag.ACK : 0;
      sequence += operation.write(writer, { sequence, lastFlags });
    });
    edge(NftMessage.BATCH_END, sequence);
    return sequence + 1 - first;
  }

  #add<A>(
    type: number,
    flags: number,
    layout: MessageLayout<{ readonly family: number; readonly version: number; readonly resource: number }, A>,
    attributes: A,
  ): this {
    const header = headerOf(this.#family);
    this.#operations.push({
      write: (writer, { sequence, lastFlags }) => {
        const envelope = { type, flags: MessageFlag.REQUEST | flags | lastFlags, sequence };
        writeMessage(writer, layout, envelope, { header, attributes });
        return 1;
      },
    });
    return this;
  }

  #elements(type: number, flags: number, set: SetName, elements: Iterable<NftElement>): this {
    for (const _ of elements) {
      const header = headerOf(this.#family);
      const { table, set: name, setId } = set;
      this.#operations.push({
        write: (writer, { sequence, lastFlags }) => {
          let count = 0;
          for (const { chunk, isLast } of chunksOf(elements)) {
            const ack = isLast ? lastFlags : 0;
            const envelope = { type, flags: MessageFlag.REQUEST | flags | ack, sequence: sequence + count };
            const attributes = { table, set: name, ...(setId === undefined ? {} : { setId }), elements: chunk };
            writeMessage(writer, elementsLayout, envelope, { header, attributes });
            count += 1;
          }
          return count;
        },
      });
      // One is enough to know that there are some.
      break;
    }
    return this;
  }
}

/** How something is added. */
export interface AddOptions {
  /** Refuse (EEXIST) if it is there. */
  readonly exclusive?: boolean;
}

/** Which set. */
export interface SetName {
  readonly table: string;
  readonly set: string;
  /** For a set that is made in the same transaction and has no name yet. */
  readonly setId?: number;
}

function headerOf(family: number): { family: number; version: number; resource: number } {
  return { family, version: 0, resource: 0 };
}

function addFlags({ exclusive = false }: AddOptions): number {
  return MessageFlag.CREATE | (exclusive ? MessageFlag.EXCLUSIVE : 0);
}

/** Elements in lists that each fit into one attribute. */
function* chunksOf(
  elements: Iterable<NftElement>,
): Iterable<{ readonly chunk: readonly NftElement[]; isLast: boolean }> {
  let chunk: NftElement[] = [];
  let bytes = 0;
  for (const element of elements) {
    const size = elementBytes(element);
    if (chunk.length > 0 && bytes + size > elementListBytes) {
      yield { chunk, isLast: false };
      chunk = [];
      bytes = 0;
    }
    chunk.push(element);
    bytes += size;
  }
  if (chunk.length > 0) yield { chunk, isLast: true };
}

/** At least as many bytes as the element takes: what is in it, and generously what is around it. */
function elementBytes(element: NftElement): number {
  const { key, keyEnd, data, userData, objectName } = element;
  const { expressions = [], expression } = element;
  return (
    (key?.value?.length ?? 0) +
    (keyEnd?.value?.length ?? 0) +
    (data?.value?.length ?? 0) +
    (data?.verdict?.chain?.length ?? 0) * 3 +
    (userData?.length ?? 0) +
    (objectName?.length ?? 0) * 3 +
    (expressions.length + (expression === undefined ? 0 : 1)) * 96 +
    // Headers with padding of list, key, key end, data with verdict, flags, timeout, expiration.
    96
  );
}
