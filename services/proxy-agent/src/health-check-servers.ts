/** Answers load balancers that ask whether this node has endpoints of a Service: `healthCheckNodePort`, policy Local. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import type { Logger } from "@fairlead/host";
import { Family, Ipv6Option, Level, openSocket, socketAddress, SocketOption, SocketType } from "@fairlead/sockets";
import type { NetworkNamespace } from "@fairlead/sockets";
import { familyOf } from "@fairlead/types";
import type { IpAddress, Port, ServiceKey } from "@fairlead/types";
import { aboutService } from "./event-sink.ts";
import type { EventSink } from "./event-sink.ts";
import type { HealthCheckPlan } from "./plan/service-table.ts";

/** Connections at once to the port of one Service; more are closed unanswered. */
export const MAX_HEALTH_CHECK_CONNECTIONS = 64;

/** Connections that wait to be accepted, where this process opens the socket itself. */
const LISTEN_BACKLOG = 64;

/** Time for a question to arrive whole, in milliseconds. */
export const HEALTH_CHECK_TIMEOUT_MS = 5_000;

interface Running {
  plan: HealthCheckPlan;
  readonly servers: Server[];
}

/**
 * One small HTTP server for each Service that asks for one, on the node's own addresses. Answers as kube-proxy does: any path, 200
 * where a local endpoint is Ready and this proxy is healthy, else 503, with the count as JSON and as a weight in a header.
 */
export class HealthCheckServers {
  readonly #events: EventSink;
  readonly #log: Logger;
  readonly #healthy: () => boolean;
  readonly #namespace: NetworkNamespace | undefined;
  readonly #running = new Map<ServiceKey, Running>();

  /** `namespace` is where the node's addresses are; absent: in this process' own. */
  constructor(options: { events: EventSink; log: Logger; healthy: () => boolean; namespace?: NetworkNamespace }) {
    this.#events = options.events;
    this.#log = options.log;
    this.#healthy = options.healthy;
    this.#namespace = options.namespace;
  }

  /** Says what is asked of one Service from now on; undefined: nothing. Never rejects: a failed bind becomes an Event. */
  async set(service: ServiceKey, plan: HealthCheckPlan | undefined): Promise<void> {
    const running = this.#running.get(service);
    if (running !== undefined && plan !== undefined && sameSockets(running.plan, plan)) {
      running.plan = plan;
      return;
    }
    if (running !== undefined) {
      this.#running.delete(service);
      await close(running);
    }
    if (plan === undefined) return;
    const next: Running = { plan, servers: [] };
    this.#running.set(service, next);
    await Promise.all(plan.addresses.map((address) => this.#listen(next, address, plan.port)));
  }

  /** Closes every server. */
  async stop(): Promise<void> {
    const all = [...this.#running.values()];
    this.#running.clear();
    await Promise.all(all.map(close));
  }

  async #listen(running: Running, address: IpAddress, port: Port): Promise<void> {
    const server = createServer(
      { requestTimeout: HEALTH_CHECK_TIMEOUT_MS, headersTimeout: HEALTH_CHECK_TIMEOUT_MS },
      (_, response) => this.#answer(running.plan, response),
    );
    server.maxConnections = MAX_HEALTH_CHECK_CONNECTIONS;
    try {
      if (this.#namespace === undefined) server.listen({ host: address, port, ipv6Only: true });
      else server.listen({ fd: boundIn(this.#namespace, address, port), backlog: LISTEN_BACKLOG });
      await once(server, "listening");
      server.on("error", (error) => this.#log.warn("a health check connection failed", { error }));
      running.servers.push(server);
    } catch (error) {
      const { service } = running.plan;
      this.#events.record(aboutService(service), {
        type: "Warning",
        reason: "FailedToStartServiceHealthcheck",
        message: `The health check port ${address}:${port} cannot be served: ${(error as Error).message}. Load balancers will take this node for one without endpoints.`,
      });
      const { namespace, name } = service;
      this.#log.warn("a health check port cannot be served", { service: `${namespace}/${name}`, address, port, error });
    }
  }

  #answer({ service, localEndpoints }: HealthCheckPlan, response: ServerResponse): void {
    const serviceProxyHealthy = this.#healthy();
    const { namespace, name } = service;
    response.writeHead(localEndpoints > 0 && serviceProxyHealthy ? 200 : 503, {
      "content-type": "application/json",
      "x-content-type-options": "nosniff",
      "x-load-balancing-endpoint-weight": String(localEndpoints),
      connection: "close",
    });
    response.end(JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy }));
  }
}

/** A socket of another namespace, for Node to listen with: Node itself opens sockets where its thread is. */
function boundIn(namespace: NetworkNamespace, address: IpAddress, port: Port): number {
  const v6 = familyOf(address) === "IPv6";
  const socket = namespace.run(() => openSocket({ family: v6 ? Family.INET6 : Family.INET, type: SocketType.STREAM }));
  try {
    // As Node does it: another process' connections that have ended do not keep the port.
    socket.setOption(Level.SOCKET, SocketOption.REUSEADDR, 1);
    if (v6) socket.setOption(Level.IPV6, Ipv6Option.V6ONLY, 1);
    socket.bind(socketAddress(address, port));
    return socket.detach();
  } catch (error) {
    socket.close();
    throw error;
  }
}

function sameSockets(a: HealthCheckPlan, b: HealthCheckPlan): boolean {
  return a.port === b.port && a.addresses.join() === b.addresses.join();
}

async function close({ servers }: Running): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    }),
  );
}
