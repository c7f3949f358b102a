/** nf_tables of the network namespace that the socket belongs to: changes in transactions, and reading back what is there. */
import type { Conversation } from "../conversation.ts";
import type { Request } from "../request.ts";
import { NetlinkDecodeError, NetlinkError } from "../errors.ts";
import { type Content, type MessageLayout, type MessageView, readMessage } from "../wire/message.ts";
import type { NetfilterHeader } from "./layouts.ts";
import {
  chainLayout,
  elementsLayout,
  generationLayout,
  type NftChain,
  type NftElement,
  type NftGeneration,
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
import type { NftablesTransaction } from "./nftables-transaction.ts";

/** Bytes of the header of nf_tables' messages. */
const headerBytes = 4;

/** What a list is asked for: names narrow it. */
export interface NftScope {
  readonly family: keyof typeof NftFamily;
  readonly table?: string;
}

/** See the module. */
export class NftablesClient {
  readonly #conversation: Conversation;

  /** On a socket of the family NETFILTER. */
  constructor(options: { readonly conversation: Conversation }) {
    this.#conversation = options.conversation;
  }

  /**
   * Sends a transaction. Throws {@link NetlinkError} with each refused message if the kernel takes none of it; the indexes count the
   * messages, of which the first is the batch's begin. With `generation` it is refused (ERESTART) if anything changed since.
   */
  commit(transaction: NftablesTransaction, options: { readonly generation?: number } = {}): Promise<void> {
    return this.#conversation.transact("commit to nf_tables", headerBytes, (writer, first) =>
      transaction.write(writer, first, options.generation),
    );
  }

  /** The number of the current generation; every commit of anybody makes it grow. */
  async generation(): Promise<NftGeneration & { readonly id: number }> {
    const operation = "read the generation of nf_tables";
    const content = { header: headerOf("unspecified"), attributes: {} };
    const request = { operation, layout: generationLayout, type: NftMessage.GET_GENERATION, content };
    const [generation] = await this.#conversation.ask(request, (message) =>
      message.type === NftMessage.NEW_GENERATION ? [readMessage(generationLayout, message).attributes] : [],
    );
    if (generation?.id === undefined) throw new NetlinkDecodeError(0, "the kernel tells no generation");
    return { ...generation, id: generation.id };
  }

  /** Tables of a family. */
  tables(scope: NftScope): Promise<readonly NftTable[]> {
    return this.#list("tables", tableLayout, [NftMessage.GET_TABLE, NftMessage.NEW_TABLE], scope.family, {});
  }

  /** Chains of a family, or of one table. */
  async chains(scope: NftScope): Promise<readonly NftChain[]> {
    // Kernels before 6.10 list the chains of all tables whatever is asked.
    const types = [NftMessage.GET_CHAIN, NftMessage.NEW_CHAIN] as const;
    const chains = await this.#list("chains", chainLayout, types, scope.family, tableOf(scope));
    return chains.filter(({ table }) => scope.table === undefined || table === scope.table);
  }

  /** Rules of a family, a table or a chain, in their order. */
  rules(scope: NftScope & { readonly chain?: string }): Promise<readonly NftRule[]> {
    const chain = scope.chain === undefined ? {} : { chain: scope.chain };
    const types = [NftMessage.GET_RULE, NftMessage.NEW_RULE] as const;
    return this.#list("rules", ruleLayout, types, scope.family, { ...tableOf(scope), ...chain });
  }

  /** Sets and maps of a family or a table, without their elements. */
  sets(scope: NftScope): Promise<readonly NftSet[]> {
    return this.#list("sets", setLayout, [NftMessage.GET_SET, NftMessage.NEW_SET], scope.family, tableOf(scope));
  }

  /** Elements of a set; throws {@link NetlinkError} with ENOENT where there is no such set. */
  async elements(scope: Required<NftScope> & { readonly set: string }): Promise<readonly NftElement[]> {
    const { family, table, set } = scope;
    const types = [NftMessage.GET_ELEMENTS, NftMessage.NEW_ELEMENTS] as const;
    const lists = await this.#list("elements", elementsLayout, types, family, { table, set });
    return lists.flatMap(({ elements = [] }) => elements);
  }

  /** The element with the key, or undefined; in a map, with its data. */
  async element(
    scope: Required<NftScope> & { readonly set: string; readonly key: Uint8Array },
  ): Promise<NftElement | undefined> {
    const { family, table, set, key } = scope;
    const attributes = { table, set, elements: [{ key: { value: key } }] };
    const content = { header: headerOf(family), attributes };
    const operation = `read an element of ${set}`;
    const request = { operation, layout: elementsLayout, type: NftMessage.GET_ELEMENTS, content };
    try {
      const found = await this.#conversation.ask(request, (message) =>
        message.type === NftMessage.NEW_ELEMENTS
          ? (readMessage(elementsLayout, message).attributes.elements ?? [])
          : [],
      );
      return found[0];
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /**
   * Named objects of a family or a table; with `reset`, what they counted begins again at 0. Where the list changes meanwhile and is read
   * again, what the first reading reset is lost: who must not lose counts reads without, and takes differences.
   */
  objects(scope: NftScope, options: { readonly reset?: boolean } = {}): Promise<readonly NftObject[]> {
    const type = options.reset === true ? NftMessage.GET_OBJECT_RESET : NftMessage.GET_OBJECT;
    return this.#list("objects", objectLayout, [type, NftMessage.NEW_OBJECT], scope.family, tableOf(scope));
  }

  #list<A>(
    what: string,
    layout: MessageLayout<NetfilterHeader, A>,
    [get, answer]: readonly [number, number],
    family: keyof typeof NftFamily,
    attributes: A,
  ): Promise<readonly A[]> {
    const content: Content<NetfilterHeader, A> = { header: headerOf(family), attributes };
    const request: Request<NetfilterHeader, A> = { operation: `list ${what} of nf_tables`, layout, type: get, content };
    return this.#conversation.dump(request, (message) =>
      message.type === answer ? [readMessage(layout, message).attributes] : [],
    );
  }
}

/** A change to nf_tables that somebody made, as the monitor hears of it. `family` is a number of `NftFamily`. */
export type NftEvent = { readonly family: number } & (
  | { readonly kind: "table"; readonly deleted: boolean; readonly table: NftTable }
  | { readonly kind: "chain"; readonly deleted: boolean; readonly chain: NftChain }
  | { readonly kind: "rule"; readonly deleted: boolean; readonly rule: NftRule }
  | { readonly kind: "set"; readonly deleted: boolean; readonly set: NftSet }
  | {
      readonly kind: "elements";
      readonly deleted: boolean;
      readonly table?: string;
      readonly set?: string;
      readonly elements: readonly NftElement[];
    }
  | { readonly kind: "object"; readonly deleted: boolean; readonly object: NftObject }
  /** Comes after the other events of the same commit. */
  | { readonly kind: "generation"; readonly generation: NftGeneration }
);

/** Reads a message that a monitor of the group `nftablesGroup` got; undefined for kinds that are of no concern. Throws NetlinkDecodeError. */
export function readNftEvent(message: MessageView): NftEvent | undefined {
  const read = <A>(layout: MessageLayout<NetfilterHeader, A>): readonly [number, A] => {
    const { header, attributes } = readMessage(layout, message);
    return [header.family, attributes];
  };
  switch (message.type) {
    case NftMessage.NEW_TABLE:
    case NftMessage.DELETE_TABLE: {
      const [family, table] = read(tableLayout);
      return { family, kind: "table", deleted: message.type === NftMessage.DELETE_TABLE, table };
    }
    case NftMessage.NEW_CHAIN:
    case NftMessage.DELETE_CHAIN: {
      const [family, chain] = read(chainLayout);
      return { family, kind: "chain", deleted: message.type === NftMessage.DELETE_CHAIN, chain };
    }
    case NftMessage.NEW_RULE:
    case NftMessage.DELETE_RULE: {
      const [family, rule] = read(ruleLayout);
      return { family, kind: "rule", deleted: message.type === NftMessage.DELETE_RULE, rule };
    }
    case NftMessage.NEW_SET:
    case NftMessage.DELETE_SET: {
      const [family, set] = read(setLayout);
      return { family, kind: "set", deleted: message.type === NftMessage.DELETE_SET, set };
    }
    case NftMessage.NEW_ELEMENTS:
    case NftMessage.DELETE_ELEMENTS: {
      const [family, { table, set, elements = [] }] = read(elementsLayout);
      const names = { ...(table === undefined ? {} : { table }), ...(set === undefined ? {} : { set }) };
      const deleted = message.type === NftMessage.DELETE_ELEMENTS;
      return { family, kind: "elements", deleted, ...names, elements };
    }
    case NftMessage.NEW_OBJECT:
    case NftMessage.DELETE_OBJECT: {
      const [family, object] = read(objectLayout);
      return { family, kind: "object", deleted: message.type === NftMessage.DELETE_OBJECT, object };
    }
    case NftMessage.NEW_GENERATION: {
      const [family, generation] = read(generationLayout);
      return { family, kind: "generation", generation };
    }
    default:
      return undefined;
  }
}

function headerOf(family: keyof typeof NftFamily): NetfilterHeader {
  return { family: NftFamily[family], version: 0, resource: 0 };
}

function tableOf({ table }: NftScope): { readonly table?: string } {
  return table === undefined ? {} : { table };
}
