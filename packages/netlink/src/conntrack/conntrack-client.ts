/** The table of connections of the network namespace that the socket belongs to. */
import { type IpAddress, IpFamily } from "@fairlead/types";
import type { Conversation } from "../conversation.ts";
import { anyRequest } from "../request.ts";
import { NetlinkDecodeError, NetlinkEncodeError, NetlinkError } from "../errors.ts";
import { AddressFamily, addressBytes, addressOf, familyNumber } from "../wire/address-bytes.ts";
import { type MessageView, readMessage } from "../wire/message.ts";
import { type ConntrackAttributes, conntrackLayout, ConntrackMessage, type TupleAttributes } from "./layouts.ts";

/** One direction of a connection. Ports are there for protocols that have them. */
export interface ConntrackTuple {
  /** Number of IP: 6 TCP, 17 UDP, 132 SCTP. */
  readonly protocol: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

/** A tracked connection. */
export interface ConntrackEntry {
  /** As the first packet asked for it. */
  readonly original: ConntrackTuple;
  /** As answers come: its source is who really serves. */
  readonly reply: ConntrackTuple;
  /** Bits of `CtStatus`. */
  readonly status: number;
  readonly mark: number;
  readonly zone: number;
  /** Seconds until it is forgotten; 0 where the kernel does not tell. */
  readonly timeoutSeconds: number;
  /** Tells it from an earlier or later connection of the same tuple. */
  readonly id: number;
  /** Where the kernel counts (net.netfilter.nf_conntrack_acct). */
  readonly counters?: { readonly packets: bigint; readonly bytes: bigint };
}

/** Which connections to list; all conditions have to hold. */
export interface ConntrackFilter {
  readonly family?: IpFamily;
  /** `mark & mask` of the connection is `value`; the kernel looks. */
  readonly mark?: { readonly value: number; readonly mask: number };
  /** Number of IP. */
  readonly protocol?: number;
  /** Any further condition. */
  readonly matches?: (entry: ConntrackEntry) => boolean;
}

/** See the module. */
export class ConntrackClient {
  readonly #conversation: Conversation;

  /** On a socket of the family NETFILTER. */
  constructor(options: { readonly conversation: Conversation }) {
    this.#conversation = options.conversation;
  }

  /** Connections. The table lives: one that ends or begins meanwhile may be missing. Those without addresses that we know are left out. */
  list(filter: ConntrackFilter = {}): Promise<readonly ConntrackEntry[]> {
    const { family, mark, protocol, matches } = filter;
    const number =
      family === undefined
        ? AddressFamily.unspecified
        : family === IpFamily.v4
          ? AddressFamily.inet
          : AddressFamily.inet6;
    const request = {
      operation: "list connections",
      layout: conntrackLayout,
      type: ConntrackMessage.GET,
      content: {
        header: { family: number, version: 0, resource: 0 },
        attributes: mark === undefined ? {} : { mark: mark.value, markMask: mark.mask },
      },
    };
    return this.#conversation.dump(request, (message) => {
      const { attributes } = readMessage(conntrackLayout, message);
      if (protocol !== undefined && attributes.original?.protocol?.number !== protocol) return [];
      const entry = entryOf(attributes);
      return entry !== undefined && (matches === undefined || matches(entry)) ? [entry] : [];
    });
  }

  /** Forgets a connection; whether it was still there. Its id is compared, so a later one with the same addresses stays. */
  async delete(entry: Pick<ConntrackEntry, "original" | "id" | "zone">): Promise<boolean> {
    try {
      await this.#conversation.request(deletion(entry));
      return true;
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "ENOENT") return false;
      throw error;
    }
  }

  /** Forgets many connections in few writes; returns how many were still there. Throws NetlinkError if anything else is refused. */
  async deleteAll(entries: readonly Pick<ConntrackEntry, "original" | "id" | "zone">[]): Promise<number> {
    const operation = "delete connections";
    const requests = entries.map((entry) => anyRequest(deletion(entry)));
    const refusals = await this.#conversation.batch(operation, requests);
    const [first, ...others] = refusals.filter(({ code }) => code !== "ENOENT");
    if (first !== undefined) throw new NetlinkError(operation, [first, ...others]);
    return entries.length - refusals.length;
  }
}

/** What a monitor of `ConntrackGroup` hears. */
export interface ConntrackEvent {
  readonly kind: "new" | "update" | "destroy";
  readonly entry: ConntrackEntry;
}

/** NEW messages with these flags are about a connection that begins; without, about one that changed. */
const beginsFlags = 0x600;

/** Reads a message that a monitor got; undefined for kinds that are of no concern. Throws NetlinkDecodeError. */
export function readConntrackEvent(message: MessageView): ConntrackEvent | undefined {
  if (message.type !== ConntrackMessage.NEW && message.type !== ConntrackMessage.DELETE) return undefined;
  const entry = entryOf(readMessage(conntrackLayout, message).attributes);
  if (entry === undefined) return undefined;
  if (message.type === ConntrackMessage.DELETE) return { kind: "destroy", entry };
  return { kind: (message.flags & beginsFlags) === 0 ? "update" : "new", entry };
}

function deletion({ original, id, zone }: Pick<ConntrackEntry, "original" | "id" | "zone">) {
  // A deletion without a tuple would delete everything: tupleToWire always makes one.
  const attributes: ConntrackAttributes = {
    original: tupleToWire(original),
    id,
    ...(zone === 0 ? {} : { zone }),
  };
  const header = { family: familyNumber(original.source), version: 0, resource: 0 };
  return {
    operation: "delete a connection",
    layout: conntrackLayout,
    type: ConntrackMessage.DELETE,
    content: { header, attributes },
  };
}

function tupleToWire(tuple: ConntrackTuple): TupleAttributes {
  const source = addressBytes(tuple.source);
  const destination = addressBytes(tuple.destination);
  if (source.length !== destination.length) throw new NetlinkEncodeError("a connection has addresses of one family");
  const { protocol: number, sourcePort, destinationPort } = tuple;
  return {
    ip:
      source.length === 4
        ? { source4: source, destination4: destination }
        : { source6: source, destination6: destination },
    protocol: {
      number,
      ...(sourcePort === undefined ? {} : { sourcePort }),
      ...(destinationPort === undefined ? {} : { destinationPort }),
    },
  };
}

function entryOf(attributes: ConntrackAttributes): ConntrackEntry | undefined {
  const original = tupleOf(attributes.original);
  const reply = tupleOf(attributes.reply);
  const { id } = attributes;
  if (original === undefined || reply === undefined || id === undefined) return undefined;
  const { countersOriginal: there, countersReply: back } = attributes;
  return {
    original,
    reply,
    status: attributes.status ?? 0,
    mark: attributes.mark ?? 0,
    zone: attributes.zone ?? 0,
    timeoutSeconds: attributes.timeout ?? 0,
    id,
    ...(there === undefined && back === undefined
      ? {}
      : {
          counters: {
            packets: (there?.packets ?? 0n) + (back?.packets ?? 0n),
            bytes: (there?.bytes ?? 0n) + (back?.bytes ?? 0n),
          },
        }),
  };
}

function tupleOf(tuple: TupleAttributes | undefined): ConntrackTuple | undefined {
  const source = tuple?.ip?.source4 ?? tuple?.ip?.source6;
  const destination = tuple?.ip?.destination4 ?? tuple?.ip?.destination6;
  const { number, sourcePort, destinationPort } = tuple?.protocol ?? {};
  if (source === undefined || destination === undefined || number === undefined) return undefined;
  if (source.length !== destination.length)
    throw new NetlinkDecodeError(0, "a connection with addresses of two families");
  return {
    protocol: number,
    source: addressOf(source),
    destination: addressOf(destination),
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(destinationPort === undefined ? {} : { destinationPort }),
  };
}
