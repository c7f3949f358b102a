/**
 * Answers of endpoints get the address that their client asked for, whatever IPVS says. It finds the connection of an answer by client and
 * server alone: where one port of a client has connections to two virtual services with a server in common, it takes the answers of
 * the older one for the newer one's, and the older one hangs. Connection tracking knows them apart.
 */
import { type NftExpression, NftHook, NftPriority, nftRule as r } from "@fairlead/netlink";
import type { ChainRule, ChainText } from "../kernel/chain-text.ts";
import { protocolNumbers } from "../kernel/element-bytes.ts";
import { first } from "../kernel/packet-rules.ts";
import { type PacketLayout, tableName } from "./packet-layout.ts";

/** Directions of a connection. */
const original = 0;
const reply = 1;

/** How the kernel keeps checksums right: of the internet's kind at an offset, SCTP's own, and with the addresses that TCP and UDP sum up. */
const Checksum = { none: 0, internet: 1, sctp: 2 } as const;
const withAddresses = 1;

/** Where IPVS handles answers, and this does after it: what is forwarded (100), what comes to this node (98), what it sends itself (-99). */
const hooks = [
  ["answers-forward", "forward", NftPriority.srcnat + 1],
  ["answers-input", "input", NftPriority.srcnat - 1],
  ["answers-output", "output", NftPriority.dstnat + 3],
] as const;

/** The chains of one family; those that others jump to come first. */
export function answerChains(layout: PacketLayout): readonly ChainText[] {
  const asked = (at: number): readonly NftExpression[] => [
    r.ct(layout.table === "ip" ? "destinationIp" : "destinationIp6", at, original),
    r.ct("protocol", at + layout.addressWords),
    r.ct("protoDestination", at + layout.addressWords + 1, original),
  ];
  const dispatch: ChainRule = {
    comment: "answers of virtual services",
    expressions: [
      r.ct("direction", first),
      r.compare(first, "eq", Uint8Array.of(reply)),
      ...asked(first),
      r.lookup("virtual-services", first),
      r.verdictOf("goto", "answer"),
    ],
  };
  return [
    { chain: { table: tableName, name: "answer" }, rules: answer(layout) },
    ...hooks.map(([name, hook, priority]) => ({
      chain: { table: tableName, name, type: "filter", hook: { number: NftHook[hook], priority }, policy: 1 },
      rules: [dispatch],
    })),
  ];
}

function answer({ table, addressBytes }: PacketLayout): readonly ChainRule[] {
  const isV4 = table === "ip";
  const address: ChainRule = {
    comment: "comes from the address that was asked for",
    expressions: [
      r.ct(isV4 ? "destinationIp" : "destinationIp6", first, original),
      setPayload([1, isV4 ? 12 : 8, addressBytes], {
        checksumType: isV4 ? Checksum.internet : Checksum.none,
        checksumOffset: isV4 ? 10 : 0,
        checksumFlags: withAddresses,
      }),
    ],
  };
  const port = (comment: string, condition: readonly NftExpression[], type: number, offset: number): ChainRule => ({
    comment,
    expressions: [
      ...condition,
      r.ct("protoDestination", first, original),
      setPayload([2, 0, 2], { checksumType: type, checksumOffset: offset, checksumFlags: 0 }),
    ],
  });
  const is = (protocol: keyof typeof protocolNumbers): readonly NftExpression[] => [
    r.meta("l4proto", first),
    r.compare(first, "eq", Uint8Array.of(protocolNumbers[protocol])),
  ];
  const sum = (operation: "eq" | "neq"): readonly NftExpression[] => [
    r.payload([2, 6, 2], first),
    r.compare(first, operation, new Uint8Array(2)),
  ];
  return [
    address,
    port("and port: TCP", is("TCP"), Checksum.internet, 16),
    // A sum of 0 says that there is none, and has to stay.
    port("UDP", [...is("UDP"), ...sum("neq")], Checksum.internet, 6),
    port("UDP without a checksum", [...is("UDP"), ...sum("eq")], Checksum.none, 0),
    port("SCTP", is("SCTP"), Checksum.sctp, 8),
  ];
}

function setPayload(
  [base, offset, length]: readonly [base: number, offset: number, length: number],
  checksum: { readonly checksumType: number; readonly checksumOffset: number; readonly checksumFlags: number },
): NftExpression {
  return { name: "payload", data: { source: first, base, offset, length, ...checksum } };
}
