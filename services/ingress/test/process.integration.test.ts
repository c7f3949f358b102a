/** The ingress as it is deployed: a process of its own beside the API, the endpoint-controller and NATS. */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer, get as httpGet } from "node:http";
import type { ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "@fairlead/host";
import { connect as connectApi } from "@fairlead/kube";
import type { Ingress, KubeClient } from "@fairlead/kube";
import {
  eventually,
  freePort,
  launch,
  launchService,
  needs,
  startDevCluster,
  startNats,
  temporaryDirectory,
} from "@fairlead/testkit";
import type { Launched } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ingress, ingressClass } from "./support/ingress-objects.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const podAddress = "127.34.130.1";
const mapPath = "/api/v1/namespaces/default/configmaps";

describe.skipIf(needs("nats-server", "openssl"))("the ingress as a process", () => {
  let cleanups: AsyncDisposableStack;
  let client: KubeClient;
  let running: Launched;
  let http: string;
  let health: string;
  let directory: string;

  beforeAll(async () => {
    cleanups = new AsyncDisposableStack();
    directory = cleanups.use(await temporaryDirectory()).path;
    const cluster = cleanups.use(
      await startDevCluster("--node-cidr=127.34.1.0/24", "--pod-cidr=127.34.128.0/17", "--service-cidr=127.34.64.0/18"),
    );
    client = connectApi({ kubeconfig: cluster.kubeconfig, clock: systemClock });
    cleanups.defer(() => client.transport.close());
    const nats = await startNats({ storeDir: join(directory, "nats") });
    cleanups.defer(() => nats.stop());
    const bus = [`--kubeconfig=${cluster.kubeconfig}`, `--nats-url=${nats.url}`];
    const controller = await launchService("endpoint-controller", ...bus);
    cleanups.defer(() => controller.stop());
    const port = await freePort("127.34.2.1");
    const healthPort = await freePort();
    const flags = [
      ...bus,
      `--health-address=127.0.0.1:${healthPort}`,
      `--http-address=127.34.2.1:${port}`,
      "--https-address=127.0.0.1:0",
      "--tcp-services-configmap=default/tcp-services",
      "--udp-services-configmap=default/udp-services",
      "--tcp-address=127.34.2.1",
      "--udp-address=127.34.2.1",
    ];
    running = await launch({ command: process.execPath, args: [main, ...flags], ready: /"message":"started"/ });
    cleanups.defer(() => running.stop());
    http = `http://127.34.2.1:${port}`;
    health = `http://127.0.0.1:${healthPort}`;
    await client.apply("ingressclasses", { name: "fairlead" }, (current) => current ?? ingressClass());
  });

  afterAll(() => cleanups.disposeAsync());

  async function listen(server: Server): Promise<number> {
    const open = new Set<Socket>();
    server.on("connection", (socket: Socket) => {
      open.add(socket);
      socket.on("error", () => {}).on("close", () => open.delete(socket));
    });
    server.listen(0, podAddress);
    await once(server, "listening");
    cleanups.defer(() => {
      for (const socket of open) socket.destroy();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  /** A Service whose endpoint is here. */
  async function service(name: string, port: number, protocol = "TCP"): Promise<void> {
    const ports = [{ name: "main", port: 80, protocol }];
    await client.create("services", { metadata: { namespace: "default", name }, spec: { ports } });
    await client.create("endpoints", {
      metadata: { namespace: "default", name },
      subsets: [{ addresses: [{ ip: podAddress }], ports: [{ name: "main", port, protocol }] }],
    });
  }

  async function get(path: string, host: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const sent = httpGet(new URL(path, http), { headers: { host }, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(`${response.statusCode} ${Buffer.concat(chunks).toString()}`));
    });
    sent.on("error", reject);
    return promise;
  }

  /** What a port says to a client that says `text` and ends. */
  async function ask(port: number, text: string): Promise<string> {
    const socket = connect({ host: "127.34.2.1", port, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    const ended = once(socket, "end");
    socket.end(text);
    await ended;
    return Buffer.concat(chunks).toString();
  }

  async function putMap(name: string, data: Record<string, string>): Promise<void> {
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name }, data };
    const exists = await client.transport.request({ method: "GET", path: `${mapPath}/${name}` }).then(
      () => true,
      () => false,
    );
    const request = exists
      ? ({ method: "PUT", path: `${mapPath}/${name}`, body: object } as const)
      : ({ method: "POST", path: mapPath, body: object } as const);
    await client.transport.request(request);
  }

  async function eventsOf(name: string): Promise<string[]> {
    const { items } = await client.list("events", { namespace: "default" });
    return items
      .filter(({ involvedObject }) => involvedObject.name === name)
      .map(({ reason, message }) => `${reason} ${message}`);
  }

  test("routes by Ingresses of the API to endpoints of the bus, over TLS where the annotation says HTTPS", async () => {
    const [key, cert] = [`${directory}/tls.key`, `${directory}/tls.crt`];
    const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=pod -keyout ${key} -out ${cert}`;
    execFileSync("openssl", args.split(" "), { stdio: "pipe" });
    const pair = { key: readFileSync(key), cert: readFileSync(cert) };
    await service("plain", await listen(createHttpServer((_, response) => response.end("plain"))));
    await service("secure", await listen(createHttpsServer(pair, (_, response) => response.end("secure"))));
    await client.create("ingresses", ingress("plain", { "plain.example.org": [{ path: "/" }] }));
    await client.create(
      "ingresses",
      ingress("secure", { "secure.example.org": [{ path: "/" }] }, { annotations: { "backend-protocol": "HTTPS" } }),
    );
    await eventually(async () => expect(await get("/", "plain.example.org")).toBe("200 plain"));
    await eventually(async () => expect(await get("/", "secure.example.org")).toBe("200 secure"));
    expect(await get("/", "other.example.org")).toMatch(/^404/);
  });

  test("routes to the name and port that an ExternalName Service stands for", async () => {
    const port = await freePort();
    const server = createHttpServer((_, response) => response.end("outside")).listen(port, "127.0.0.1");
    cleanups.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    await client.create("services", {
      metadata: { namespace: "default", name: "external" },
      spec: { type: "ExternalName", externalName: "localhost" },
    });
    const made: Ingress = ingress("external", { "ext.example.org": [{ path: "/", port }] });
    await client.create("ingresses", made);
    await eventually(async () => expect(await get("/", "ext.example.org")).toBe("200 outside"));
  });

  test("serves tcp-services: live, bad entries told by key, connections under way left alone", async () => {
    await service("echo", await listen(createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket))));
    const greeting = createServer({ allowHalfOpen: true }, (socket) => void socket.resume().end("hi"));
    await service("greeting", await listen(greeting));
    const [first, second] = [23_401, 23_402];
    const busy = createServer().listen(0, "127.34.2.1");
    cleanups.defer(() => void busy.close());
    await once(busy, "listening");
    const taken = (busy.address() as AddressInfo).port;
    await putMap("tcp-services", {
      [first]: "default/echo:80",
      [second]: "default/echo:main:PROXY:PROXY",
      nonsense: "default/echo:80",
      "23403": "default/no-such:80",
      [taken]: "default/echo:80",
      [new URL(http).port]: "default/echo:80",
    });
    await eventually(async () => expect(await ask(first, "hello")).toBe("hello"));
    const header = "PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n";
    expect(await ask(second, `${header}hello`)).toBe(`${header}hello`);
    await eventually(async () => {
      const events = await eventsOf("tcp-services");
      expect(events).toContainEqual(expect.stringMatching(/^Rejected "nonsense": must be a port/));
      expect(events).toContainEqual(expect.stringMatching(/^Rejected "\d+": port \d+ is the ingress' own, for HTTP/));
      expect(events).toContainEqual(expect.stringMatching(/^BackendMissing "23403": there is no Service/));
      expect(events).toContainEqual(expect.stringMatching(`^FailedToBindPort "${taken}": port ${taken}/TCP .* in use`));
    });
    // The four entries that the Events are about.
    expect(await (await fetch(`${health}/metrics`)).text()).toMatch(/^fairlead_ingress_ports_refused 4$/m);
    const held = connect(first, "127.34.2.1");
    held.write("1");
    expect(String(await once(held, "data"))).toBe("1");
    await putMap("tcp-services", { [first]: "default/greeting:main" });
    await eventually(async () => expect(await ask(first, "")).toBe("hi"));
    await expect(ask(second, "")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    held.write("2");
    expect(String(await once(held, "data"))).toBe("2");
    held.destroy();
  });

  test("serves udp-services", async () => {
    const pod = createSocket("udp4");
    pod.on("message", (datagram, from) => pod.send(`pod:${datagram.toString()}`, from.port, from.address));
    pod.bind(0, podAddress);
    await once(pod, "listening");
    cleanups.defer(() => void pod.close());
    await service("names", pod.address().port, "UDP");
    await putMap("udp-services", { "23453": "default/names:main" });
    const asking = createSocket("udp4");
    cleanups.defer(() => void asking.close());
    await eventually(async () => {
      const answer = once(asking, "message", { signal: AbortSignal.timeout(200) });
      asking.send("?", 23_453, "127.34.2.1");
      expect(String((await answer)[0])).toBe("pod:?");
    });
  });

  test("is healthy and ready, and measures routes and ports", async () => {
    for (const path of ["/healthz", "/livez", "/readyz"]) expect((await fetch(health + path)).status).toBe(200);
    const metrics = await (await fetch(`${health}/metrics`)).text();
    expect(metrics).toMatch(/nginx_ingress_controller_requests\{ingress="plain",namespace="default",status="200"\} \d/);
    expect(metrics).toMatch(
      /fairlead_ingress_port_udp_flows_total\{port="23453",protocol="UDP",namespace="default",service="names"\} 1/,
    );
    expect(metrics).toMatch(/fairlead_ingress_port_connections_total\{port="23401",[^}]*service="greeting"\} \d/);
    expect(metrics).toMatch(/^fairlead_ingress_ports_refused 0$/m);
  });

  test("told to stop it lets requests and connections end, takes no more, and exits with 0", async () => {
    await putMap("tcp-services", { "23404": "default/echo:80" });
    await eventually(async () => expect(await ask(23_404, "hello")).toBe("hello"));
    const connection = connect(23_404, "127.34.2.1");
    connection.write("1");
    expect(String(await once(connection, "data"))).toBe("1");
    const held: ServerResponse[] = [];
    const slow = createHttpServer(({ url }, response) => {
      if (url !== "/slow") response.end();
      else {
        response.write("begun ");
        held.push(response);
      }
    });
    await service("slow", await listen(slow));
    await client.create("ingresses", ingress("slow", { "slow.example.org": [{ path: "/" }] }));
    await eventually(async () => expect(await get("/", "slow.example.org")).toBe("200 "));
    const pending = get("/slow", "slow.example.org");
    await eventually(() => expect(held).toHaveLength(1));
    running.signal("SIGTERM");
    await eventually(async () =>
      expect(await get("/", "slow.example.org").catch(({ code }: NodeJS.ErrnoException) => code)).toBe("ECONNREFUSED"),
    );
    // The doors close one after the other: this one a moment later.
    await eventually(() => expect(ask(23_404, "")).rejects.toMatchObject({ code: "ECONNREFUSED" }));
    connection.write("2");
    expect(String(await once(connection, "data"))).toBe("2");
    connection.end();
    held[0]?.end("and ended");
    expect(await pending).toBe("200 begun and ended");
    expect(await running.exited).toEqual({ code: 0, signal: null });
  });
});
