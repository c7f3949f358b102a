/**
 * The chains of the plane's small table and their rules, in each family: the same for every cluster. IPVS takes packets at the end of `input`
 * (priority 98) and at the beginning of `output` (-98), after everything here has looked at them; what it sends on comes by `output` again,
 * with an endpoint as its destination.
 */
import {
  CtState,
  CtStatus,
  NatFlag,
  type NftChain,
  type NftExpression,
  NftHook,
  NftPriority,
  nftRule as r,
} from "@fairlead/netlink";
import type { KernelPlaneOptions } from "../kernel/kernel-plane-options.ts";
import type { ChainRule, ChainText } from "../nftables/chains.ts";
import { word } from "../nftables/layout.ts";
import { type PacketLayout, tableName } from "./packet-layout.ts";

/** What the rules depend on. */
export type PacketChainOptions = Pick<KernelPlaneOptions, "localTraffic" | "masqueradeBit" | "masqueradeAll">;

/** First register. */
const first = 8;

/** Before any address is translated: what the client asked for. */
const beforeTranslation = NftPriority.dstnat - 10;

/** Between the translation of addresses (-100) and IPVS' own look at what this node sends (-98). */
const beforeIpvs = NftPriority.dstnat + 1;

/** Numbers of ICMP and ICMPv6. */
const icmp = { ip: 1, ip6: 58 } as const;

/** Makes the chains of one family. */
export class PacketChains {
  readonly #layout: PacketLayout;
  readonly #options: PacketChainOptions;
  readonly #masqueradeMark: number;

  constructor(layout: PacketLayout, options: PacketChainOptions) {
    this.#layout = layout;
    this.#options = options;
    this.#masqueradeMark = (1 << options.masqueradeBit) >>> 0;
  }

  /** All of them; those that others jump to come first. */
  all(): readonly ChainText[] {
    return [
      { chain: { table: tableName, name: "guard" }, rules: this.#guard() },
      { chain: { table: tableName, name: "deny" }, rules: this.#deny() },
      {
        chain: base("filter-prerouting", "filter", "prerouting", beforeTranslation),
        rules: [onlyNew, jump("guard", "sources that are not let in"), ...this.#markFromElsewhere()],
      },
      { chain: base("nat-prerouting", "nat", "prerouting", NftPriority.dstnat), rules: this.#inwardFromPods() },
      {
        chain: base("filter-input", "filter", "input", NftPriority.filter),
        rules: [onlyNew, jump("deny", "what nobody takes")],
      },
      {
        chain: base("filter-output", "filter", "output", beforeTranslation),
        rules: [onlyNew, jump("guard", "sources that are not let in"), this.#markFromNode()],
      },
      {
        chain: base("nat-output", "nat", "output", NftPriority.dstnat),
        rules: [{ comment: "the node itself reaches the endpoints of all nodes", expressions: this.#inward() }],
      },
      {
        chain: base("deny-output", "filter", "output", beforeIpvs),
        rules: [onlyNew, jump("deny", "what nobody takes")],
      },
      { chain: base("nat-postrouting", "nat", "postrouting", NftPriority.srcnat), rules: this.#postrouting() },
    ];
  }

  /**
   * Nothing but what keeps the translations of open connections alive: a chain of type nat, and a rule that looks at connections. Without any
   * in the namespace, the kernel stops tracking them there.
   */
  static retired(): readonly ChainText[] {
    const nat = base("nat-postrouting", "nat", "postrouting", NftPriority.srcnat);
    return [{ chain: nat, rules: [onlyNew] }];
  }

  #guard(): readonly ChainRule[] {
    return [
      {
        comment: "only listed sources are let in",
        expressions: [
          ...this.#place(first),
          r.lookup("guarded", first),
          ...this.#place(first),
          ...this.#source(first + this.#placeWords),
          r.lookup("sources", first, { inverted: true }),
          r.verdictOf("drop"),
        ],
      },
    ];
  }

  #deny(): readonly ChainRule[] {
    const reject = this.#reject();
    return [
      {
        comment: "other nodes have endpoints, this one may not send it there",
        expressions: [...this.#place(first), r.lookup("no-local-endpoints", first), r.verdictOf("drop")],
      },
      {
        comment: "no endpoint takes it",
        expressions: [...this.#place(first), r.lookup("no-endpoints", first), reject],
      },
      {
        comment: "was led here by the rules",
        expressions: [
          r.ct("status", first),
          r.bitwise(first, first, word(CtStatus.dnat), word(0)),
          r.compare(first, "neq", word(0)),
          r.verdictOf("return"),
        ],
      },
      {
        comment: "addresses of Services have no other ports: none of this node's own",
        expressions: [
          r.meta("l4proto", first),
          r.compare(first, "neq", Uint8Array.of(icmp[this.#layout.table])),
          ...this.#destination(first),
          r.lookup("addresses", first),
          ...this.#place(first),
          r.lookup("open", first, { inverted: true }),
          reject,
        ],
      },
    ];
  }

  #markFromElsewhere(): readonly ChainRule[] {
    const rules: ChainRule[] = [
      {
        comment: "the answer has to come back by this node",
        expressions: [...this.#place(first), r.lookup("external", first), ...this.#mark()],
      },
    ];
    const internal = [...this.#place(first), r.lookup("internal", first)];
    const foreign = this.#fromPod(true);
    if (this.#options.masqueradeAll) {
      rules.push({ comment: "all of it is masqueraded", expressions: [...internal, ...this.#mark()] });
    } else if (foreign !== undefined) {
      rules.push({ comment: "not from a pod", expressions: [...foreign, ...internal, ...this.#mark()] });
    }
    return rules;
  }

  /** The kernel gives what this node sends to one of its addresses that same address as its source: nobody else could answer that. */
  #markFromNode(): ChainRule {
    return {
      comment: "of this node: its source is the Service's own address",
      expressions: [...this.#place(first), r.lookup("open", first), ...this.#mark()],
    };
  }

  #inwardFromPods(): readonly ChainRule[] {
    const pods = this.#fromPod(false);
    if (pods === undefined) return [];
    return [{ comment: "pods reach the endpoints of all nodes", expressions: [...pods, ...this.#inward()] }];
  }

  /** Leads to the virtual service with the endpoints of all nodes. */
  #inward(): readonly NftExpression[] {
    const { table, addressWords } = this.#layout;
    return [
      ...this.#place(first),
      r.lookup("inward", first, { destination: first }),
      r.nat("dnat", table, { address: first, port: first + addressWords }),
    ];
  }

  #postrouting(): readonly ChainRule[] {
    const bit = word(this.#masqueradeMark);
    const others = word(~this.#masqueradeMark);
    return [
      {
        comment: "marked on the way in",
        expressions: [
          r.meta("mark", first),
          r.bitwise(first, first, bit, word(0)),
          r.compare(first, "neq", word(0)),
          r.meta("mark", first),
          r.bitwise(first, first, others, word(0)),
          r.setMeta("mark", first),
          r.masquerade(NatFlag.FULLY_RANDOM),
        ],
      },
      {
        comment: "an endpoint that is its own client",
        expressions: [
          ...this.#source(first),
          ...this.#destination(first + this.#layout.addressWords),
          r.lookup("hairpin", first),
          r.masquerade(NatFlag.FULLY_RANDOM),
        ],
      },
    ];
  }

  /** Goes on if the packet comes from a pod (or, inverted, does not); undefined where nobody knows. */
  #fromPod(inverted: boolean): readonly NftExpression[] | undefined {
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
        return [...this.#source(first), r.lookup("pods", first, { inverted })];
      case "interface":
        return interfaceIs(this.#layout.interfaceKey(localTraffic.name));
      case "interface-prefix":
        return interfaceIs(new Uint8Array(Buffer.from(localTraffic.prefix)));
    }
  }

  #mark(): readonly NftExpression[] {
    const bit = this.#masqueradeMark;
    return [r.meta("mark", first), r.bitwise(first, first, word(~bit), word(bit)), r.setMeta("mark", first)];
  }

  /** Loads what the packet asks for. */
  #place(at: number): readonly NftExpression[] {
    const { addressWords } = this.#layout;
    return [
      ...this.#destination(at),
      r.meta("l4proto", at + addressWords),
      r.payload(r.packetField.destinationPort, at + addressWords + 1),
    ];
  }

  get #placeWords(): number {
    return this.#layout.addressWords + 2;
  }

  #source(at: number): readonly NftExpression[] {
    const { ipSource, ip6Source } = r.packetField;
    return [r.payload(this.#layout.table === "ip" ? ipSource : ip6Source, at)];
  }

  #destination(at: number): readonly NftExpression[] {
    const { ipDestination, ip6Destination } = r.packetField;
    return [r.payload(this.#layout.table === "ip" ? ipDestination : ip6Destination, at)];
  }

  #reject(): NftExpression {
    // Numbers of ICMP and ICMPv6 for a port that cannot be reached.
    return { name: "reject", data: { type: 0, code: this.#layout.table === "ip" ? 3 : 4 } };
  }
}

const onlyNew: ChainRule = {
  comment: "open connections go on",
  expressions: [
    r.ct("state", first),
    r.bitwise(first, first, word(CtState.new), word(0)),
    r.compare(first, "eq", word(0)),
    r.verdictOf("return"),
  ],
};

function jump(chain: string, comment: string): ChainRule {
  return { comment, expressions: [r.verdictOf("jump", chain)] };
}

function base(name: string, type: string, hook: keyof typeof NftHook, priority: number): NftChain {
  return { table: tableName, name, type, hook: { number: NftHook[hook], priority }, policy: 1 };
}
