/** Rules that both planes in the kernel have in their tables, in the terms of one family. */
import { CtStatus, NatFlag, type NftExpression, nftRule as r } from "@fairlead/netlink";
import { word } from "./element-bytes.ts";
import type { ChainRule } from "./chain-text.ts";
import type { LocalTraffic } from "./kernel-plane-options.ts";

/** What the rules depend on. */
export interface PacketRuleOptions {
  readonly localTraffic: LocalTraffic;
  readonly masqueradeBit: number;
  /** Masquerade everything that goes to a cluster IP. */
  readonly masqueradeAll: boolean;
}

/** The first register of 4 bytes: what rules work in unless they need more. */
export const first = 8;

/** Bytes of an interface's name in the kernel. */
const interfaceNameBytes = 16;

/** See the module. `at` is the register that something is loaded into. */
export class PacketRules {
  readonly #table: "ip" | "ip6";
  readonly #addressWords: number;
  readonly #options: PacketRuleOptions;
  readonly #mark: number;

  constructor(family: { readonly table: "ip" | "ip6"; readonly addressWords: number }, options: PacketRuleOptions) {
    this.#table = family.table;
    this.#addressWords = family.addressWords;
    this.#options = options;
    this.#mark = (1 << options.masqueradeBit) >>> 0;
  }

  /** The packet's source address. */
  source(at: number): NftExpression {
    const { ipSource, ip6Source } = r.packetField;
    return r.payload(this.#table === "ip" ? ipSource : ip6Source, at);
  }

  /** The packet's destination address. */
  destination(at: number): NftExpression {
    const { ipDestination, ip6Destination } = r.packetField;
    return r.payload(this.#table === "ip" ? ipDestination : ip6Destination, at);
  }

  /** Destination, protocol and port, one after the other: what the packet asks for. It takes {@link placeWords} registers. */
  place(at: number): readonly NftExpression[] {
    return [
      this.destination(at),
      r.meta("l4proto", at + this.#addressWords),
      r.payload(r.packetField.destinationPort, at + this.#addressWords + 1),
    ];
  }

  get placeWords(): number {
    return this.#addressWords + 2;
  }

  /** Refuses as a closed port does: ICMP's or ICMPv6's "port unreachable". */
  reject(): NftExpression {
    return { name: "reject", data: { type: 0, code: this.#table === "ip" ? 3 : 4 } };
  }

  /** Goes on if the packet comes from a pod (or, inverted, does not), by the set `pods` or its interface; undefined where nobody knows. */
  fromPod(inverted: boolean): readonly NftExpression[] | undefined {
    const { localTraffic } = this.#options;
    const interfaceIs = (name: Uint8Array): readonly NftExpression[] => [
      r.meta("iifname", 1),
      r.compare(1, inverted ? "neq" : "eq", name),
    ];
    switch (localTraffic.kind) {
      case "none":
        return undefined;
      case "ranges":
      case "node-ranges":
        return [this.source(first), r.lookup("pods", first, { inverted })];
      case "interface": {
        const name = Buffer.alloc(interfaceNameBytes);
        name.write(localTraffic.name);
        return interfaceIs(new Uint8Array(name));
      }
      case "interface-prefix":
        return interfaceIs(new Uint8Array(Buffer.from(localTraffic.prefix)));
    }
  }

  /** Marks the packet: it is masqueraded when it leaves. */
  markMasquerade(): readonly NftExpression[] {
    return [
      r.meta("mark", first),
      r.bitwise(first, first, word(~this.#mark), word(this.#mark)),
      r.setMeta("mark", first),
    ];
  }

  /** What goes to a cluster IP and has to be masqueraded: all of it, or what comes from elsewhere than pods. `condition` comes before. */
  markInternal(condition: readonly NftExpression[]): readonly ChainRule[] {
    if (this.#options.masqueradeAll) {
      return [{ comment: "all of it is masqueraded", expressions: [...condition, ...this.markMasquerade()] }];
    }
    const foreign = this.fromPod(true);
    if (foreign === undefined) return [];
    return [{ comment: "not from a pod", expressions: [...foreign, ...condition, ...this.markMasquerade()] }];
  }

  /** In postrouting: gives what was marked this node's address, and the mark back. */
  masqueradeMarked(): ChainRule {
    return {
      comment: "marked on the way in",
      expressions: [
        r.meta("mark", first),
        r.bitwise(first, first, word(this.#mark), word(0)),
        r.compare(first, "neq", word(0)),
        r.meta("mark", first),
        r.bitwise(first, first, word(~this.#mark), word(0)),
        r.setMeta("mark", first),
        r.masquerade(NatFlag.FULLY_RANDOM),
      ],
    };
  }

  /** In postrouting: masquerades what an endpoint sends to itself, by the set `hairpin`. `condition` comes before. */
  masqueradeHairpin(condition: readonly NftExpression[] = []): ChainRule {
    return {
      comment: "an endpoint that is its own client",
      expressions: [
        ...condition,
        this.source(first),
        this.destination(first + this.#addressWords),
        r.lookup("hairpin", first),
        r.masquerade(NatFlag.FULLY_RANDOM),
      ],
    };
  }
}

/** Goes on only if the packet's connection was translated (or, inverted, was not). */
export function translated(inverted = false): readonly NftExpression[] {
  return [
    r.ct("status", first),
    r.bitwise(first, first, word(CtStatus.dnat), word(0)),
    r.compare(first, inverted ? "eq" : "neq", word(0)),
  ];
}
