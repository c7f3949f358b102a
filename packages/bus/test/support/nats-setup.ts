/** A feed over a nats-server of its own, with a bad network between it and its followers. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type NatsServer, RecordingLogger, startNats, startTcpRelay, temporaryDirectory } from "@fairlead/testkit";
import { createNatsFeed, createNatsPublisher } from "../../src/nats/index.ts";
import type { NatsFeed, NatsFeedOptions, NatsPublisher, NatsPublisherOptions } from "../../src/nats/index.ts";
import type { FeedSetup } from "../../src/testing.ts";
import { realClock, realRandom } from "./real-time.ts";

export interface NatsSetup extends FeedSetup {
  readonly bus: NonNullable<FeedSetup["bus"]>;
  readonly log: RecordingLogger;
  /** A directory for the test's own files. */
  readonly path: string;
  /** Address of the server itself, past the bad network. */
  url(): string;
  feed(options?: Partial<NatsFeedOptions>): Promise<NatsFeed>;
  publisher(options?: Partial<NatsPublisherOptions>): Promise<NatsPublisher>;
}

/** `config`: more lines for the server's configuration. */
export async function natsSetup(config = ""): Promise<NatsSetup> {
  const directory = await temporaryDirectory();
  const storeDir = join(directory.path, "nats");
  let server: NatsServer = await startNats({ storeDir, config });
  const { port } = server;
  const relay = await startTcpRelay({ host: "127.0.0.1", port });
  const log = new RecordingLogger();
  const parts: { stop(): Promise<void> }[] = [];
  const base = { clock: realClock, random: realRandom, log };

  return {
    log,
    path: directory.path,
    url: () => server.url,
    async feed(options = {}) {
      const feed = createNatsFeed({ ...base, servers: relay.url, ...options });
      parts.push(feed);
      await feed.start();
      return feed;
    },
    async publisher(options = {}) {
      const publisher = createNatsPublisher({ ...base, servers: server.url, ...options });
      parts.push(publisher);
      await publisher.start();
      return publisher;
    },
    bus: {
      async loseMessages(meanwhile) {
        relay.drop(true);
        await meanwhile();
        relay.drop(false);
      },
      delay: (ms) => relay.delay(ms),
      async kill() {
        server.signal("SIGKILL");
        await server.exited;
      },
      async start() {
        server = await startNats({ storeDir, port, config });
      },
      wipe: () => rm(storeDir, { recursive: true, force: true }),
    },
    async close() {
      await Promise.all(parts.map((part) => part.stop()));
      await relay.stop();
      await server.stop();
      await directory.remove();
    },
  };
}
