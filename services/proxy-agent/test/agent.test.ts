import { randomInt } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMemoryFeed } from "@fairlead/bus";
import type { ChangePublisher, MemoryFeed } from "@fairlead/bus";
import { systemClock } from "@fairlead/host";
import { eventually, RecordingLogger, seededRandom, temporaryDirectory } from "@fairlead/testkit";
import { feedKeyOf, ipAddress, nodeName, port } from "@fairlead/types";
import type { FeedValue, Port } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { composeProxyAgent, wireProxyAgent } from "../src/compose.ts";
import type { ProxyAgent } from "../src/compose.ts";
import { readProxyAgentConfig } from "../src/config.ts";
import type { EventNote, EventSubject } from "../src/event-sink.ts";
import { ask, outcome, TcpBackend } from "../src/testing.ts";
import { asValue, endpoint, node, service, servicePort, slice, slicePort, stateOf } from "./support/objects.ts";
import { loopback } from "./support/userspace.ts";

const { service: asService, slice: asSlice, node: asNode } = asValue;

let cleanups: AsyncDisposableStack;
let bus: MemoryFeed;
let publisher: ChangePublisher;
let events: { about: EventSubject; note: EventNote }[];
let log: RecordingLogger;

beforeEach(() => {
  cleanups = new AsyncDisposableStack();
  bus = createMemoryFeed({ clock: systemClock });
  publisher = bus.publisher();
  cleanups.defer(() => publisher.stop());
  events = [];
  log = new RecordingLogger();
});

afterEach(() => cleanups.disposeAsync());

async function agent(name = "node-1", ...flags: readonly string[]): Promise<ProxyAgent> {
  const argv = ["--node-name", name, "--health-address", "127.0.0.1:0", ...flags];
  const made = composeProxyAgent(readProxyAgentConfig({ argv, env: {} }), {
    log,
    clock: systemClock,
    random: seededRandom(1),
    feed: bus.feed,
    events: { record: (about, note) => events.push({ about, note }) },
  });
  await made.start();
  cleanups.defer(() => made.stop());
  return made;
}

async function temporaryFolder(): Promise<{ readonly path: string }> {
  const folder = await temporaryDirectory();
  cleanups.defer(() => folder.remove());
  return folder;
}

const status = async (of: ProxyAgent, path: string): Promise<number> => (await fetch(`${of.healthUrl}${path}`)).status;
const metrics = async (of: ProxyAgent): Promise<string> => (await fetch(`${of.healthUrl}/metrics`)).text();
const somePort = (): Port => port(randomInt(20_000, 30_000));
const naming = async (name: string): Promise<TcpBackend> => cleanups.use(await TcpBackend.naming(loopback(244), name));

const put = (value: FeedValue, trigger?: number): Promise<void> =>
  publisher.publish([{ key: feedKeyOf(value), value, ...(trigger === undefined ? {} : { trigger }) }]);

/** The Service `default/web` at a random address, and the slice that leads it to this backend. */
function web(backend: TcpBackend, address = loopback(96), number = somePort()) {
  return {
    at: { address, port: number },
    service: service({ clusterIPs: [ipAddress(address)], ports: [servicePort({ port: number })] }),
    slice: slice([endpoint(backend.address)], { ports: [slicePort({ port: port(backend.port) })] }),
  };
}

describe("the agent", () => {
  it("programs nothing and is not ready before the first snapshot; an empty one makes it ready", async () => {
    const used = await agent();
    expect(await status(used, "/readyz")).toBe(503);
    expect(await status(used, "/healthz")).toBe(200);
    await publisher.takeOver(stateOf());
    await eventually(async () => expect(await status(used, "/readyz")).toBe(200));
  });

  it("serves what the snapshot holds and follows changes, in one process with other nodes' agents", async () => {
    const backend = await naming("pod");
    const made = web(backend);
    const [first, second] = [node("node-1", loopback(64)), node("node-2", loopback(64))];
    const agents = await Promise.all([agent("node-1"), agent("node-2")]);
    await publisher.takeOver(stateOf(asNode(first), asNode(second), asService(made.service), asSlice(made.slice)));
    await eventually(async () => expect(await ask(made.at)).toBe("pod"));
    const other = await naming("other pod");
    await put(
      asSlice(slice([endpoint(other.address)], { ports: [slicePort({ port: port(other.port) })] })),
      systemClock.now(),
    );
    await eventually(async () => expect(await ask(made.at)).toBe("other pod"));
    await publisher.publish([{ key: feedKeyOf(asService(made.service)), value: undefined }]);
    await eventually(async () => expect(await outcome(made.at)).toBe("ECONNREFUSED"));
    expect(events).toEqual([]);
    expect(await metrics(agents[0])).toMatch(
      /kubeproxy_network_programming_duration_seconds_count\{ip_family="IPv4"\} 1/,
    );
  });

  it("serves a node port on its own node's addresses only", async () => {
    const backend = await naming("pod");
    const [first, second] = [loopback(64), loopback(64)];
    const nodePort = somePort();
    const made = web(backend);
    await Promise.all([agent("node-1"), agent("node-2")]);
    await publisher.takeOver(
      stateOf(
        asNode(node("node-1", first)),
        asNode(node("node-2", second)),
        asService({
          ...made.service,
          type: "NodePort",
          externalTrafficPolicy: "Local",
          ports: [servicePort({ nodePort })],
        }),
        asSlice(made.slice),
      ),
    );
    await eventually(async () => expect(await ask({ address: first, port: nodePort }, "127.0.0.9")).toBe("pod"));
    expect(backend.seen).toEqual(["127.0.0.9"]);
    // The only endpoint is on node-1: policy Local leaves node-2 without one.
    expect(await outcome({ address: second, port: nodePort })).toBe("ECONNREFUSED");
  });

  it("hands a cluster IP over when its holder's node is no longer Ready", async () => {
    const backend = await naming("pod");
    const made = web(backend);
    const [first, second] = [node("node-1", loopback(64)), node("node-2", loopback(64))];
    const [one, two] = [await agent("node-1"), await agent("node-2")];
    await publisher.takeOver(stateOf(asNode(first), asNode(second), asService(made.service), asSlice(made.slice)));
    await eventually(async () => expect(await ask(made.at)).toBe("pod"));
    await put(asNode({ ...first, ready: false }));
    await eventually(async () => {
      expect(await ask(made.at)).toBe("pod");
      expect(await metrics(two)).toMatch(/fairlead_proxy_connections_total\{service_port="default\/web:\/TCP"\} [1-9]/);
    });
    expect(await metrics(one)).toMatch(/fairlead_proxy_connections_total\{service_port="default\/web:\/TCP"\} [1-9]/);
    expect(events).toEqual([]);
  });

  it("counts per Service port, and drops the series with the Service", async () => {
    const backend = await naming("12345");
    const made = web(backend);
    const used = await agent();
    await publisher.takeOver(
      stateOf(asNode(node("node-1", loopback(64))), asService(made.service), asSlice(made.slice)),
    );
    await eventually(async () => expect(await ask(made.at)).toBe("12345"));
    const text = await metrics(used);
    expect(text).toContain('fairlead_proxy_connections_total{service_port="default/web:/TCP"} 1');
    expect(text).toContain('fairlead_proxy_received_bytes_total{service_port="default/web:/TCP"} 5');
    expect(text).toContain('fairlead_proxy_feed_status{status="live"} 1');
    await publisher.publish([{ key: feedKeyOf(asService(made.service)), value: undefined }]);
    await eventually(async () => expect(await metrics(used)).not.toContain("default/web"));
  });

  it("turns an address that it cannot bind into an Event on the Service, and says it once", async () => {
    const backend = await naming("pod");
    const made = web(backend);
    await agent();
    await publisher.takeOver(
      stateOf(
        asNode(node("node-1", loopback(64))),
        asService({ ...made.service, externalIPs: [ipAddress("192.0.2.1")] }),
        asSlice(made.slice),
      ),
    );
    await eventually(async () => expect(await ask(made.at)).toBe("pod"));
    await eventually(() => expect(events).toHaveLength(1));
    expect(events[0]).toMatchObject({
      about: { apiVersion: "v1", kind: "Service", namespace: "default", name: "web", uid: "uid-web" },
      note: { type: "Warning", reason: "FailedToBindAddress" },
    });
    const notices = log.records.filter(({ level }) => level === "notice").map(({ message }) => message);
    expect(notices).toHaveLength(2);
    expect(notices).toContain(`service default/web at http://${made.at.address}:${made.at.port}`);
    expect(notices.filter((message) => message.includes("192.0.2.1"))).toHaveLength(1);
  });

  it("answers a load balancer's health check as kube-proxy does", async () => {
    const backend = await naming("pod");
    const made = web(backend);
    const address = loopback(64);
    const healthPort = somePort();
    const balanced = service({
      ...made.service,
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      healthCheckNodePort: healthPort,
    });
    const used = await agent();
    await publisher.takeOver(stateOf(asNode(node("node-1", address)), asService(balanced), asSlice(made.slice)));
    const check = (): Promise<Response> => fetch(`http://${address}:${healthPort}/anything`);
    await eventually(async () => expect((await check()).status).toBe(200));
    const answer = await check();
    expect(await answer.json()).toEqual({
      service: { namespace: "default", name: "web" },
      localEndpoints: 1,
      serviceProxyHealthy: true,
    });
    expect(answer.headers.get("x-load-balancing-endpoint-weight")).toBe("1");
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    await put(asSlice(slice([])));
    await eventually(async () => expect((await check()).status).toBe(503));
    await put(asSlice(made.slice));
    await put(asNode(node("node-1", address, { leaving: true })));
    await eventually(async () =>
      expect(await (await check()).json()).toMatchObject({ localEndpoints: 1, serviceProxyHealthy: false }),
    );
    await publisher.publish([{ key: feedKeyOf(asService(balanced)), value: undefined }]);
    await eventually(async () => expect(await outcome({ address, port: healthPort })).toBe("ECONNREFUSED"));
    expect(await status(used, "/livez")).toBe(200);
  });

  it("answers who asks for its health as kube-proxy does, and turns load balancers away when its node leaves", async () => {
    const used = await agent();
    const healthz = async (): Promise<{ status: number; body: Record<string, unknown> }> => {
      const response = await fetch(`${used.healthUrl}/healthz`);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    expect(await healthz()).toMatchObject({ status: 200, body: { nodeEligible: true, healthy: true } });
    const here = asNode(node("node-1", loopback(64)));
    await publisher.takeOver(stateOf(here));
    await eventually(async () =>
      expect((await healthz()).body["status"]).toMatchObject({ IPv4: { healthy: true }, IPv6: { healthy: true } }),
    );
    await put(asNode(node("node-1", loopback(64), { leaving: true })));
    await eventually(async () =>
      expect(await healthz()).toMatchObject({ status: 503, body: { nodeEligible: false, healthy: true } }),
    );
    expect(await status(used, "/livez")).toBe(200);
    await put(here);
    await eventually(async () => expect((await healthz()).status).toBe(200));
    await publisher.publish([{ key: feedKeyOf(here), value: undefined }]);
    await eventually(async () => expect((await healthz()).status).toBe(503));
    expect(await metrics(used)).toMatch(/kubeproxy_proxy_healthz_total\{code="503"\} [1-9]/);
  });

  it("tells which plane it has, and its metrics, at the health address or at one of their own", async () => {
    const together = await agent();
    expect(together.metricsUrl).toBe(together.healthUrl);
    expect(await (await fetch(`${together.healthUrl}/proxyMode`)).text()).toBe("userspace");
    const apart = await agent("node-2", "--metrics-address", "127.0.0.1:0");
    expect(apart.metricsUrl).not.toBe(apart.healthUrl);
    expect(await (await fetch(`${apart.metricsUrl}/proxyMode`)).text()).toBe("userspace");
    expect(await (await fetch(`${apart.metricsUrl}/healthz`)).text()).toBe("ok");
    expect((await fetch(`${apart.metricsUrl}/metrics`)).status).toBe(200);
    expect(await status(apart, "/metrics")).toBe(404);
    expect(await status(apart, "/proxyMode")).toBe(404);
    expect(await status(apart, "/livez")).toBe(200);
  });

  it("counts Service ports of policy Local that have no endpoint here, by what they are asked from", async () => {
    const used = await agent("node-1", "--no-shared-host");
    const away = { nodeName: nodeName("node-2") };
    const local = service({
      type: "NodePort",
      internalTrafficPolicy: "Local",
      externalTrafficPolicy: "Local",
      clusterIPs: [ipAddress(loopback(96))],
      ports: [servicePort({ port: somePort(), nodePort: somePort() })],
    });
    const none = service({
      ...local,
      name: "none",
      uid: "uid-none",
      type: "ClusterIP",
      clusterIPs: [ipAddress(loopback(96))],
    });
    await publisher.takeOver(
      stateOf(
        asNode(node("node-1", loopback(64))),
        asService(local),
        asSlice(slice([endpoint("127.244.9.9", away)])),
        asService(none),
      ),
    );
    const lacking = (policy: string, count: number): string =>
      `kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="${policy}"} ${count}`;
    await eventually(async () => expect(await metrics(used)).toContain(lacking("internal", 1)));
    expect(await metrics(used)).toContain(lacking("external", 1));
    await put(asSlice(slice([endpoint("127.244.9.9")])));
    await eventually(async () => expect(await metrics(used)).toContain(lacking("external", 0)));
  });

  it("says what of a new configuration takes a restart, and changes nothing then", async () => {
    const used = await agent();
    const config = (...flags: readonly string[]): ReturnType<typeof readProxyAgentConfig> =>
      readProxyAgentConfig({ argv: ["--node-name", "node-1", "--health-address", "127.0.0.1:0", ...flags], env: {} });
    await used.reload(config());
    expect(log.messages("info")).toContain("the configuration is as it was");
    await used.reload(config("--udp-timeout", "5s", "--scheduler", "lc"));
    expect(log.messages("notice")).toEqual(["changed, and in force after a restart only: scheduler, udpTimeout"]);
    await used.reload(config("--plane", "nftables"));
    expect(log.messages("notice").at(-1)).toContain("the plane stays");
    expect(await (await fetch(`${used.healthUrl}/proxyMode`)).text()).toBe("userspace");
  });

  it("tells the notices of its configuration when it starts", async () => {
    const path = join((await temporaryFolder()).path, "config.conf");
    await writeFile(
      path,
      "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nhostnameOverride: node-1\n" +
        "conntrack: { maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s }\noomScoreAdj: -999\nmode: iptables",
    );
    await agent("node-1", "--config", path, "--plane", "userspace", "--metrics-address", "127.0.0.1:0");
    expect(log.messages("notice")).toEqual([`${path}: without meaning here and left aside: oomScoreAdj`]);
  });

  it("resolves everything that is bound", () => {
    const wiring = wireProxyAgent(readProxyAgentConfig({ argv: ["--node-name", "node-1"], env: {} }), {
      log,
      clock: systemClock,
      random: seededRandom(1),
      feed: bus.feed,
    });
    expect(wiring.tokens.length).toBeGreaterThan(5);
    for (const token of wiring.tokens) expect(wiring.resolve(token)).toBeDefined();
  });

  it("refuses to be composed without anything to follow", () => {
    const config = readProxyAgentConfig({ argv: ["--node-name", "node-1"], env: {} });
    const given = { log, clock: systemClock, random: seededRandom(1) };
    expect(() => composeProxyAgent(config, given)).toThrow(
      expect.objectContaining({ code: "INVALID_INPUT", field: "natsUrl" }),
    );
  });
});

describe("the configuration", () => {
  it("names every mistake at once", () => {
    const argv = ["--plane", "magic", "--scheduler", "fastest", "--udp-timeout", "soon"];
    expect(() => readProxyAgentConfig({ argv, env: {} })).toThrow(
      /node-name[\s\S]*plane[\s\S]*scheduler[\s\S]*udp-timeout/,
    );
  });

  it("has defaults for a development machine", () => {
    expect(readProxyAgentConfig({ argv: ["--node-name", "node-1"], env: {} })).toMatchObject({
      nodeName: nodeName("node-1"),
      plane: "userspace",
      scheduler: undefined,
      sharedHost: true,
      nodePortAddresses: [],
      connectTimeout: 2_000,
      udpTimeout: 60_000,
    });
  });
});
