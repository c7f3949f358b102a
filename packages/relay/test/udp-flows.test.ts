import { randomInt } from "node:crypto";
import { eventually, FakeClock } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { adding, endpointAt, entryOf, frontendAt, UdpBackend, UdpClient, updating } from "../src/testing.ts";
import type { At } from "../src/testing.ts";
import { LINGER_MS } from "../src/index.ts";
import type { RelayEntry, RelaySet, RelaySetOptions, ServicePortCounters } from "../src/index.ts";
import { loopback, makeRelaySet } from "./support/relays.ts";

let cleanups: AsyncDisposableStack;

beforeEach(() => {
  cleanups = new AsyncDisposableStack();
});

afterEach(() => cleanups.disposeAsync());

function relays(options: Partial<RelaySetOptions<RelayEntry>> = {}): RelaySet<RelayEntry> {
  const made = makeRelaySet(options);
  cleanups.defer(() => made.cleanup());
  return made;
}

const place = (): At => ({ address: loopback(96), port: randomInt(20_000, 30_000) });
const naming = async (name: string): Promise<UdpBackend> => cleanups.use(await UdpBackend.naming(loopback(244), name));
const client = async (): Promise<UdpClient> => cleanups.use(await UdpClient.bind("127.0.0.1"));

function dns(at: At, endpoints: readonly At[], more: Partial<Parameters<typeof entryOf>[0]> = {}): RelayEntry {
  return entryOf({
    name: "dns",
    protocol: "UDP",
    frontends: [frontendAt(at)],
    endpoints: endpoints.map((one) => endpointAt(one)),
    ...more,
  });
}

function counters(of: RelaySet<RelayEntry>): ServicePortCounters {
  const [first] = of.counters();
  if (first === undefined) throw new Error("no Service port is planned");
  return first[1];
}

describe("a UDP flow", () => {
  it("sends a datagram that was refused on to another endpoint", async () => {
    const at = place();
    const gone = await naming("gone");
    const closed = { address: gone.address, port: gone.port };
    await gone.stop();
    const good = await naming("good");
    const used = relays();
    await used.apply(adding(dns(at, [closed, good])));
    for (const text of ["1", "2", "3"]) {
      const asking = await client();
      expect((await asking.ask(at, text)).text).toBe(`good:${text}`);
    }
    expect(counters(used)).toMatchObject({ connectFailures: 1, retries: 1, active: 3 });
  });

  it("moves on when its endpoint dies without a word", async () => {
    const at = place();
    const [first, second] = [await naming("first"), await naming("second")];
    const used = relays();
    await used.apply(adding(dns(at, [first, second], { affinityMs: 60_000 })));
    const asking = await client();
    const before = (await asking.ask(at, "1")).text.split(":")[0];
    await (before === "first" ? first : second).stop();
    expect((await asking.ask(at, "2")).text).toBe(before === "first" ? "second:2" : "first:2");
  });

  it("ends after silence, not while it is used", async () => {
    const at = place();
    const clock = new FakeClock();
    const backend = await naming("x");
    const used = relays({ clock, udpTimeoutMs: 40_000 });
    await used.apply(adding(dns(at, [backend])));
    const asking = await client();
    for (let time = 0; time < 4; time++) {
      await asking.ask(at, `${time}`);
      await clock.advance(30_000);
    }
    expect(counters(used)).toMatchObject({ udpFlows: 1, active: 1 });
    await clock.advance(20_000);
    expect(counters(used).active).toBe(0);
    expect((await asking.ask(at, "again")).text).toBe("x:again");
    expect(counters(used)).toMatchObject({ udpFlows: 2, datagramsToEndpoints: 5, datagramsToClients: 5 });
  });

  it("still brings an answer that was on its way when the endpoint left", async () => {
    const at = place();
    const clock = new FakeClock();
    const [slow, other] = [await naming("slow"), await naming("other")];
    const used = relays({ clock });
    await used.apply(adding(dns(at, [slow])));
    const asking = await client();
    await asking.ask(at, "1");
    await used.apply(updating(dns(at, [slow]), dns(at, [other])));
    expect(counters(used).active).toBe(1);
    expect((await asking.ask(at, "2")).text).toBe("other:2");
    await clock.advance(LINGER_MS);
    expect(counters(used).active).toBe(1);
  });

  it("comes from the client's own address under policy Local", async () => {
    const at = place();
    const backend = await naming("x");
    const used = relays();
    await used.apply(adding(dns(at, [backend], { frontends: [frontendAt(at, { policy: "Local" })] })));
    const asking = cleanups.use(await UdpClient.bind("127.0.0.77"));
    await asking.ask(at, "1");
    expect(backend.seen).toEqual(["127.0.0.77"]);
  });

  it("carries a burst that arrives before the flow is set up", async () => {
    const at = place();
    const backend = await naming("x");
    const used = relays();
    await used.apply(adding(dns(at, [backend])));
    const asking = await client();
    await Promise.all(Array.from({ length: 8 }, (_, index) => asking.ask(at, `${index}`)));
    await eventually(() => expect(backend.seen).toHaveLength(8));
    expect(counters(used).udpFlows).toBe(1);
  });

  it("leaves nothing behind when the set is cleaned up", async () => {
    const at = place();
    const clock = new FakeClock();
    const backend = await naming("x");
    const used = makeRelaySet({ clock });
    await used.apply(adding(dns(at, [backend])));
    const asking = await client();
    await asking.ask(at, "1");
    await used.cleanup();
    expect(clock.pending).toBe(0);
    expect([...used.held()]).toEqual([]);
  });
});
