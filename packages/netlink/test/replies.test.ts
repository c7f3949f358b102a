/** Whatever the kernel answers: every call of every client comes to an end in time, with a value or an error that it is known for. */
import { seededRandom } from "@fairlead/testkit";
import { ipAddress, IpFamily } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { ConntrackClient, readConntrackEvent } from "../src/conntrack/conntrack-client.ts";
import { Conversation } from "../src/conversation.ts";
import {
  DumpInterruptedError,
  NetlinkDecodeError,
  NetlinkError,
  NetlinkLossError,
  NetlinkTimeoutError,
} from "../src/errors.ts";
import { resolveGenericFamily } from "../src/generic-netlink.ts";
import { IpvsClient, openIpvs } from "../src/ipvs/ipvs-client.ts";
import { NetlinkMonitor } from "../src/monitor.ts";
import { NftablesClient, readNftEvent } from "../src/nftables/nftables-client.ts";
import { NftablesTransaction } from "../src/nftables/nftables-transaction.ts";
import { readRouteEvent, RouteClient } from "../src/route/route-client.ts";
import { fakeAcknowledgement, type FakeArrival, fakeMessage, FakeNetlinkTransport } from "../src/testing.ts";
import type { Arrival } from "../src/transport.ts";
import { ControlType, MessageFlag, type MessageView } from "../src/wire/message.ts";
import type { Golden } from "./support/goldens.ts";
import { MovingClock } from "./support/moving-clock.ts";
import { busyReplies, Die, randomReplies } from "./support/random-replies.ts";

/** Answers to invent; FAIRLEAD_NETLINK_FUZZ=100000 is the long run. */
const runs = Number(process.env["FAIRLEAD_NETLINK_FUZZ"] ?? 3_000);

/** Time for one conversation, in ms; and for a list that is read again, as often as it is. */
const deadlineMs = 10;
const maxDumpTries = 8;

/** Calls to receive within one call of a client. More is a loop without an end. */
const maxReceives = 20_000;

type Call = (conversation: Conversation) => Promise<unknown>;

const nft = (conversation: Conversation): NftablesClient => new NftablesClient({ conversation });
const route = (conversation: Conversation): RouteClient => new RouteClient({ conversation });
const conntrack = (conversation: Conversation): ConntrackClient => new ConntrackClient({ conversation });
const ipvs = (conversation: Conversation): IpvsClient =>
  new IpvsClient({ conversation, family: { id: 0x22, name: "IPVS" } });

const service = { protocol: 6, address: ipAddress("10.96.0.1"), port: 443 };
const destination = { address: ipAddress("10.244.0.2"), port: 8443, weight: 1 };
const linkAddress = { index: 1, address: ipAddress("10.1.0.1"), prefix: 24 };
const table = { family: "inet", table: "t" } as const;
const tuple = { protocol: 6, source: ipAddress("10.1.0.2"), destination: ipAddress("10.96.0.1") };
const entry = { original: { ...tuple, sourcePort: 4_000, destinationPort: 80 }, id: 7, zone: 0 };

/** Every question that the package asks, and what is read of the answers. */
const calls: Readonly<Record<Golden["family"], Readonly<Record<string, Call>>>> = {
  nftables: {
    generation: (conversation) => nft(conversation).generation(),
    tables: (conversation) => nft(conversation).tables({ family: "inet" }),
    chains: (conversation) => nft(conversation).chains(table),
    rules: (conversation) => nft(conversation).rules({ ...table, chain: "c" }),
    sets: (conversation) => nft(conversation).sets(table),
    elements: (conversation) => nft(conversation).elements({ ...table, set: "s" }),
    element: (conversation) => nft(conversation).element({ ...table, set: "s", key: new Uint8Array(4) }),
    objects: (conversation) => nft(conversation).objects(table, { reset: true }),
    commit: (conversation) =>
      nft(conversation).commit(
        new NftablesTransaction({ family: "ip" }).addTable({ name: "a" }).addTable({ name: "b" }),
      ),
  },
  ipvs: {
    open: openIpvs,
    family: (conversation) => resolveGenericFamily(conversation, "IPVS"),
    services: (conversation) => ipvs(conversation).services(),
    service: (conversation) => ipvs(conversation).service(service),
    destinations: (conversation) => ipvs(conversation).destinations(service),
    timeouts: (conversation) => ipvs(conversation).timeouts(),
    info: (conversation) => ipvs(conversation).info(),
    flush: (conversation) => ipvs(conversation).flush(),
    apply: (conversation) => ipvs(conversation).apply({ kind: "add-destination", service, destination }),
    batch: (conversation) =>
      ipvs(conversation).batch([
        { kind: "add-service", service: { ...service, scheduler: "rr" } },
        { kind: "delete-destination", service, destination },
        { kind: "delete-service", service },
      ]),
  },
  route: {
    links: (conversation) => route(conversation).links(),
    link: (conversation) => route(conversation).link("lo"),
    addresses: (conversation) => route(conversation).addresses(1),
    routes: (conversation) => route(conversation).routes(IpFamily.v4),
    routes6: (conversation) => route(conversation).routes(IpFamily.v6),
    neighbours: (conversation) => route(conversation).neighbours(IpFamily.v4),
    addLink: (conversation) => route(conversation).addLink({ name: "d0", kind: "dummy" }),
    changeAddresses: (conversation) =>
      route(conversation).changeAddresses([
        { kind: "add", address: linkAddress },
        { kind: "delete", address: linkAddress },
      ]),
  },
  conntrack: {
    list: (conversation) => conntrack(conversation).list(),
    some: (conversation) => conntrack(conversation).list({ family: IpFamily.v6, protocol: 17, matches: () => true }),
    delete: (conversation) => conntrack(conversation).delete(entry),
    deleteAll: (conversation) => conntrack(conversation).deleteAll([entry, entry]),
  },
};

const allCalls = Object.entries(calls).flatMap(([family, byName]) =>
  Object.entries(byName).map(([name, call]) => ({ family: family as Golden["family"], name, call })),
);

/** Says EPERM, and repeats no message. */
const refusal = Buffer.from("ffffffff", "hex");

/** The errors that a call is known for. */
const documented = [NetlinkError, NetlinkDecodeError, NetlinkTimeoutError, NetlinkLossError, DumpInterruptedError];

/** A transport in which each look takes a moment, and that notices when there is no end to them. */
class WatchedTransport extends FakeNetlinkTransport {
  receives = 0;
  readonly #clock: MovingClock;
  readonly #flood: (() => FakeArrival) | undefined;

  constructor(
    clock: MovingClock,
    answer: (messages: readonly MessageView[]) => readonly FakeArrival[],
    flood?: () => FakeArrival,
  ) {
    super(answer);
    this.#clock = clock;
    this.#flood = flood;
  }

  override receive(): readonly Arrival[] {
    this.receives += 1;
    if (this.receives > maxReceives) throw new Error("there is no end to receiving");
    this.#clock.pass(0.005);
    if (this.#flood !== undefined && this.writes.length > 0) this.arrive(this.#flood());
    return super.receive();
  }
}

/** What is wrong with how a call ended; undefined if nothing is. */
async function strangeEnd(clock: MovingClock, call: () => Promise<unknown>): Promise<unknown> {
  const begin = clock.monotonic();
  try {
    await call();
  } catch (error) {
    if (!documented.some((kind) => error instanceof kind)) return error;
  }
  const took = clock.monotonic() - begin;
  return took <= (deadlineMs + 2) * maxDumpTries ? undefined : `it took ${took} ms`;
}

/** An answer as it should be: done, or an empty list. */
function goodReplies(messages: readonly MessageView[]): FakeArrival[] {
  return messages.map((message) =>
    (message.flags & MessageFlag.DUMP) === MessageFlag.DUMP
      ? fakeMessage({ type: ControlType.DONE, sequence: message.sequence, payload: new Uint8Array(4) })
      : fakeAcknowledgement(message, 0),
  );
}

describe("whatever is answered", () => {
  test("a call ends in time with a value or an error that it is known for, and the next one is not the worse for it", async () => {
    const strange: unknown[] = [];
    const ends = new Map<string, number>();
    for (let seed = 1; seed <= runs && strange.length < 5; seed++) {
      const die = new Die(seededRandom(seed));
      const { family, name, call } = die.pick(allCalls);
      const clock = new MovingClock();
      const replies = die.percent(2) ? busyReplies : randomReplies;
      let broken = true;
      const transport = new WatchedTransport(clock, (messages) =>
        broken ? replies(die, family, messages) : goodReplies(messages),
      );
      transport.arrivalsPerCall = 1 + die.below(8);
      if (die.percent(3)) transport.refuseWrites = die.below(20);
      const conversation = new Conversation({ transport, clock, deadlineMs });
      const end = await strangeEnd(clock, () =>
        call(conversation).then(
          () => ends.set("a value", (ends.get("a value") ?? 0) + 1),
          (error: Error) => {
            ends.set(error.name, (ends.get(error.name) ?? 0) + 1);
            throw error;
          },
        ),
      );
      if (end !== undefined) strange.push({ seed, family, name, end });
      broken = false;
      transport.refuseWrites = 0;
      await ipvs(conversation)
        .flush()
        .catch((error: unknown) => strange.push({ seed, family, name, next: error }));
    }
    expect(strange).toEqual([]);
    // Otherwise there would be little behind it.
    expect([...ends.keys()].sort()).toEqual(["a value", ...documented.map(({ name }) => name)].sort());
  }, 600_000);

  test("a monitor goes on: it hands events over, or says that the state has to be looked at", async () => {
    const strange: unknown[] = [];
    const families = ["nftables", "route", "conntrack"] as const;
    const readers = { nftables: readNftEvent, route: readRouteEvent, conntrack: readConntrackEvent };
    let heard = 0;
    let resyncs = 0;
    for (let seed = 1; seed <= runs / 3 && strange.length < 5; seed++) {
      const die = new Die(seededRandom(-seed));
      const family = die.pick(families);
      const clock = new MovingClock();
      const transport = new WatchedTransport(clock, () => []);
      const monitor = new NetlinkMonitor({
        transport,
        clock,
        groups: [1],
        onMessage: (message) => {
          if (readers[family](message) !== undefined) heard += 1;
        },
        onResync: () => {
          resyncs += 1;
        },
        onError: (error) => strange.push({ seed, family, error }),
      });
      transport.arrive(...randomReplies(die, family, []));
      monitor.start();
      for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => void setImmediate(resolve));
      monitor.close();
    }
    expect(strange).toEqual([]);
    expect(heard).toBeGreaterThan(0);
    expect(resyncs).toBeGreaterThan(0);
  }, 600_000);
});

describe("a kernel that does not stop talking", () => {
  // One call of each kind of conversation. A list ends where it has more bytes than one may have, so its parts are large.
  const large = new Uint8Array(4 * 1024 * 1024);
  const small = new Uint8Array(4);
  const kinds: readonly (readonly [string, Call | undefined, Uint8Array])[] = [
    ["a question", calls.nftables["element"], small],
    ["many changes", calls.ipvs["batch"], small],
    ["a transaction", calls.nftables["commit"], small],
    ["a list", calls.nftables["tables"], large],
  ];
  const floods: readonly (readonly [string, (sequence: number, payload: Uint8Array) => FakeArrival])[] = [
    ["of what nobody asked for", (sequence) => fakeMessage({ type: 0x22, sequence: sequence + 1_000 })],
    ["without saying anything", (sequence, payload) => fakeMessage({ type: ControlType.NOOP, sequence, payload })],
    ["and repeats itself", (sequence, payload) => fakeMessage({ type: 0x7fff, sequence, payload })],
    ["and refuses again and again", (sequence) => fakeMessage({ type: ControlType.ERROR, sequence, payload: refusal })],
    ["but is never understood", () => "lost"],
  ];

  test.for(
    floods.flatMap(([how, flood]) => kinds.map(([kind, call, payload]) => ({ how, kind, flood, call, payload }))),
  )("$how does not keep $kind for ever", async ({ flood, call, payload }) => {
    const clock = new MovingClock();
    let same: FakeArrival | undefined;
    const transport: WatchedTransport = new WatchedTransport(
      clock,
      () => [],
      () => (same ??= flood(transport.writes.at(-1)?.at(-1)?.sequence ?? 0, payload)),
    );
    const conversation = new Conversation({ transport, clock, deadlineMs });
    let done = false;
    const end = await strangeEnd(clock, async () => {
      await (call as Call)(conversation);
      done = true;
    });
    // Nothing that was said means success.
    expect({ end, done }).toEqual({ end: undefined, done: false });
  });
});
