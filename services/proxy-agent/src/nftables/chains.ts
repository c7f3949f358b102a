/** The chains of the plane's table and their rules, in each family. All are the same for every cluster but the handlers' numbers of endpoints. */
import {
  FibAddressType,
  type NftChain,
  type NftExpression,
  NftHook,
  NftPriority,
  nftRule as r,
  PayloadBase,
} from "@fairlead/netlink";
import type { ChainRule, ChainText } from "../kernel/chain-text.ts";
import { first, PacketRules, type PacketRuleOptions, translated } from "../kernel/packet-rules.ts";
import { type Choice, chainName, type Handler } from "./handler.ts";
import { protocolNumbers, word } from "../kernel/element-bytes.ts";
import { type FamilyLayout, ownNumbers, ownNumbersMask, tableName } from "./layout.ts";

/** What the rules depend on. */
export interface ChainOptions extends PacketRuleOptions {
  readonly trafficCounters: boolean;
  /** Drop packets that connection tracking cannot place: after an endpoint's answer out of window, they would reach the client untranslated. */
  readonly dropInvalid: boolean;
}

/** Where the flags of a TCP header are, and which. */
const tcpFlags = [PayloadBase.transport, 13, 1] as const;
const TcpFlag = { fin: 0x01, syn: 0x02, rst: 0x04, ack: 0x10 } as const;

/** Priority of the chains that count: after translation. */
const afterTranslation = NftPriority.dstnat + 10;

/** Seed of the hashes: the same on every node, so that they send a client to the same endpoint. */
const hashSeed = 0x6661_6972;

/** Makes the rules of one family. */
export class ChainWriter {
  readonly #layout: FamilyLayout;
  readonly #options: ChainOptions;
  readonly #rules: PacketRules;

  constructor(layout: FamilyLayout, options: ChainOptions) {
    this.#layout = layout;
    this.#options = options;
    this.#rules = new PacketRules(layout, options);
  }

  /** Chains that are always there; those that others jump to come first. */
  fixed(): readonly ChainText[] {
    const base = (name: string, type: string, hook: keyof typeof NftHook, priority: number): NftChain => ({
      table: tableName,
      name,
      type,
      hook: { number: NftHook[hook], priority },
      policy: 1,
    });
    const goto = (chain: string, comment: string): readonly ChainRule[] => [
      { comment, expressions: [r.verdictOf("goto", chain)] },
    ];
    const { trafficCounters, dropInvalid } = this.#options;
    const chains: ChainText[] = [
      { chain: { table: tableName, name: "services" }, rules: this.#dispatch() },
      {
        chain: base("nat-prerouting", "nat", "prerouting", NftPriority.dstnat),
        rules: goto("services", "new connections from elsewhere"),
      },
      {
        chain: base("nat-output", "nat", "output", NftPriority.dstnat),
        rules: goto("services", "new connections of this node"),
      },
      { chain: base("nat-postrouting", "nat", "postrouting", NftPriority.srcnat), rules: this.#postrouting() },
    ];
    if (trafficCounters) {
      chains.push(
        { chain: { table: tableName, name: "traffic" }, rules: this.#traffic() },
        {
          chain: base("traffic-prerouting", "filter", "prerouting", afterTranslation),
          rules: [
            {
              comment: "what this node sends itself was counted on its way out",
              expressions: [
                r.meta("iif", first),
                r.compare(first, "neq", word(loopbackIndex)),
                r.verdictOf("goto", "traffic"),
              ],
            },
          ],
        },
        {
          chain: base("traffic-output", "filter", "output", afterTranslation),
          rules: goto("traffic", "what this node sends"),
        },
      );
    }
    if (dropInvalid) {
      chains.push({
        chain: base("filter-forward", "filter", "forward", NftPriority.filter),
        rules: [
          {
            comment: "would reach the client from an address that it does not know, and be answered by a reset",
            expressions: [
              r.ct("state", first),
              r.bitwise(first, first, word(1), word(0)),
              r.compare(first, "neq", word(0)),
              r.verdictOf("drop"),
            ],
          },
        ],
      });
    }
    return chains;
  }

  /** The chain of a handler. */
  handler(handler: Handler): ChainText {
    const { kind, guarded = false, choice } = handler;
    const rules: ChainRule[] = [];
    if (guarded) {
      rules.push({
        comment: "sources that are not let in",
        expressions: [
          ...this.#rules.place(first),
          this.#rules.source(first + this.#rules.placeWords),
          r.lookup("sources", first, { inverted: true }),
          r.verdictOf("drop"),
        ],
      });
    }
    switch (kind) {
      case "internal":
        rules.push(...this.#rules.markInternal([]));
        break;
      case "external":
        rules.push({ comment: "the answer has to come back by this node", expressions: this.#rules.markMasquerade() });
        break;
      case "local":
        rules.push(...this.#podWay());
        break;
      default:
        break;
    }
    if (choice !== undefined) rules.push(...this.#choose(choice, kind === "pod" ? "pod-groups" : "groups"));
    rules.push(
      kind.endsWith("reject") || choice !== undefined
        ? { comment: "no endpoint takes it", expressions: [this.#rules.reject()] }
        : { comment: "other nodes have endpoints, this one may not send it there", expressions: [r.verdictOf("drop")] },
    );
    return { chain: { table: tableName, name: chainName(handler) }, rules };
  }

  #dispatch(): readonly ChainRule[] {
    const key = this.#rules.place(first);
    const rules: ChainRule[] = [
      {
        comment: "open with a process of this node, before there was a table",
        expressions: [
          r.meta("l4proto", first),
          r.compare(first, "eq", Uint8Array.of(protocolNumbers.TCP)),
          r.payload(tcpFlags, first),
          r.bitwise(
            first,
            first,
            Uint8Array.of(TcpFlag.fin | TcpFlag.syn | TcpFlag.rst | TcpFlag.ack),
            Uint8Array.of(0),
          ),
          r.compare(first, "neq", Uint8Array.of(TcpFlag.syn)),
          r.fib("daddr", "type", first),
          r.compare(first, "eq", word(FibAddressType.local)),
          r.verdictOf("return"),
        ],
      },
    ];
    if (this.#options.trafficCounters) {
      rules.push({ comment: "counts connections", expressions: [...key, r.lookup("connections", first)] });
    }
    rules.push(
      { comment: "which handler the Service has", expressions: this.#take("services") },
      {
        comment: "go there",
        expressions: [r.meta("priority", first), r.lookup("handlers", first, { destination: 0 })],
      },
      {
        comment: "cluster IPs have no other ports",
        expressions: [this.#rules.destination(first), r.lookup("cluster-ips", first), this.#rules.reject()],
      },
    );
    return rules;
  }

  #postrouting(): readonly ChainRule[] {
    return [
      {
        comment: "the number has served its purpose",
        expressions: [
          r.meta("priority", first),
          r.bitwise(first, first, word(ownNumbersMask), word(0)),
          r.compare(first, "eq", word(ownNumbers)),
          r.immediate(first, word(0)),
          r.setMeta("priority", first),
        ],
      },
      this.#rules.masqueradeMarked(),
      this.#rules.masqueradeHairpin(translated()),
    ];
  }

  #traffic(): readonly ChainRule[] {
    const { addressWords, table } = this.#layout;
    const key = [
      r.ct(table === "ip" ? "destinationIp" : "destinationIp6", first, 0),
      r.ct("protocol", first + addressWords),
      r.ct("protoDestination", first + addressWords + 1, 0),
    ];
    const direction = (number: 0 | 1): NftExpression[] => [
      r.ct("direction", first),
      r.compare(first, "eq", Uint8Array.of(number)),
    ];
    return [
      {
        comment: "not of a Service",
        expressions: [...translated(true), r.verdictOf("return")],
      },
      { comment: "to endpoints", expressions: [...direction(0), ...key, r.lookup("sent", first)] },
      { comment: "from endpoints", expressions: [...direction(1), ...key, r.lookup("received", first)] },
    ];
  }

  /** Pods and the node itself reach all endpoints (kube-proxy's short circuit); the node under the address that the endpoint sees it by. */
  #podWay(): readonly ChainRule[] {
    const node = [r.fib("saddr", "type", first), r.compare(first, "eq", word(FibAddressType.local))];
    const way = (who: string, condition: readonly NftExpression[]): readonly ChainRule[] => [
      { comment: `${who}: which handler`, expressions: [...condition, ...this.#take("pod-services")] },
      {
        comment: `${who}: go there`,
        expressions: [...condition, r.meta("priority", first), r.lookup("pod-handlers", first, { destination: 0 })],
      },
    ];
    const pods = this.#rules.fromPod(false);
    return [
      ...(pods === undefined ? [] : way("pods", pods)),
      { comment: "the node itself", expressions: [...node, ...this.#rules.markMasquerade()] },
      ...way("the node itself", node),
    ];
  }

  #choose({ picker, slots, affinityMs }: Choice, groups: "groups" | "pod-groups"): readonly ChainRule[] {
    const number = (count: number, into: number): readonly NftExpression[] => this.#number(picker, count, into);
    const takeGroup: ChainRule = { comment: "the list of endpoints", expressions: this.#take(groups) };
    const lead = (count: number, comment: string): ChainRule => ({
      comment,
      expressions: [
        r.meta("priority", first),
        ...number(count, first + 1),
        r.lookup("endpoints", first, { destination: first }),
        this.#translate(first),
      ],
    });
    const pick = [takeGroup, lead(slots, `one of ${slots}`)];
    // A packet may see a map before and another one after a change: a number that has just gone still finds the first endpoint.
    if (slots > 1) pick.push(lead(1, "the number has just gone"));
    if (affinityMs === undefined) return pick;
    return [
      takeGroup,
      ...this.#stick(affinityMs),
      takeGroup,
      ...this.#beginToStick(affinityMs, slots, number),
      ...pick,
    ];
  }

  /** A client that has an endpoint which is still there goes to it. */
  #stick(affinityMs: number): readonly ChainRule[] {
    return [
      {
        comment: "where the client has an affinity (else nothing is done): its time begins again",
        expressions: [
          ...this.#listAndClient(first),
          r.lookup("affinity", first, { destination: this.#behindClient(first) }),
          // The element is there, so what would be its data is not used.
          r.dynamicSet("update", "affinity", { key: first, data: first, timeoutMs: BigInt(affinityMs) }),
          r.setMeta("priority", this.#behindClient(first)),
        ],
      },
      this.#leadToOwn("the client's own endpoint"),
    ];
  }

  /** A client without one, or whose endpoint has gone, gets one. */
  #beginToStick(
    affinityMs: number,
    slots: number,
    number: (count: number, into: number) => readonly NftExpression[],
  ): readonly ChainRule[] {
    const chosen = first + 3;
    const client = chosen + 1;
    return [
      {
        comment: "the client's endpoint has gone",
        expressions: [...this.#listAndClient(first), r.dynamicSet("delete", "affinity", { key: first, data: first })],
      },
      {
        comment: "what is kept is the id that @affine has for the number",
        expressions: [
          r.meta("priority", first),
          ...number(slots, first + 1),
          // nft shows this register as what it was filled with first, as it cannot show one map's value in another.
          ...number(slots, chosen),
          r.lookup("affine", first, { destination: chosen - 1 }),
          ...this.#listAndClient(client),
          r.dynamicSet("add", "affinity", { key: client, data: chosen, timeoutMs: BigInt(affinityMs) }),
        ],
      },
      {
        comment: "take what was just chosen",
        expressions: [
          ...this.#listAndClient(first),
          r.lookup("affinity", first, { destination: this.#behindClient(first) }),
          r.setMeta("priority", this.#behindClient(first)),
        ],
      },
      this.#leadToOwn("the endpoint that was just chosen"),
    ];
  }

  #leadToOwn(comment: string): ChainRule {
    return {
      comment,
      expressions: [
        r.meta("priority", first),
        r.lookup("sticky", first, { destination: first }),
        this.#translate(first),
      ],
    };
  }

  #number(picker: Choice["picker"], count: number, into: number): readonly NftExpression[] {
    switch (picker) {
      case "random":
        return [r.numgen("random", count, into)];
      case "turn":
        return [r.numgen("inc", count, into)];
      case "source":
      case "destination": {
        const from = hashInput;
        const load = picker === "source" ? [this.#rules.source(from)] : [this.#rules.destination(from)];
        const length = this.#layout.addressBytes;
        return [...load, r.jhash(from, length, { modulus: count, seed: hashSeed, destination: into })];
      }
    }
  }

  /** Loads the number that a map has for the Service's address. */
  #take(map: "services" | "groups" | "pod-services" | "pod-groups"): readonly NftExpression[] {
    return [...this.#rules.place(first), r.lookup(map, first, { destination: first }), r.setMeta("priority", first)];
  }

  #listAndClient(at: number): readonly NftExpression[] {
    return [r.meta("priority", at), this.#rules.source(at + 1)];
  }

  #behindClient(at: number): number {
    return at + 1 + this.#layout.addressWords;
  }

  #translate(at: number): NftExpression {
    const { table, addressWords } = this.#layout;
    return r.nat("dnat", table, { address: at, port: at + addressWords });
  }
}

/** The loopback interface is the first of every namespace. */
const loopbackIndex = 1;

/** Where a hash finds what it is made of: away from everything else. */
const hashInput = 20;
