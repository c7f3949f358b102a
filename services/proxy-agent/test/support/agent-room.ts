/** An agent in a {@link KernelRoom}: this thread's network namespace is the node's, and the feed is in memory. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { createMemoryFeed } from "@fairlead/bus";
import type { ChangePublisher } from "@fairlead/bus";
import { systemClock } from "@fairlead/host";
import { openRouteClient } from "@fairlead/netlink";
import { open, readAll, TcpBackend, UdpBackend } from "@fairlead/relay/testing";
import type { At } from "@fairlead/relay/testing";
import { RecordingLogger, seededRandom } from "@fairlead/testkit";
import { feedKeyOf, ipAddress, port } from "@fairlead/types";
import type { FeedValue, Service } from "@fairlead/types";
import { cleanupTask, composeProxyAgent } from "../../src/compose.ts";
import type { ProxyAgent } from "../../src/compose.ts";
import { readProxyAgentConfig } from "../../src/config.ts";
import type { ProxyAgentConfig } from "../../src/config.ts";
import { KernelRoom } from "./kernel-room.ts";
import { asValue, endpoint, node, service, servicePort, slice, slicePort } from "./objects.ts";

/** Index of the loopback interface in every namespace. */
export const loopbackIndex = 1;
/** InternalIP of node-1. */
export const nodeAddress = "10.100.0.1";

/** Time for a word to come back, in milliseconds: the guest is slow. */
const patienceMs = 10_000;

/** The configuration of node-1's agent. */
export function configOf(...flags: readonly string[]): ProxyAgentConfig {
  return readProxyAgentConfig({
    argv: ["--node-name", "node-1", "--health-address", "127.0.0.1:0", ...flags],
    env: {},
  });
}

/** The Service `default/web` at a place, with one pod. */
export function web(at: At, pod: At, more: Partial<Service> = {}): readonly FeedValue[] {
  return [
    asValue.node(node("node-1", nodeAddress)),
    asValue.service(
      service({ clusterIPs: [ipAddress(at.address)], ports: [servicePort({ port: port(at.port) })], ...more }),
    ),
    webAt(pod),
  ];
}

/** The slice that leads `default/web` to these pods. */
export function webAt(...pods: readonly At[]): FeedValue {
  const [first] = pods;
  const ports = first === undefined ? {} : { ports: [slicePort({ port: port(first.port) })] };
  return asValue.slice(
    slice(
      pods.map(({ address }) => endpoint(address)),
      ports,
    ),
  );
}

/** See the module. */
export class AgentRoom implements AsyncDisposable {
  readonly log = new RecordingLogger();
  readonly #cleanups = new AsyncDisposableStack();
  readonly #room: KernelRoom;
  readonly #bus = createMemoryFeed({ clock: systemClock });
  readonly publisher: ChangePublisher;

  private constructor(room: KernelRoom) {
    this.#room = this.#cleanups.use(room);
    this.publisher = this.#bus.publisher();
    this.#cleanups.defer(() => this.publisher.stop());
  }

  static async open(): Promise<AgentRoom> {
    const room = new AgentRoom(new KernelRoom());
    await room.#room.furnish();
    return room;
  }

  /** What nft lists. */
  ruleset(): string {
    return this.#room.ruleset();
  }

  nft(...args: readonly string[]): void {
    this.#room.nft(...args);
  }

  async agent(...flags: readonly string[]): Promise<ProxyAgent> {
    const made = composeProxyAgent(configOf(...flags), {
      log: this.log,
      clock: systemClock,
      random: seededRandom(1),
      feed: this.#bus.feed,
      events: { record: () => undefined },
    });
    await made.start();
    this.#cleanups.defer(() => made.stop());
    return made;
  }

  /** Does what `--cleanup` does. */
  async cleanUp(...flags: readonly string[]): Promise<void> {
    const given = { log: this.log, clock: systemClock, random: seededRandom(1) };
    await cleanupTask(configOf("--cleanup", ...flags), given)?.();
  }

  put(value: FeedValue): Promise<void> {
    return this.publisher.publish([{ key: feedKeyOf(value), value }]);
  }

  /** A Service address. */
  place(): At {
    return { address: this.#room.serviceAddress(), port: 80 };
  }

  /** A Service address that the userspace plane can listen at too. */
  async ownPlace(): Promise<At> {
    const at = this.place();
    const client = openRouteClient({ clock: systemClock });
    await client.routes.addAddress({ index: loopbackIndex, address: ipAddress(at.address), prefix: 32 });
    client.close();
    return at;
  }

  /** A pod that says this and ends. */
  async naming(name: string): Promise<TcpBackend> {
    return this.#cleanups.use(await TcpBackend.naming(this.#room.endpointAddress(), name));
  }

  /** A pod that answers datagrams with its name and what they said. */
  async answering(name: string): Promise<UdpBackend> {
    return this.#cleanups.use(await UdpBackend.naming(this.#room.endpointAddress(), name));
  }

  /** A pod that greets, and sends everything back. */
  async greeting(): Promise<TcpBackend> {
    return this.#cleanups.use(
      await TcpBackend.start(this.#room.endpointAddress(), (socket) => {
        socket.write("hello");
        socket.pipe(socket);
      }),
    );
  }

  /** A client of such a pod that was greeted, and stays. */
  async client(at: At): Promise<Socket> {
    const socket = await open(at, undefined, patienceMs);
    this.#cleanups.defer(() => void socket.destroy());
    const word = await heard(socket);
    if (word !== "hello") throw new Error(`greeted with ${word}`);
    return socket;
  }

  /** What becomes of a client of such a pod that says goodbye once it is greeted: `hello bye`, or the code of an error. */
  async visit(at: At): Promise<string> {
    try {
      const socket = await open(at, undefined, patienceMs);
      const word = await heard(socket);
      socket.end("bye");
      return `${word} ${await readAll(socket)}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cleanups.disposeAsync();
  }
}

/** The next thing that is said. */
export async function heard(socket: Socket): Promise<string> {
  return String((await once(socket, "data", { signal: AbortSignal.timeout(patienceMs) }))[0]);
}

/** Clients that come one after the other, until they are told to end; gives what became of them, and how many they were. */
export function streamOf(
  visit: () => Promise<string>,
): () => Promise<{ readonly results: readonly string[]; readonly count: number }> {
  const end = new AbortController();
  const results = new Set<string>();
  let count = 0;
  const stream = (async () => {
    for (; !end.signal.aborted; count++) results.add(await visit());
  })();
  return async () => {
    end.abort();
    await stream;
    return { results: [...results], count };
  };
}

/** Text of a page of the server that has the metrics. */
export async function pageOf(of: ProxyAgent, path: string): Promise<string> {
  return (await fetch(`${of.metricsUrl}${path}`)).text();
}
