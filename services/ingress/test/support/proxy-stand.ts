/** The data plane with real sockets: a gateway behind real listeners, a feed by hand, and backends on loopback. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import { request as httpRequest } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import type { AddressInfo, Server as TcpServer, Socket } from "node:net";
import type { SecureContext } from "node:tls";
import { FeedView } from "@fairlead/bus";
import { createMetrics, silentLogger, systemClock } from "@fairlead/host";
import type { Ingress } from "@fairlead/kube";
import { seededRandom } from "@fairlead/testkit";
import { cidr, cidrMatcher, feedKeyOf, ipAddress, port } from "@fairlead/types";
import type { Change, Clock, FeedValue } from "@fairlead/types";
import { IngressMetrics } from "../../src/ingress-metrics.ts";
import { planRoutes } from "../../src/plan/planner.ts";
import type { RoutePlan } from "../../src/plan/planner.ts";
import { Gateway } from "../../src/proxy/gateway.ts";
import { Listeners } from "../../src/proxy/listeners.ts";
import type { ProxySettings } from "../../src/proxy/settings.ts";
import { UpstreamSet } from "../../src/proxy/upstreams.ts";
import { ingressClass } from "./ingress-objects.ts";

/** A response read to its end. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly trailers: NodeJS.Dict<string>;
  readonly body: string;
}

export class ProxyStand implements AsyncDisposable {
  readonly gateway: Gateway;
  readonly listeners: Listeners;
  readonly view = new FeedView();
  readonly upstreams = new UpstreamSet({ random: seededRandom(7), scheduler: "rr" });
  readonly #servers: Server[] = [];
  readonly #tcpServers: TcpServer[] = [];
  readonly #sockets = new Set<Socket>();
  context: SecureContext | undefined;

  constructor(settings: Partial<ProxySettings> = {}, clock: Clock = systemClock) {
    this.gateway = new Gateway({
      upstreams: this.upstreams,
      metrics: new IngressMetrics(createMetrics()),
      clock,
      random: seededRandom(11),
      log: silentLogger,
      settings: {
        connectTimeoutMs: 500,
        readTimeoutMs: 400,
        sendTimeoutMs: 400,
        maxBodyBytes: 1_048_576,
        sslRedirect: true,
        httpsPort: () => this.listeners.httpsPort,
        isTrusted: cidrMatcher([cidr("127.9.9.0/24")]),
        ...settings,
      },
    });
    this.listeners = new Listeners({
      httpAddress: "127.0.0.1:0",
      httpsAddress: "127.0.0.1:0",
      gateway: this.gateway,
      certificate: () => this.context,
      drainMs: 2_000,
      clock,
      log: silentLogger,
    });
  }

  get port(): number {
    return Number(new URL(this.listeners.http).port);
  }

  /** Starts a backend on a loopback address of its own and returns `address:port`. */
  async backend(address: string, listener: RequestListener, onUpgrade?: Parameters<Server["on"]>[1]): Promise<string> {
    const server = createServer({ requestTimeout: 0 }, listener);
    if (onUpgrade) server.on("upgrade", onUpgrade);
    server.listen(0, address);
    await once(server, "listening");
    this.#servers.push(server);
    return `${address}:${(server.address() as AddressInfo).port}`;
  }

  /** Starts a backend that speaks whatever it likes on its connections. */
  async tcpBackend(address: string, onSocket: (socket: Socket) => void): Promise<string> {
    const server = createTcpServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      onSocket(socket);
    });
    server.listen(0, address);
    await once(server, "listening");
    this.#tcpServers.push(server);
    return `${address}:${(server.address() as AddressInfo).port}`;
  }

  /** Makes `default/<name>` with one port 80 and these endpoints. */
  service(name: string, endpoints: readonly string[]): void {
    const byPort = Map.groupBy(endpoints, (text) => text.split(":")[1] ?? "");
    const values: FeedValue[] = [
      {
        kind: "service",
        service: {
          namespace: "default",
          name,
          uid: name,
          type: "ClusterIP",
          headless: false,
          clusterIPs: [],
          ipFamilies: ["IPv4"],
          ports: [{ name: "http", protocol: "TCP", port: port(80) }],
          externalIPs: [],
          loadBalancerAddresses: [],
          loadBalancerSourceRanges: [],
          sessionAffinity: { kind: "None" },
          internalTrafficPolicy: "Cluster",
          externalTrafficPolicy: "Cluster",
          publishNotReadyAddresses: false,
        },
      },
      ...[...byPort].map(([number, list]): FeedValue => ({
        kind: "slice",
        slice: {
          namespace: "default",
          name: `${name}-${number}`,
          service: name,
          family: "IPv4",
          headless: false,
          ports: [{ name: "http", protocol: "TCP", port: port(Number(number)) }],
          endpoints: list.map((text) => ({
            addresses: [ipAddress(text.split(":")[0] ?? "")],
            ready: true,
            serving: true,
            terminating: false,
            weight: 1,
          })),
        },
      })),
    ];
    const common = { v: 1, epoch: "e", seq: 1, at: 0 } as const;
    const gone = [...this.view.values].flatMap(([key, value]): Change[] =>
      value.kind === "slice" && value.slice.service === name ? [{ ...common, key, op: "delete" }] : [],
    );
    const changes = values.map((value): Change => ({ ...common, key: feedKeyOf(value), op: "put", value }));
    const { services } = this.view.apply({ changes: [...gone, ...changes] });
    this.upstreams.update(services, this.view);
  }

  routes(...ingresses: readonly Ingress[]): RoutePlan {
    const plan = planRoutes({
      ingressClass: "fairlead",
      controllerName: "fairlead.dev/ingress",
      ingresses,
      classes: [ingressClass()],
    });
    this.upstreams.prepare(plan.backends, this.view);
    this.gateway.table = plan.table;
    this.upstreams.prune(plan.backends);
    return plan;
  }

  async start(): Promise<this> {
    await this.listeners.start();
    return this;
  }

  get(
    path: string,
    options: {
      method?: string;
      host?: string;
      headers?: Record<string, string>;
      body?: string | readonly string[];
      trailers?: Record<string, string>;
      from?: string;
    } = {},
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const sent = httpRequest({
        host: "127.0.0.1",
        port: this.port,
        path,
        method: options.method ?? "GET",
        headers: { host: options.host ?? "a.example.org", ...options.headers },
        agent: false,
        ...(options.from === undefined ? {} : { localAddress: options.from }),
      });
      sent.on("error", reject);
      sent.on("response", (received) => {
        const chunks: Buffer[] = [];
        received.on("data", (chunk: Buffer) => chunks.push(chunk));
        received.on("error", reject);
        received.on("end", () =>
          resolve({
            status: received.statusCode ?? 0,
            headers: received.headers,
            trailers: received.trailers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      });
      const parts = typeof options.body === "string" ? [options.body] : (options.body ?? []);
      for (const part of parts) sent.write(part);
      if (options.trailers) sent.addTrailers(options.trailers);
      sent.end();
    });
  }

  /** Sends bytes as they are and returns all that comes back until the connection ends or `ms` are over. */
  async raw(bytes: string | Buffer, ms = 300): Promise<string> {
    const socket = connect(this.port, "127.0.0.1");
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.write(bytes);
    await Promise.race([once(socket, "close"), new Promise((resolve) => setTimeout(resolve, ms))]);
    socket.destroy();
    return Buffer.concat(chunks).toString("latin1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#tcpServers) server.close();
    await this.listeners.stop();
    this.upstreams.stop();
    await Promise.all(
      this.#servers.map(async (server) => {
        server.closeAllConnections();
        server.close();
      }),
    );
  }
}
