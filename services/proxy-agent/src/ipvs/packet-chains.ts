/**
 * The chains of the plane's small table and their rules, in each family: the same for every cluster. IPVS takes packets at the end of `input`
 * (priority 98) and at the beginning of `output` (-98), after everything here has looked at them; what it sends on comes by `output` again,
 * with an endpoint as its destination.
 */
import { CtState, type NftChain, type NftExpression, NftHook, NftPriority, nftRule as r } from "@fairlead/netlink";
import type { ChainRule, ChainText } from "../kernel/chain-text.ts";
import { first, PacketRules, type PacketRuleOptions, translated } from "../kernel/packet-rules.ts";
import { word } from "../kernel/element-bytes.ts";
import { answerChains } from "./answer-chains.ts";
import { type PacketLayout, tableName } from "./packet-layout.ts";

/** What the rules depend on. */
export type PacketChainOptions = PacketRuleOptions;

/** Before any address is translated: what the client asked for. */
const beforeTranslation = NftPriority.dstnat - 10;

/** Between the translation of addresses (-100) and IPVS' own look at what this node sends (-98). */
const beforeIpvs = NftPriority.dstnat + 1;

/** Numbers of ICMP and ICMPv6. */
const icmp = { ip: 1, ip6: 58 } as const;

/** Makes the chains of one family. */
export class PacketChains {
  readonly #layout: PacketLayout;
  readonly #rules: PacketRules;

  constructor(layout: PacketLayout, options: PacketChainOptions) {
    this.#layout = layout;
    this.#rules = new PacketRules(layout, options);
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
      {
        chain: base("nat-postrouting", "nat", "postrouting", NftPriority.srcnat),
        rules: [this.#rules.masqueradeMarked(), this.#rules.masqueradeHairpin()],
      },
      ...answerChains(this.#layout),
    ];
  }

  /**
   * Nothing but what open connections need: a chain of type nat, without which they would not be translated any more, and rules that look at
   * connections, without which the kernel would stop tracking them.
   */
  retired(): readonly ChainText[] {
    const nat = base("nat-postrouting", "nat", "postrouting", NftPriority.srcnat);
    return [{ chain: nat, rules: [onlyNew] }, ...answerChains(this.#layout)];
  }

  #guard(): readonly ChainRule[] {
    return [
      {
        comment: "only listed sources are let in",
        expressions: [
          ...this.#rules.place(first),
          r.lookup("guarded", first),
          ...this.#rules.place(first),
          this.#rules.source(first + this.#rules.placeWords),
          r.lookup("sources", first, { inverted: true }),
          r.verdictOf("drop"),
        ],
      },
    ];
  }

  #deny(): readonly ChainRule[] {
    const reject = this.#rules.reject();
    return [
      {
        comment: "was led here by the rules",
        expressions: [...translated(), r.verdictOf("return")],
      },
      {
        comment: "other nodes have endpoints, this one may not send it there",
        expressions: [...this.#rules.place(first), r.lookup("no-local-endpoints", first), r.verdictOf("drop")],
      },
      {
        comment: "no endpoint takes it",
        expressions: [...this.#rules.place(first), r.lookup("no-endpoints", first), reject],
      },
      {
        comment: "addresses of Services have no other ports: none of this node's own",
        expressions: [
          r.meta("l4proto", first),
          r.compare(first, "neq", Uint8Array.of(icmp[this.#layout.table])),
          this.#rules.destination(first),
          r.lookup("addresses", first),
          ...this.#rules.place(first),
          r.lookup("open", first, { inverted: true }),
          reject,
        ],
      },
    ];
  }

  #markFromElsewhere(): readonly ChainRule[] {
    return [
      {
        comment: "the answer has to come back by this node",
        expressions: [...this.#rules.place(first), r.lookup("external", first), ...this.#rules.markMasquerade()],
      },
      ...this.#rules.markInternal([...this.#rules.place(first), r.lookup("internal", first)]),
    ];
  }

  /** The kernel gives what this node sends to one of its addresses that same address as its source: nobody else could answer that. */
  #markFromNode(): ChainRule {
    return {
      comment: "of this node: its source is the Service's own address",
      expressions: [...this.#rules.place(first), r.lookup("open", first), ...this.#rules.markMasquerade()],
    };
  }

  #inwardFromPods(): readonly ChainRule[] {
    const pods = this.#rules.fromPod(false);
    if (pods === undefined) return [];
    return [{ comment: "pods reach the endpoints of all nodes", expressions: [...pods, ...this.#inward()] }];
  }

  /** Leads to the virtual service with the endpoints of all nodes. */
  #inward(): readonly NftExpression[] {
    const { table, addressWords } = this.#layout;
    return [
      ...this.#rules.place(first),
      r.lookup("inward", first, { destination: first }),
      r.nat("dnat", table, { address: first, port: first + addressWords }),
    ];
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
