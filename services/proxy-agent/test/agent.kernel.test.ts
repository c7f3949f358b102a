import { readFileSync, writeFileSync } from "node:fs";
import { createMemoryFeed } from "@fairlead/bus";
import { systemClock } from "@fairlead/host";
import { openRouteClient } from "@fairlead/netlink";
import { ask, outcome, UdpClient } from "@fairlead/relay/testing";
import type { At } from "@fairlead/relay/testing";
import { holdNewNetworkNamespace } from "@fairlead/sockets";
import type { HeldNetworkNamespace } from "@fairlead/sockets";
import { eventually, needs, RecordingLogger, seededRandom, temporaryDirectory } from "@fairlead/testkit";
import { ipAddress, port } from "@fairlead/types";
import type { FeedValue } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cleanupTask, composeProxyAgent } from "../src/compose.ts";
import type { ProxyAgent } from "../src/compose.ts";
import {
  AgentRoom,
  configOf,
  heard,
  loopbackIndex,
  nodeAddress,
  pageOf,
  streamOf,
  web,
  webAt,
} from "./support/agent-room.ts";
import { KernelRoom } from "./support/kernel-room.ts";
import { asValue, endpoint, node, service, servicePort, slice, slicePort, stateOf } from "./support/objects.ts";

const missing = needs("root", "nft");

/** Time for an answer that should not come, in milliseconds. */
const briefMs = 300;

describe.skipIf(missing)("an agent on this kernel", () => {
  let room: AgentRoom;

  beforeEach(async () => void (room = await AgentRoom.open()));
  afterEach(() => room[Symbol.asyncDispose]());

  it("serves by nf_tables where that is the best there is, and the next run takes over what it left", async () => {
    const [at, pod] = [room.place(), await room.naming("pod")];
    const first = await room.agent("--plane", "auto");
    await room.publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await ask(at)).toBe("pod"));
    expect(await pageOf(first, "/proxyMode")).toBe("nftables");
    await first.stop();
    expect(await ask(at)).toBe("pod");
    await room.put(webAt(await room.naming("other")));
    const second = await room.agent("--plane", "nftables");
    await eventually(async () => expect(await ask(at)).toBe("other"));
    await eventually(async () =>
      expect(await pageOf(second, "/metrics")).toMatch(
        /fairlead_proxy_connections_total\{service_port="default\/web:\/TCP"\} [1-9]/,
      ),
    );
    expect(await pageOf(second, "/metrics")).toMatch(
      /kubeproxy_sync_full_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} 1/,
    );
  });

  it("counts the flows that it has the kernel forget when their endpoint has gone", async () => {
    const [at, first, second] = [room.place(), await room.answering("first"), await room.answering("second")];
    const used = await room.agent("--plane", "nftables");
    const udp = { name: "", protocol: "UDP" } as const;
    const leadingTo = (pod: At): FeedValue =>
      asValue.slice(slice([endpoint(pod.address)], { ports: [slicePort({ ...udp, port: port(pod.port) })] }));
    const ofUdp = service({
      clusterIPs: [ipAddress(at.address)],
      ports: [servicePort({ ...udp, port: port(at.port) })],
    });
    await room.publisher.takeOver(stateOf(asValue.service(ofUdp), leadingTo(first)));
    await using client = await UdpClient.bind(KernelRoom.clients[0]);
    const said = async (): Promise<string> => (await client.ask(at, "?", briefMs)).text;
    await eventually(async () => expect(await said()).toBe("first:?"));
    await room.put(leadingTo(second));
    await eventually(async () => expect(await said()).toBe("second:?"));
    const text = await pageOf(used, "/metrics");
    expect(text).toMatch(/kubeproxy_conntrack_reconciler_deleted_entries_total\{ip_family="IPv4"\} [1-9]/);
    expect(text).toContain('kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv6"} 0');
    expect(text).toMatch(/kubeproxy_conntrack_reconciler_sync_duration_seconds_count\{ip_family="IPv4"\} [2-9]/);
  });

  it("removes Services that went while nobody looked, also where none is left", async () => {
    const [at, pod] = [room.place(), await room.naming("pod")];
    const first = await room.agent("--plane", "nftables");
    await room.publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await ask(at)).toBe("pod"));
    await first.stop();
    await room.publisher.takeOver(stateOf());
    await room.agent("--plane", "nftables");
    await eventually(async () => expect(await outcome(at, undefined, briefMs)).toBe("ABORT_ERR"));
  });

  it("changes from one plane to the other and back under traffic: nobody is refused or cut off", async () => {
    const [at, pod] = [await room.ownPlace(), await room.greeting()];
    const used = await room.agent("--plane", "userspace", "--no-shared-host");
    await room.publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await room.visit(at)).toBe("hello bye"));
    const held = [await room.client(at)];
    const end = streamOf(() => room.visit(at));
    const talk = async (): Promise<void> => {
      for (const [index, socket] of held.entries()) {
        socket.write(`still ${index}`);
        expect(await heard(socket)).toBe(`still ${index}`);
      }
    };
    for (const plane of ["nftables", "userspace", "nftables", "userspace"]) {
      await used.reload(configOf("--plane", plane, "--no-shared-host"));
      expect(await pageOf(used, "/proxyMode")).toBe(plane);
      await talk();
      held.push(await room.client(at));
    }
    await talk();
    const { results, count } = await end();
    expect(results).toEqual(["hello bye"]);
    expect(count).toBeGreaterThan(20);
    expect(room.log.records.filter(({ level }) => level === "warn" || level === "error")).toEqual([]);
  });

  it("has what another plane left give way when it starts with another one, and open connections go on", async () => {
    const [at, pod] = [await room.ownPlace(), await room.greeting()];
    const before = await room.agent("--plane", "nftables");
    await room.publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await room.visit(at)).toBe("hello bye"));
    const socket = await room.client(at);
    await before.stop();
    expect(room.ruleset()).toContain(at.address);
    await room.agent("--plane", "userspace", "--no-shared-host");
    await eventually(() => expect(room.ruleset()).not.toContain(at.address));
    expect(await room.visit(at)).toBe("hello bye");
    socket.write("still here");
    expect(await heard(socket)).toBe("still here");
    await room.put(asValue.slice(slice([])));
    await eventually(async () => expect(await room.visit(at)).toBe("ECONNREFUSED"));
  });

  it("leaves the kernel's tables alone where several nodes share the machine", async () => {
    const [at, pod] = [room.place(), await room.naming("pod")];
    await room.agent("--plane", "nftables");
    await room.publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await ask(at)).toBe("pod"));
    const shared = await room.agent("--plane", "userspace");
    await eventually(async () => expect((await fetch(`${shared.healthUrl}/readyz`)).status).toBe(200));
    expect(await ask(at)).toBe("pod");
  });

  it("removes all of its own, and nothing else, when it is told to clean up", async () => {
    const [at, pod] = [room.place(), await room.naming("pod")];
    const used = await room.agent("--plane", "nftables");
    await room.publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await ask(at)).toBe("pod"));
    await used.stop();
    room.nft("add", "table", "ip", "somebody-elses");
    expect(
      cleanupTask(configOf(), { log: room.log, clock: systemClock, random: seededRandom(1) }),
      "is for --cleanup alone",
    ).toBeUndefined();
    for (let time = 0; time < 2; time++) {
      await room.cleanUp();
      expect(room.ruleset()).toBe("table ip somebody-elses {\n}\n");
    }
    expect(room.log.messages("notice").at(-1)).toBe("what the plane nftables made is removed");
  });

  it("sets what kube-proxy's file asks of connection tracking in the node's namespace, or none of it", async () => {
    await using folder = await temporaryDirectory();
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
    await room.agent("--config", path);
    expect([sysctl("tcp_timeout_close_wait"), sysctl("udp_timeout_stream"), sysctl("tcp_be_liberal")]).toEqual([
      "3660",
      "77",
      "1",
    ]);
    expect(room.log.messages("notice")).toEqual([]);
    // The limit is of the whole machine, and not to be set from a namespace.
    const max = sysctl("max");
    write(`maxPerCore: ${Number(max) + 4_096}, min: 0, tcpCloseWaitTimeout: 5s`);
    await room.agent("--config", path);
    expect([sysctl("max"), sysctl("tcp_timeout_close_wait")]).toEqual([max, "3660"]);
    expect(room.log.messages("notice")).toEqual([
      expect.stringContaining("net.netfilter.nf_conntrack_max cannot be set"),
    ]);
  });
});

describe.skipIf(missing)("an agent whose node has a network namespace of its own", () => {
  let there: HeldNetworkNamespace;
  let cleanups: AsyncDisposableStack;
  const bus = createMemoryFeed({ clock: systemClock });

  beforeEach(async () => {
    cleanups = new AsyncDisposableStack();
    there = holdNewNetworkNamespace();
    cleanups.defer(() => there.close());
    const { routes, ...client } = openRouteClient({ clock: systemClock, namespace: there });
    await routes.setLink(loopbackIndex, { up: true });
    for (const [address, prefix] of [
      [nodeAddress, 32],
      ["10.100.0.2", 32],
      ["fd00:100::1", 128],
    ] as const) {
      await routes.addAddress({ index: loopbackIndex, address: ipAddress(address), prefix });
    }
    client.close();
  });

  afterEach(() => cleanups.disposeAsync());

  async function agentThere(...flags: readonly string[]): Promise<ProxyAgent> {
    const made = composeProxyAgent(configOf("--plane", "nftables", ...flags), {
      log: new RecordingLogger(),
      clock: systemClock,
      random: seededRandom(1),
      feed: bus.feed,
      events: { record: () => undefined },
    });
    await made.start();
    cleanups.defer(() => made.stop());
    return made;
  }

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
    const publisher = bus.publisher();
    cleanups.defer(() => publisher.stop());
    const used = await agentThere("--network-namespace", there.path, "--node-port-addresses", "all");
    const six = { type: "InternalIP", address: ipAddress("fd00:100::1") } as const;
    const here = node("node-1", nodeAddress);
    const [, ...values] = web(
      { address: "10.96.0.10", port: 80 },
      { address: "10.244.1.1", port: 8080 },
      {
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
        healthCheckNodePort: port(30_800),
        ports: [servicePort({ port: port(80), nodePort: port(30_080) })],
      },
    );
    await publisher.takeOver(stateOf(asValue.node({ ...here, addresses: [...here.addresses, six] }), ...values));
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

  it("does not start where the namespace is none, and says which", async () => {
    await expect(agentThere("--network-namespace", "/run/netns/nowhere-at-all")).rejects.toThrow(/nowhere-at-all/);
  });
});
