import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { createMemoryFeed } from "@fairlead/bus";
import type { ChangePublisher, MemoryFeed } from "@fairlead/bus";
import { systemClock } from "@fairlead/host";
import { openRouteClient } from "@fairlead/netlink";
import { ask, open, outcome, readAll, TcpBackend } from "@fairlead/relay/testing";
import type { At } from "@fairlead/relay/testing";
import { holdNewNetworkNamespace } from "@fairlead/sockets";
import type { HeldNetworkNamespace } from "@fairlead/sockets";
import { eventually, needs, RecordingLogger, seededRandom, temporaryDirectory } from "@fairlead/testkit";
import { feedKeyOf, ipAddress, port } from "@fairlead/types";
import type { FeedValue, Service } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cleanupTask, composeProxyAgent } from "../src/compose.ts";
import type { ProxyAgent } from "../src/compose.ts";
import { readProxyAgentConfig } from "../src/config.ts";
import type { ProxyAgentConfig } from "../src/config.ts";
import { KernelRoom } from "./support/kernel-room.ts";
import { asValue, endpoint, node, service, servicePort, slice, slicePort, stateOf } from "./support/objects.ts";

const missing = needs("root", "nft");
const loopback = 1;
const nodeAddress = "10.100.0.1";

let cleanups: AsyncDisposableStack;
let bus: MemoryFeed;
let publisher: ChangePublisher;
let log: RecordingLogger;

const configOf = (...flags: readonly string[]): ProxyAgentConfig =>
  readProxyAgentConfig({ argv: ["--node-name", "node-1", "--health-address", "127.0.0.1:0", ...flags], env: {} });

async function agent(...flags: readonly string[]): Promise<ProxyAgent> {
  const made = composeProxyAgent(configOf(...flags), {
    log,
    clock: systemClock,
    random: seededRandom(1),
    feed: bus.feed,
    events: { record: () => undefined },
  });
  await made.start();
  cleanups.defer(() => made.stop());
  return made;
}

const text = async (of: ProxyAgent, path: string): Promise<string> => (await fetch(`${of.metricsUrl}${path}`)).text();
const put = (value: FeedValue): Promise<void> => publisher.publish([{ key: feedKeyOf(value), value }]);

/** The Service `default/web` at a place, with one pod. */
function web(at: At, pod: At, more: Partial<Service> = {}): readonly FeedValue[] {
  return [
    asValue.node(node("node-1", nodeAddress)),
    asValue.service(
      service({ clusterIPs: [ipAddress(at.address)], ports: [servicePort({ port: port(at.port) })], ...more }),
    ),
    asValue.slice(slice([endpoint(pod.address)], { ports: [slicePort({ port: port(pod.port) })] })),
  ];
}

describe.skipIf(missing)("an agent on this kernel", () => {
  let room: KernelRoom;

  beforeEach(async () => {
    cleanups = new AsyncDisposableStack();
    room = cleanups.use(new KernelRoom());
    await room.furnish();
    bus = createMemoryFeed({ clock: systemClock });
    publisher = bus.publisher();
    cleanups.defer(() => publisher.stop());
    log = new RecordingLogger();
  });

  afterEach(() => cleanups.disposeAsync());

  const naming = async (name: string): Promise<TcpBackend> =>
    cleanups.use(await TcpBackend.naming(room.endpointAddress(), name));
  /** Greets, and sends everything back. */
  const greeting = async (): Promise<TcpBackend> =>
    cleanups.use(
      await TcpBackend.start(room.endpointAddress(), (socket) => {
        socket.write("hello");
        socket.pipe(socket);
      }),
    );
  const place = (): At => ({ address: room.serviceAddress(), port: 80 });
  const heard = async (socket: Socket): Promise<string> =>
    String((await once(socket, "data", { signal: AbortSignal.timeout(5_000) }))[0]);
  /** A client that was greeted, and stays. */
  const client = async (at: At): Promise<Socket> => {
    const socket = await open(at);
    cleanups.defer(() => void socket.destroy());
    expect(await heard(socket)).toBe("hello");
    return socket;
  };
  /** What becomes of a client that says goodbye once it is greeted. */
  const visit = async (at: At): Promise<string> => {
    try {
      const socket = await open(at);
      const greeting = await heard(socket);
      socket.end("bye");
      return `${greeting} ${await readAll(socket)}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  };

  /** A Service address that the userspace plane can listen at too. */
  async function ownPlace(): Promise<At> {
    const at = place();
    const client = openRouteClient({ clock: systemClock });
    await client.routes.addAddress({ index: loopback, address: ipAddress(at.address), prefix: 32 });
    client.close();
    return at;
  }

  it("serves by nf_tables where that is the best there is, and the next run takes over what it left", async () => {
    const [at, pod] = [place(), await naming("pod")];
    const first = await agent("--plane", "auto");
    await publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await ask(at)).toBe("pod"));
    expect(await text(first, "/proxyMode")).toBe("nftables");
    await first.stop();
    expect(await ask(at)).toBe("pod");
    const other = await naming("other");
    await put(asValue.slice(slice([endpoint(other.address)], { ports: [slicePort({ port: port(other.port) })] })));
    const second = await agent("--plane", "nftables");
    await eventually(async () => expect(await ask(at)).toBe("other"));
    await eventually(async () =>
      expect(await text(second, "/metrics")).toMatch(
        /fairlead_proxy_connections_total\{service_port="default\/web:\/TCP"\} [1-9]/,
      ),
    );
    expect(await text(second, "/metrics")).toMatch(
      /kubeproxy_sync_full_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} 1/,
    );
  });

  it("removes Services that went while nobody looked, also where none is left", async () => {
    const [at, pod] = [place(), await naming("pod")];
    const first = await agent("--plane", "nftables");
    await publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await ask(at)).toBe("pod"));
    await first.stop();
    await publisher.takeOver(stateOf());
    await agent("--plane", "nftables");
    await eventually(async () => expect(await outcome(at, undefined, 300)).toBe("ABORT_ERR"));
  });

  it("changes from one plane to the other and back under traffic: nobody is refused or cut off", async () => {
    const [at, pod] = [await ownPlace(), await greeting()];
    const used = await agent("--plane", "userspace", "--no-shared-host");
    await publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await visit(at)).toBe("hello bye"));
    const held: Socket[] = [await client(at)];
    const results = new Set<string>();
    const end = new AbortController();
    let connects = 0;
    const stream = (async () => {
      for (; !end.signal.aborted; connects++) results.add(await visit(at));
    })();
    const answers = async (): Promise<void> => {
      for (const [index, socket] of held.entries()) {
        socket.write(`still ${index}`);
        expect(await heard(socket)).toBe(`still ${index}`);
      }
    };
    for (const plane of ["nftables", "userspace", "nftables", "userspace"]) {
      await used.reload(configOf("--plane", plane, "--no-shared-host"));
      expect(await text(used, "/proxyMode")).toBe(plane);
      await answers();
      held.push(await client(at));
    }
    await answers();
    end.abort();
    await stream;
    expect([...results]).toEqual(["hello bye"]);
    expect(connects).toBeGreaterThan(20);
    expect(log.records.filter(({ level }) => level === "warn" || level === "error")).toEqual([]);
  });

  it("has what another plane left give way when it starts with another one, and open connections go on", async () => {
    const [at, pod] = [await ownPlace(), await greeting()];
    const before = await agent("--plane", "nftables");
    await publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await visit(at)).toBe("hello bye"));
    const socket = await client(at);
    await before.stop();
    expect(room.ruleset()).toContain(at.address);
    await agent("--plane", "userspace", "--no-shared-host");
    await eventually(() => expect(room.ruleset()).not.toContain(at.address));
    expect(await visit(at)).toBe("hello bye");
    socket.write("still here");
    expect(await heard(socket)).toBe("still here");
    await put(asValue.slice(slice([])));
    await eventually(async () => expect(await visit(at)).toBe("ECONNREFUSED"));
  });

  it("leaves the kernel's tables alone where several nodes share the machine", async () => {
    const [at, pod] = [place(), await naming("pod")];
    const other = await agent("--plane", "nftables");
    await publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await ask(at)).toBe("pod"));
    const shared = await agent("--plane", "userspace");
    await eventually(async () => expect((await fetch(`${shared.healthUrl}/readyz`)).status).toBe(200));
    expect(await ask(at)).toBe("pod");
    await other.stop();
  });

  it("removes all of its own, and nothing else, when it is told to clean up", async () => {
    const [at, pod] = [place(), await naming("pod")];
    const used = await agent("--plane", "nftables");
    await publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await ask(at)).toBe("pod"));
    await used.stop();
    room.nft("add", "table", "ip", "somebody-elses");
    const given = { log, clock: systemClock, random: seededRandom(1) };
    expect(cleanupTask(configOf(), given)).toBeUndefined();
    const clean = async (): Promise<void> => cleanupTask(configOf("--cleanup"), given)?.();
    await clean();
    expect(room.ruleset()).toBe("table ip somebody-elses {\n}\n");
    expect(log.messages("notice").at(-1)).toBe("what the plane nftables made is removed");
    await clean();
    expect(room.ruleset()).toBe("table ip somebody-elses {\n}\n");
  });

  it("sets what kube-proxy's file asks of connection tracking in the node's namespace, or none of it", async () => {
    const folder = await temporaryDirectory();
    cleanups.defer(() => folder.remove());
    const path = `${folder.path}/config.conf`;
    const write = (conntrack: string): void =>
      writeFileSync(
        path,
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nhostnameOverride: node-1\nmode: nftables\n" +
          `metricsBindAddress: 127.0.0.1:0\nconntrack: { ${conntrack} }`,
      );
    const sysctl = (name: string): string =>
      readFileSync(`/proc/sys/net/netfilter/nf_conntrack_${name}`, "utf8").trim();
    write(
      "maxPerCore: 0, tcpCloseWaitTimeout: 1h1m, tcpEstablishedTimeout: 0s, udpStreamTimeout: 77s, tcpBeLiberal: true",
    );
    await agent("--config", path);
    expect([sysctl("tcp_timeout_close_wait"), sysctl("udp_timeout_stream"), sysctl("tcp_be_liberal")]).toEqual([
      "3660",
      "77",
      "1",
    ]);
    expect(log.messages("notice")).toEqual([]);
    // The limit is of the whole machine, and not to be set from a namespace.
    const max = sysctl("max");
    write(`maxPerCore: ${Number(max) + 4_096}, min: 0, tcpCloseWaitTimeout: 5s`);
    await agent("--config", path);
    expect([sysctl("max"), sysctl("tcp_timeout_close_wait")]).toEqual([max, "3660"]);
    expect(log.messages("notice")).toEqual([expect.stringContaining("net.netfilter.nf_conntrack_max cannot be set")]);
  });
});

describe.skipIf(missing)("an agent whose node has a network namespace of its own", () => {
  let there: HeldNetworkNamespace;

  beforeEach(async () => {
    cleanups = new AsyncDisposableStack();
    there = holdNewNetworkNamespace();
    cleanups.defer(() => there.close());
    const { routes, ...client } = openRouteClient({ clock: systemClock, namespace: there });
    await routes.setLink(loopback, { up: true });
    for (const address of [nodeAddress, "10.100.0.2"]) {
      await routes.addAddress({ index: loopback, address: ipAddress(address), prefix: 32 });
    }
    await routes.addAddress({ index: loopback, address: ipAddress("fd00:100::1"), prefix: 128 });
    client.close();
    bus = createMemoryFeed({ clock: systemClock });
    publisher = bus.publisher();
    cleanups.defer(() => publisher.stop());
    log = new RecordingLogger();
  });

  afterEach(() => cleanups.disposeAsync());

  /** Asks a server in the node's namespace. */
  async function get({ address, port: number }: At): Promise<{ status: number; body: string }> {
    const leave = there.enter();
    try {
      const response = await fetch(`http://${address.includes(":") ? `[${address}]` : address}:${number}/`);
      return { status: response.status, body: await response.text() };
    } finally {
      leave();
    }
  }

  it("programs the kernel and answers health checks there, and itself is asked here", async () => {
    const used = await agent("--plane", "nftables", "--network-namespace", there.path, "--node-port-addresses", "all");
    const six = { type: "InternalIP", address: ipAddress("fd00:100::1") } as const;
    const here = node("node-1", nodeAddress);
    await publisher.takeOver(
      stateOf(
        asValue.node({ ...here, addresses: [...here.addresses, six] }),
        ...web(
          { address: "10.96.0.10", port: 80 },
          { address: "10.244.1.1", port: 8080 },
          {
            type: "LoadBalancer",
            externalTrafficPolicy: "Local",
            healthCheckNodePort: port(30_800),
            ports: [servicePort({ port: port(80), nodePort: port(30_080) })],
          },
        ).slice(1),
      ),
    );
    for (const address of [nodeAddress, "10.100.0.2", "fd00:100::1"]) {
      await eventually(async () =>
        expect(await get({ address, port: 30_800 })).toEqual({
          status: 200,
          body: '{"service":{"namespace":"default","name":"web"},"localEndpoints":1,"serviceProxyHealthy":true}',
        }),
      );
    }
    expect(await outcome({ address: "127.0.0.1", port: 30_800 })).toBe("ECONNREFUSED");
    expect((await fetch(`${used.healthUrl}/healthz`)).status).toBe(200);
  });

  it("says so where the namespace is none, and does not start", async () => {
    await expect(agent("--plane", "nftables", "--network-namespace", "/run/netns/nowhere-at-all")).rejects.toThrow(
      /nowhere-at-all/,
    );
  });
});
