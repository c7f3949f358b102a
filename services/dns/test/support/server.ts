/** A whole name server over a feed in memory, on a free loopback port. */
import { createMemoryFeed } from "@fairlead/bus";
import type { ChangePublisher } from "@fairlead/bus";
import { silentLogger, systemClock } from "@fairlead/host";
import { seededRandom } from "@fairlead/testkit";
import { feedKeyOf } from "@fairlead/types";
import type { FeedKey, FeedValue } from "@fairlead/types";
import { composeDns } from "../../src/compose.ts";
import type { Dns } from "../../src/compose.ts";
import { readDnsConfig } from "../../src/config.ts";

/** See the module. */
export interface TestServer extends AsyncDisposable {
  readonly dns: Dns;
  readonly port: number;
  /** Publishes; settles when it is answered. */
  put(...values: readonly FeedValue[]): Promise<void>;
  remove(value: FeedValue): Promise<void>;
  metrics(): Promise<string>;
}

/** Starts one; with `state` undefined its feed says nothing. It forwards nowhere unless the flags say so. */
export async function startServer(
  state: ReadonlyMap<FeedKey, FeedValue> | undefined,
  ...flags: readonly string[]
): Promise<TestServer> {
  const memory = createMemoryFeed({ clock: systemClock });
  const writer: ChangePublisher = memory.publisher();
  if (state) await writer.takeOver(state);
  const standard = ["--resolv-conf", "/dev/null", "--ready-address", "none", "--metrics-address", "none"];
  const listen = flags.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const config = readDnsConfig({
    argv: [...standard, "--health-address", "127.0.0.1:0", ...listen, ...flags],
    env: {},
  });
  const dns = composeDns(config, { feed: memory.feed, log: silentLogger, clock: systemClock, random: seededRandom(7) });
  await dns.start();
  return {
    dns,
    port: dns.port,
    put: (...values) => writer.publish(values.map((value) => ({ key: feedKeyOf(value), value }))),
    remove: (value) => writer.publish([{ key: feedKeyOf(value), value: undefined }]),
    metrics: async () => (await fetch(`${dns.healthUrl}/metrics`)).text(),
    [Symbol.asyncDispose]: () => dns.stop(),
  };
}
