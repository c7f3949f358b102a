/** The chains of the plane's table and their rules, in each family. All are the same for every cluster but the handlers' numbers of endpoints. */
import { createHash } from "node:crypto";
import {
  CtStatus,
  FibAddressType,
  NatFlag,
  type NftChain,
  type NftExpression,
  NftHook,
  NftPriority,
  nftRule as r,
  PayloadBase,
} from "@fairlead/netlink";
import type { LocalTraffic } from "../kernel/kernel-plane-options.ts";
import { type Choice, chainName, type Handler } from "./handler.ts";
import { type FamilyLayout, ownNumbers, ownNumbersMask, protocolNumbers, tableName, word } from "./layout.ts";

/** A rule, with words for people that list the table. */
export interface ChainRule {
  readonly comment: string;
  readonly expressions: readonly NftExpression[];
}

/** A chain with all of its rules. */
export interface ChainText {
  readonly chain: NftChain;
  readonly rules: readonly ChainRule[];
}

/** What the rules depend on. */
export interface ChainOptions {
  readonly localTraffic: LocalTraffic;
  readonly masqueradeBit: number;
  readonly masqueradeAll: boolean;
  readonly trafficCounters: boolean;
  /** Drop packets that connection tracking cannot place: after an endpoint's answer out of window, they would reach the client untranslated. */
  readonly dropInvalid: boolean;
}

/** First register, and the one behind the key of a Service's address. */
const first = 8;

/** Where the flags of a TCP header are, and which. */
const tcpFlags = [PayloadBase.transport, 13, 1] as const;
const TcpFlag = { fin: 0x01, syn: 0x02, rst: 0x04, ack: 0x10 } as const;

/** Priority of the chains that count: after translation. */
const afterTranslation = NftPriority.dstnat + 10;

/** Seed of the hashes: the same on every node, so that they send a client to the same endpoint. */
const hashSeed = 0x6661_6972;

/** Longest comment that nft shows, in bytes. */
const maxCommentBytes = 127;
/** Entry of a rule's user data that is a comment. */
const commentEntry = 0;

/** Makes the rules of one family. */
export class ChainWriter {
  readonly #layout: FamilyLayout;
  readonly #options: ChainOptions;
  readonly #masqueradeMark: number;

  constructor(layout: FamilyLayout, options: ChainOptions) {
    this.#layout = layout;
    this.#options = options;
    this.#masqueradeMark = (1 << options.masqueradeBit) >>> 0;
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
          ...this.#frontend(first),
          ...this.#source(first + this.#frontendWords()),
          r.lookup("sources", first, { inverted: true }),
          r.verdictOf("drop"),
        ],
      });
    }
    switch (kind) {
      case "internal":
        rules.push(...this.#masqueradeInternal());
        break;
      case "external":
        rules.push({ comment: "the answer has to come back by this node", expressions: this.#markMasquerade() });
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
        ? { comment: "no endpoint takes it", expressions: [this.#reject()] }
        : { comment: "other nodes have endpoints, this one may not send it there", expressions: [r.verdictOf("drop")] },
    );
    return { chain: { table: tableName, name: chainName(handler) }, rules };
  }

  #dispatch(): readonly ChainRule[] {
    const key = this.#frontend(first);
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
        expressions: [...this.#destination(first), r.lookup("cluster-ips", first), this.#reject()],
      },
    );
    return rules;
  }

  #postrouting(): readonly ChainRule[] {
    const bit = word(this.#masqueradeMark);
    const others = word(~this.#masqueradeMark);
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
          r.ct("status", first),
          r.bitwise(first, first, word(CtStatus.dnat), word(0)),
          r.compare(first, "neq", word(0)),
          ...this.#source(first),
          ...this.#destination(first + this.#layout.addressWords),
          r.lookup("hairpin", first),
          r.masquerade(NatFlag.FULLY_RANDOM),
        ],
      },
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
        expressions: [
          r.ct("status", first),
          r.bitwise(first, first, word(CtStatus.dnat), word(0)),
          r.compare(first, "eq", word(0)),
          r.verdictOf("return"),
        ],
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
    const pods = this.#fromPod(false);
    return [
      ...(pods === undefined ? [] : way("pods", pods)),
      { comment: "the node itself", expressions: [...node, ...this.#markMasquerade()] },
      ...way("the node itself", node),
    ];
  }

  #masqueradeInternal(): readonly ChainRule[] {
    if (this.#options.masqueradeAll) {
      return [{ comment: "all of it is masqueraded", expressions: this.#markMasquerade() }];
    }
    const foreign = this.#fromPod(true);
    if (foreign === undefined) return [];
    return [{ comment: "not from a pod", expressions: [...foreign, ...this.#markMasquerade()] }];
  }

  /** Goes on if the packet comes from a pod (or, inverted, does not); undefined where nobody knows. */
  #fromPod(inverted: boolean): readonly NftExpression[] | undefined {
    const { localTraffic } = this.#options;
    switch (localTraffic.kind) {
      case "none":
        return undefined;
      case "ranges":
      case "node-ranges":
        return [...this.#source(first), r.lookup("pods", first, { inverted })];
      case "interface": {
        const name = Buffer.alloc(16);
        name.write(localTraffic.name);
        return [r.meta("iifname", 1), r.compare(1, inverted ? "neq" : "eq", new Uint8Array(name))];
      }
      case "interface-prefix":
        return [
          r.meta("iifname", 1),
          r.compare(1, inverted ? "neq" : "eq", new Uint8Array(Buffer.from(localTraffic.prefix))),
        ];
    }
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
        const load = picker === "source" ? this.#source(from) : this.#destination(from);
        const length = this.#layout.addressBytes;
        return [...load, r.jhash(from, length, { modulus: count, seed: hashSeed, destination: into })];
      }
    }
  }

  /** Loads the number that a map has for the Service's address. */
  #take(map: "services" | "groups" | "pod-services" | "pod-groups"): readonly NftExpression[] {
    return [...this.#frontend(first), r.lookup(map, first, { destination: first }), r.setMeta("priority", first)];
  }

  #frontend(at: number): readonly NftExpression[] {
    const { addressWords } = this.#layout;
    return [
      ...this.#destination(at),
      r.meta("l4proto", at + addressWords),
      r.payload(r.packetField.destinationPort, at + addressWords + 1),
    ];
  }

  #frontendWords(): number {
    return this.#layout.addressWords + 2;
  }

  #listAndClient(at: number): readonly NftExpression[] {
    return [r.meta("priority", at), ...this.#source(at + 1)];
  }

  #behindClient(at: number): number {
    return at + 1 + this.#layout.addressWords;
  }

  #source(at: number): readonly NftExpression[] {
    const { ipSource, ip6Source } = r.packetField;
    return [r.payload(this.#layout.table === "ip" ? ipSource : ip6Source, at)];
  }

  #destination(at: number): readonly NftExpression[] {
    const { ipDestination, ip6Destination } = r.packetField;
    return [r.payload(this.#layout.table === "ip" ? ipDestination : ip6Destination, at)];
  }

  #markMasquerade(): readonly NftExpression[] {
    const bit = this.#masqueradeMark;
    return [r.meta("mark", first), r.bitwise(first, first, word(~bit), word(bit)), r.setMeta("mark", first)];
  }

  #translate(at: number): NftExpression {
    const { table, addressWords } = this.#layout;
    return r.nat("dnat", table, { address: at, port: at + addressWords });
  }

  #reject(): NftExpression {
    // Numbers of ICMP and ICMPv6 for a port that cannot be reached.
    return { name: "reject", data: { type: 0, code: this.#layout.table === "ip" ? 3 : 4 } };
  }
}

/** The loopback interface is the first of every namespace. */
const loopbackIndex = 1;

/** Where a hash finds what it is made of: away from everything else. */
const hashInput = 20;

/** A rule's words and a digest of what it does, by which the plane knows its own rules again. */
export function commentOf({ comment, expressions }: ChainRule): string {
  const digest = createHash("sha256").update(JSON.stringify(expressions, plain)).digest("hex").slice(0, 8);
  return `${comment} [${digest}]`.slice(-maxCommentBytes);
}

/** A comment as a rule's user data. */
export function commentBytes(comment: string): Uint8Array {
  const text = Buffer.from(`${comment}\0`);
  return new Uint8Array(Buffer.concat([Buffer.from([commentEntry, text.length]), text]));
}

/** Inverse of {@link commentBytes}; empty where there is none. */
export function commentFrom(userData: Uint8Array | undefined): string {
  if (userData === undefined || userData[0] !== commentEntry) return "";
  return Buffer.from(userData.subarray(2, 2 + (userData[1] ?? 0)))
    .toString()
    .replace(/\0$/, "");
}

function plain(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return typeof value === "bigint" ? value.toString() : value;
}
