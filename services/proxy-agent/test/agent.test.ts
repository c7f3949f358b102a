import { randomInt } from "node:crypto";
import { createMemoryFeed } from "@fairlead/bus";
import type { ChangePublisher, MemoryFeed } from "@fairlead/bus";
import { systemClock } from "@fairlead/host";
import { eventually, RecordingLogger, seededRandom } from "@fairlead/testkit";
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
