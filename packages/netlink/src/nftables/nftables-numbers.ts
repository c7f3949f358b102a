/** Numbers of nf_tables (linux/netfilter/nf_tables.h, nfnetlink.h), by the names that nft's language has for them where it has any. */

/** Number of the nf_tables subsystem in a message type. */
const subsystem = 10 << 8;

/** Types of messages. */
export const NftMessage = {
  NEW_TABLE: subsystem,
  GET_TABLE: subsystem | 1,
  DELETE_TABLE: subsystem | 2,
  NEW_CHAIN: subsystem | 3,
  GET_CHAIN: subsystem | 4,
  DELETE_CHAIN: subsystem | 5,
  NEW_RULE: subsystem | 6,
  GET_RULE: subsystem | 7,
  DELETE_RULE: subsystem | 8,
  NEW_SET: subsystem | 9,
  GET_SET: subsystem | 10,
  DELETE_SET: subsystem | 11,
  NEW_ELEMENTS: subsystem | 12,
  GET_ELEMENTS: subsystem | 13,
  DELETE_ELEMENTS: subsystem | 14,
  NEW_GENERATION: subsystem | 15,
  GET_GENERATION: subsystem | 16,
  TRACE: subsystem | 17,
  NEW_OBJECT: subsystem | 18,
  GET_OBJECT: subsystem | 19,
  DELETE_OBJECT: subsystem | 20,
  GET_OBJECT_RESET: subsystem | 21,
  BATCH_BEGIN: 0x10,
  BATCH_END: 0x11,
} as const;

/** Multicast group of changes to nf_tables. */
export const nftablesGroup = 7;

/** Families of tables. */
export const NftFamily = { unspecified: 0, inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;

/** Hooks of the families ip, ip6 and inet. */
export const NftHook = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** Priorities that have names, of the families ip, ip6 and inet. */
export const NftPriority = { raw: -300, mangle: -150, dstnat: -100, filter: 0, security: 50, srcnat: 100 } as const;

/** Verdicts; all but the first two are nf_tables' own. */
export const NftVerdict = { drop: 0, accept: 1, continue: -1, break: -2, jump: -3, goto: -4, return: -5 } as const;

/** Flags of a set or map. */
export const NftSetFlag = {
  ANONYMOUS: 0x1,
  CONSTANT: 0x2,
  INTERVAL: 0x4,
  MAP: 0x8,
  TIMEOUT: 0x10,
  /** Rules may add and change elements. */
  DYNAMIC: 0x20,
  OBJECT: 0x40,
  CONCATENATION: 0x80,
  EXPRESSION: 0x100,
} as const;

/** Flags of an element. */
export const NftElementFlag = { INTERVAL_END: 1, CATCH_ALL: 2 } as const;

/** Type of data that is a verdict. */
export const verdictDataType = 0xffff_ff00;

/** Types of named objects. */
export const NftObjectType = { counter: 1, quota: 2, connectionTrackingHelper: 3, limit: 4 } as const;

/** Registers: 0 is the verdict, 1 to 4 have 16 bytes, 8 to 23 the same memory as 4 bytes each (1 is 8 to 11, 2 is 12 to 15). */
export const NftRegister = { verdict: 0, first: 1, firstWord: 8, lastWord: 23 } as const;

/** Where a payload offset counts from. */
export const PayloadBase = { link: 0, network: 1, transport: 2 } as const;

/** What `meta` reads. */
export const MetaKey = {
  length: 0,
  protocol: 1,
  priority: 2,
  mark: 3,
  iif: 4,
  oif: 5,
  iifname: 6,
  oifname: 7,
  skuid: 10,
  skgid: 11,
  nftrace: 13,
  nfproto: 15,
  l4proto: 16,
  pkttype: 19,
  cpu: 20,
  cgroup: 23,
} as const;

/** What `ct` reads. */
export const CtKey = {
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  expiration: 5,
  l3protocol: 7,
  protocol: 10,
  protoSource: 11,
  protoDestination: 12,
  packets: 14,
  bytes: 15,
  zone: 17,
  sourceIp: 19,
  destinationIp: 20,
  sourceIp6: 21,
  destinationIp6: 22,
} as const;

/** Bits of `ct state`, of `ct status`. */
export const CtState = { invalid: 1, established: 2, related: 4, new: 8, untracked: 0x40 } as const;
export const CtStatus = {
  expected: 1,
  seenReply: 2,
  assured: 4,
  confirmed: 8,
  snat: 0x10,
  dnat: 0x20,
  dying: 0x200,
} as const;

/** How `cmp` compares. */
export const CompareOperation = { eq: 0, neq: 1, lt: 2, lte: 3, gt: 4, gte: 5 } as const;

/** What `fib` looks up, and by what. */
export const FibResult = { oif: 1, oifname: 2, type: 3 } as const;
export const FibFlag = { saddr: 1, daddr: 2, mark: 4, iif: 8, oif: 16, present: 32 } as const;
/** Types of addresses that `fib … type` gives. */
export const FibAddressType = { unspecified: 0, unicast: 1, local: 2, broadcast: 3, anycast: 4, multicast: 5 } as const;

/** Kinds and codes of `reject`. */
export const RejectType = { icmp: 0, tcpReset: 1, icmpx: 2 } as const;
export const IcmpxCode = { noRoute: 0, portUnreachable: 1, hostUnreachable: 2, adminProhibited: 3 } as const;

/** Flags of address translation. */
export const NatFlag = {
  MAP_ADDRESSES: 0x1,
  PORT_SPECIFIED: 0x2,
  RANDOM: 0x4,
  PERSISTENT: 0x8,
  FULLY_RANDOM: 0x10,
} as const;

/** Which way addresses are translated. */
export const NatType = { snat: 0, dnat: 1 } as const;

/** What a rule does to a dynamic set. */
export const DynamicSetOperation = { add: 0, update: 1, delete: 2 } as const;

/** How `numgen` counts. */
export const NumgenType = { inc: 0, random: 1 } as const;

/** Which hash `hash` is. */
export const HashType = { jhash: 0, symhash: 1 } as const;
