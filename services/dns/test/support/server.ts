/** A whole name server over a feed in memory, on a free loopback port. */
import { createMemoryFeed } from "@fairlead/bus";
import type { ChangePublisher } from "@fairlead/bus";
import { silentLogger, systemClock } from "@fairlead/host";
import { seededRandom } from "@fairlead/testkit";
import { feedKeyOf, feedKindOf } from "@fairlead/types";
import type { FeedKey, FeedValue } from "@fairlead/types";
import { composeDns } from "../../src/compose.ts";
import type { Dns, DnsGiven } from "../../src/compose.ts";
import { readDnsConfig } from "../../src/config.ts";

/** See the module. */
export interface TestServer extends AsyncDisposable {
  readonly dns: Dns;
  readonly port: number;
  /** Publishes, pods on their own feed; settles when it is answered. */
  put(...values: readonly FeedValue[]): Promise<void>;
  remove(value: FeedValue): Promise<void>;
  /** Takes the feed of pods over with these: until then it says nothing. */
  pods(...values: readonly FeedValue[]): Promise<void>;
  metrics(): Promise<string>;
}

/** Starts one; with `state` undefined its feed says nothing. It forwards nowhere unless the flags say so. */
export function startServer(
  state: ReadonlyMap<FeedKey, FeedValue> | undefined,
  ...flags: readonly string[]
): Promise<TestServer> {
  return startServerWith({}, state, ...flags);
}

/** The same, with what it is given replaced. */
export async function startServerWith(
  given: Partial<DnsGiven>,
  state: ReadonlyMap<FeedKey, FeedValue> | undefined,
  ...flags: readonly string[]
): Promise<TestServer> {
  const memory = createMemoryFeed({ clock: systemClock });
  const podMemory = createMemoryFeed({ clock: systemClock });
  const writer: ChangePublisher = memory.publisher();
  const podWriter = podMemory.publisher();
  const publish = async (values: readonly FeedValue[], gone: boolean): Promise<void> => {
    const publications = values.map((value) => ({ key: feedKeyOf(value), value: gone ? undefined : value }));
    const ofPods = ({ key }: { key: FeedKey }): boolean => feedKindOf(key) === "pod";
    if (publications.some(ofPods)) await podWriter.publish(publications.filter(ofPods));
    await writer.publish(publications.filter((one) => !ofPods(one)));
  };
  if (state) await writer.takeOver(state);
  const standard = ["--resolv-conf", "/dev/null", "--ready-address", "none", "--metrics-address", "none"];
  const listen = flags.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const config = readDnsConfig({
    argv: [...standard, "--health-address", "127.0.0.1:0", ...listen, ...flags],
    env: {},
  });
  const dns = composeDns(config, {
    feed: memory.feed,
    podFeed: podMemory.feed,
    log: silentLogger,
    clock: systemClock,
    random: seededRandom(7),
    ...given,
  });
  await dns.start();
  return {
    dns,
    port: dns.port,
    put: (...values) => publish(values, false),
    remove: (value) => publish([value], true),
    pods: (...values) => podWriter.takeOver(new Map(values.map((value) => [feedKeyOf(value), value]))),
    metrics: async () => (await fetch(`${dns.healthUrl}/metrics`)).text(),
    [Symbol.asyncDispose]: () => dns.stop(),
  };
}
