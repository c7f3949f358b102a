import { once } from "node:events";
import { systemClock } from "@fairlead/host";
import { ask, open, outcome, readAll, TcpBackend } from "@fairlead/relay/testing";
import type { At } from "@fairlead/relay/testing";
import { eventually, needs } from "@fairlead/testkit";
import { thisNetworkNamespace } from "@fairlead/sockets";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NftablesPlane } from "../src/nftables/nftables-plane.ts";
import type { ServicePortEntry } from "../src/plan/entry.ts";
import {
  adding,
  endpointAt,
  entryOf,
  frontendAt,
  planeCompliance,
  RecordingObserver,
  removing,
  updating,
} from "../src/testing.ts";
import { KernelRoom } from "./support/kernel-room.ts";

/** Time for an answer that should not come, in milliseconds. */
const briefMs = 500;

const missing = needs("root", "nft");

describe.skipIf(missing)("in nf_tables", () => {
  planeCompliance("the nftables plane", async (observer) => {
    const room = new KernelRoom();
    await room.furnish();
    return {
      plane: new NftablesPlane(room.options({ observer })),
      serviceAddress: () => room.serviceAddress(),
      endpointAddress: () => room.endpointAddress(),
      clients: KernelRoom.clients,
      refusal: "ECONNREFUSED",
      gone: "ABORT_ERR",
      shortCircuit: true,
      stop: async () => room[Symbol.dispose](),
    };
  });
});

/** What a listing says but for what goes on by itself, in no order. */
function structure(ruleset: string): string[] {
  return ruleset
    .replaceAll(/expires \w+|packets \d+ bytes \d+/g, "")
    .split("\n")
    .toSorted();
}

describe.skipIf(missing)("the nftables plane", () => {
  let room: KernelRoom;
  let cleanups: AsyncDisposableStack;

  beforeEach(async () => {
    cleanups = new AsyncDisposableStack();
    room = cleanups.use(new KernelRoom());
    await room.furnish();
  });

  afterEach(() => cleanups.disposeAsync());

  const started = async (options: Parameters<KernelRoom["options"]>[0] = {}): Promise<NftablesPlane> => {
    const plane = new NftablesPlane(room.options(options));
    await plane.start();
    cleanups.defer(() => plane.stop());
    return plane;
  };
  const naming = async (said: string): Promise<TcpBackend> =>
    cleanups.use(await TcpBackend.naming(room.endpointAddress(), said));
  const place = (): At => ({ address: room.serviceAddress(), port: 80 });
  const web = (at: At, endpoints: readonly At[], more: Partial<Parameters<typeof entryOf>[0]> = {}): ServicePortEntry =>
    entryOf({ name: "web", frontends: [frontendAt(at)], endpoints: endpoints.map((one) => endpointAt(one)), ...more });
  const said = async (at: At, times: number): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (let time = 0; time < times; time++) {
      const answer = await ask(at);
      counts[answer] = (counts[answer] ?? 0) + 1;
    }
    return counts;
  };

  it("finds that this kernel can carry it, and leaves nothing behind", async () => {
    expect(await NftablesPlane.probe(thisNetworkNamespace, systemClock)).toBeUndefined();
    expect(room.ruleset()).toBe("");
  });

  it("is taken over by the next run as it stands: nothing is written, ids and affinities stay", async () => {
    const at = place();
    const backends = await Promise.all(["a", "b", "c"].map(naming));
    const entries = [
      web(at, backends, { affinityMs: 600_000 }),
      web(place(), backends, { name: "other", scheduler: "rr" }),
      web(place(), [], { name: "idle" }),
    ];
    const first = await started();
    await first.apply(adding(...entries));
    const mine = await ask(at);
    const before = structure(room.ruleset());
    await first.stop();
    const second = await started();
    // In another order, as a snapshot of the feed may have it.
    await second.apply(adding(...entries.toReversed()));
    expect(structure(room.ruleset())).toEqual(before);
    expect(await said(at, 5)).toEqual({ [mine]: 5 });
  });

  it("brings a table that an earlier run left in another state to the present one", async () => {
    const [gone, stays] = [place(), place()];
    const [a, b] = [await naming("a"), await naming("b")];
    const first = await started();
    await first.apply(adding(web(gone, [a]), web(stays, [a], { name: "stays" })));
    await first.stop();
    const second = await started();
    await second.apply(adding(web(stays, [b], { name: "stays" })));
    expect(await said(stays, 3)).toEqual({ b: 3 });
    expect(await outcome(gone, undefined, briefMs)).not.toContain("answered");
    expect(await second.inspect()).toHaveLength(1);
  });

  it("knows nothing when it is started again: what the kernel holds by then is what counts", async () => {
    const at = place();
    const backend = await naming("again");
    const plane = await started();
    await plane.apply(adding(web(at, [backend]), web(place(), [backend], { name: "gone" })));
    await plane.stop();
    room.nft("flush map ip fairlead endpoints");
    await plane.start();
    await plane.apply(adding(web(at, [backend])));
    expect(await ask(at)).toBe("again");
    expect(await plane.inspect()).toHaveLength(1);
  });

  it("replaces a table of its name that has another shape", async () => {
    room.nft("add table ip fairlead; add set ip fairlead services { type ipv4_addr; }; add chain ip fairlead old");
    const at = place();
    const plane = await started();
    await plane.apply(adding(web(at, [await naming("new")])));
    expect(await ask(at)).toBe("new");
    expect(room.ruleset()).not.toContain("chain old");
  });

  const damages = [
    {
      name: "deleted elements",
      command: (at: At) => `delete element ip fairlead services { ${at.address} . tcp . 80 }`,
    },
    { name: "a flushed map", command: () => "flush map ip fairlead endpoints" },
    { name: "a flushed chain", command: () => "flush chain ip fairlead services" },
    { name: "a rule too many", command: () => "insert rule ip fairlead nat-output counter drop" },
    { name: "a deleted table", command: () => "delete table ip fairlead" },
    { name: "an element too many", command: () => "add element ip fairlead cluster-ips { 10.99.0.1 }" },
    { name: "a chain too many", command: () => "add chain ip fairlead strange" },
  ];

  it.each(damages)("repairs $name by itself, and counts that", async ({ command }) => {
    const at = place();
    const plane = await started();
    await plane.apply(adding(web(at, [await naming("whole")])));
    const whole = room.ruleset();
    room.nft(command(at));
    expect(room.ruleset()).not.toBe(whole);
    await eventually(async () => expect(plane.status().driftRepaired).toBeGreaterThan(0));
    expect(await ask(at)).toBe("whole");
    expect(structure(room.ruleset())).toEqual(structure(whole));
  });

  it("puts a change in force although somebody has taken away what it would change", async () => {
    const at = place();
    const [a, b] = [await naming("a"), await naming("b")];
    const plane = await started({ verifyIntervalMs: 3_600_000 });
    await plane.apply(adding(web(at, [a])));
    room.nft("flush map ip fairlead endpoints");
    await plane.apply(updating(web(at, [a]), web(at, [b])));
    expect(await said(at, 3)).toEqual({ b: 3 });
  });

  it("leaves everybody else's tables alone", async () => {
    room.nft(
      "add table inet mine; add chain inet mine guard { type filter hook input priority 0; }; add rule inet mine guard counter",
    );
    const plane = await started();
    await plane.apply(adding(web(place(), [await naming("a")])));
    await plane.verify();
    await plane.cleanup();
    expect(room.ruleset()).toMatch(
      /^table inet mine \{\n\tchain guard \{\n.*\n\t\tcounter packets \d+ bytes \d+\n\t\}\n\}\n$/,
    );
    expect(plane.status().driftRepaired).toBe(0);
  });

  it("can be listed by nft at every step", async () => {
    const at = place();
    const backends = await Promise.all(["a", "b", "c"].map(naming));
    const plane = await started();
    const schedulers = ["rr", "wrr", "random", "sh", "dh", "mh", "lc"] as const;
    let before: ServicePortEntry | undefined;
    for (const affinityMs of [undefined, 5_000]) {
      for (const scheduler of schedulers) {
        const after = entryOf({
          name: "web",
          frontends: [
            frontendAt(at),
            frontendAt({ address: "10.100.0.1", port: 30_080 }, { kind: "NodePort" }),
            frontendAt(
              { address: "10.200.0.1", port: 80 },
              { kind: "LoadBalancer", policy: "Local", sourceRanges: ["192.0.2.0/24" as never] },
            ),
          ],
          endpoints: backends
            .slice(0, schedulers.indexOf(scheduler) % 3)
            .map((one, index) => endpointAt(one, index + 1)),
          scheduler,
          ...(affinityMs === undefined ? {} : { affinityMs }),
        });
        await plane.apply(before === undefined ? adding(after) : updating(before, after));
        expect(room.ruleset()).toContain("table ip6 fairlead");
        before = after;
      }
    }
    await plane.apply(removing(before as ServicePortEntry));
    await plane.retire();
    expect(room.ruleset()).toContain("chain nat-prerouting");
    await plane.cleanup();
    expect(room.ruleset()).toBe("");
  });

  it("retires without breaking connections that are open, and takes no new ones", async () => {
    const at = place();
    const echo = cleanups.use(await TcpBackend.echo(room.endpointAddress()));
    const plane = await started();
    await plane.apply(adding(web(at, [echo])));
    const client = await open(at);
    client.write("one ");
    await once(client, "readable");
    await plane.retire();
    expect(await outcome(at, undefined, briefMs)).not.toContain("answered");
    client.end("two");
    expect(await readAll(client)).toBe("one two");
  });

  it("counts connections, packets and bytes of each Service port, also across addresses that go", async () => {
    const [at, second] = [place(), place()];
    const backend = await naming("counted");
    const both = entryOf({
      name: "web",
      frontends: [frontendAt(at), frontendAt(second, { kind: "ExternalIP" })],
      endpoints: [endpointAt(backend)],
    });
    const plane = await started();
    await plane.apply(adding(both));
    await said(at, 3);
    await said(second, 2);
    const counted = async () => [...(await plane.counters())][0]?.[1];
    const before = await counted();
    expect(before?.connections).toBe(5);
    expect(before?.sentPackets).toBeGreaterThan(15);
    expect(before?.receivedBytes).toBeGreaterThan(5 * "counted".length);
    await plane.apply(updating(both, { ...both, frontends: [frontendAt(at)] }));
    expect((await counted())?.connections).toBe(5);
    await said(at, 1);
    expect((await counted())?.connections).toBe(6);
  });

  it("says which scheduler it cannot do, once, and which address somebody else has", async () => {
    const observer = new RecordingObserver();
    const at = place();
    const backend = await naming("a");
    const plane = await started({ observer });
    const asked = web(at, [backend], { scheduler: "lc" });
    await plane.apply(adding(asked));
    await plane.apply(updating(asked, web(at, [backend, { address: backend.address, port: 9 }], { scheduler: "lc" })));
    await plane.apply(adding(web(at, [backend], { name: "web-2" })));
    expect(observer.problems.map((problem) => problem.split(" ").slice(0, 2).join(" "))).toEqual([
      "SchedulerNotSupported web",
      "AddressConflict web-2",
    ]);
  });
});
