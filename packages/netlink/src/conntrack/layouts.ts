/** Messages of connection tracking (linux/netfilter/nfnetlink_conntrack.h). All integers are big-endian. */
import { bytes, u16BE, u32BE, u64BE, u8, type ValueOf, zeroTerminated } from "../wire/attribute-codec.ts";
import { attributes } from "../wire/attribute-table.ts";
import { netfilterHeader } from "../nftables/layouts.ts";

/** Number of the subsystem in a message type. */
const subsystem = 1 << 8;

/** Types of messages. */
export const ConntrackMessage = {
  NEW: subsystem,
  GET: subsystem | 1,
  DELETE: subsystem | 2,
} as const;

/** Multicast groups: connections that begin, change and end. */
export const ConntrackGroup = { new: 1, update: 2, destroy: 3 } as const;

const tuple = attributes({
  ip: [
    1,
    attributes({
      source4: [1, bytes(4, 4)],
      destination4: [2, bytes(4, 4)],
      source6: [3, bytes(16, 16)],
      destination6: [4, bytes(16, 16)],
    }),
  ],
  protocol: [
    2,
    attributes({
      number: [1, u8],
      sourcePort: [2, u16BE],
      destinationPort: [3, u16BE],
      icmpId: [4, u16BE],
      icmpType: [5, u8],
      icmpCode: [6, u8],
      icmp6Id: [7, u16BE],
      icmp6Type: [8, u8],
      icmp6Code: [9, u8],
    }),
  ],
  zone: [3, u16BE],
});

const counters = attributes({ packets: [1, u64BE], bytes: [2, u64BE] });

const tcp = attributes({
  state: [1, u8],
  windowScaleOriginal: [2, u8],
  windowScaleReply: [3, u8],
  flagsOriginal: [4, bytes(2, 2)],
  flagsReply: [5, bytes(2, 2)],
});

export const conntrackLayout = {
  header: netfilterHeader,
  attributes: attributes({
    original: [1, tuple],
    reply: [2, tuple],
    status: [3, u32BE],
    protocolInfo: [4, attributes({ tcp: [1, tcp] })],
    help: [5, attributes({ name: [1, zeroTerminated] })],
    timeout: [7, u32BE],
    mark: [8, u32BE],
    countersOriginal: [9, counters],
    countersReply: [10, counters],
    use: [11, u32BE],
    id: [12, u32BE],
    zone: [18, u16BE],
    timestamp: [20, attributes({ start: [1, u64BE], stop: [2, u64BE] })],
    markMask: [21, u32BE],
    labels: [22, bytes(0, 16)],
    synproxy: [24, attributes({ isn: [1, u32BE], its: [2, u32BE], offset: [3, u32BE] })],
    statusMask: [26, u32BE],
  }),
} as const;

/** A connection as it is on the wire. */
export type ConntrackAttributes = ValueOf<typeof conntrackLayout.attributes>;
/** One direction as it is on the wire. */
export type TupleAttributes = ValueOf<typeof tuple>;
