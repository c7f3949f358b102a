/** One host of a lab: a network namespace in which this process serves and asks, by sockets that are opened there. */
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { openRouteClient, type RouteClient } from "@fairlead/netlink";
import {
  Family,
  type HeldNetworkNamespace,
  holdNewNetworkNamespace,
  Ipv6Option,
  Level,
  openSocket,
  socketAddress,
  SocketOption,
  SocketType,
  type SystemSocket,
} from "@fairlead/sockets";
import { type Clock, familyOf, ipAddress, type IpAddress, type IpFamily, type Protocol } from "@fairlead/types";
import { LabConnection, LabDatagrams, openStream } from "./lab-client.ts";
import type { DualAddress } from "./lab-plan.ts";
import { type LabServer, serveDatagrams, serveStreams } from "./lab-server.ts";
import type { Outcome } from "./outcome.ts";
import type { Patience } from "./patience.ts";

/** An address and port. */
export interface LabAt {
  readonly address: string;
  readonly port: number;
}

/** How a server is to serve. */
export interface ServeOptions {
  readonly port: number;
  /** The host's own unless told. */
  readonly name?: string;
  /** TCP unless told. */
  readonly protocol?: Protocol;
  /** Addresses to listen at; all of both families unless told. */
  readonly addresses?: readonly IpAddress[];
}

const protocolNumber = { TCP: 6, UDP: 17, SCTP: 132 } as const satisfies Record<Protocol, number>;

/** See the module. Closed by its lab. */
export class LabHost {
  readonly name: string;
  readonly addresses: DualAddress;
  readonly namespace: HeldNetworkNamespace;
  /** Links, addresses and routes in it. */
  readonly routes: RouteClient;
  readonly #patience: Patience;
  readonly #patienceMs: number;
  readonly #closeRoutes: () => void;
  readonly #servers = new Set<LabServer>();
  readonly #clients = new Set<{ close(): void }>();

  constructor(options: {
    readonly name: string;
    readonly addresses: DualAddress;
    readonly clock: Clock;
    readonly patience: Patience;
    readonly patienceMs: number;
  }) {
    const { name, addresses, clock, patience, patienceMs } = options;
    this.name = name;
    this.addresses = addresses;
    this.#patience = patience;
    this.#patienceMs = patienceMs;
    this.namespace = holdNewNetworkNamespace();
    const client = openRouteClient({ clock, namespace: this.namespace });
    this.routes = client.routes;
    this.#closeRoutes = () => client.close();
  }

  /** Sets a number below `/proc/sys/net`, for example `ipv4/ip_forward`. */
  setSysctl(name: string, value: number | string): void {
    this.namespace.run(() => writeFileSync(`/proc/sys/net/${name}`, `${value}`));
  }

  /** Reads one. */
  sysctl(name: string): string {
    return this.namespace.run(() => readFileSync(`/proc/sys/net/${name}`, "utf8")).trim();
  }

  /** Serves until the server or the lab is closed; see {@link LabServer}. Throws SystemCallError, for example EADDRINUSE. */
  async serve(options: ServeOptions): Promise<LabServer> {
    const { port, name = this.name, protocol = "TCP", addresses = anyAddress } = options;
    const sockets = (): ReturnType<Parameters<typeof serveStreams>[0]["sockets"]> =>
      addresses.map((address) => {
        const socket = this.#bound(address, port, protocol);
        return { descriptor: socket.detach(), udp: familyOf(address) === "IPv4" ? "udp4" : "udp6" } as const;
      });
    const server = await (protocol === "UDP" ? serveDatagrams : serveStreams)({ name, port, sockets });
    this.#servers.add(server);
    return server;
  }

  /** Asks who is there, once. */
  async ask(at: LabAt, protocol: Protocol = "TCP"): Promise<Outcome> {
    if (protocol === "UDP") {
      const datagrams = await this.datagrams(at);
      const outcome = await datagrams.ask();
      datagrams.close();
      return outcome;
    }
    const connection = await this.open(at, protocol);
    if (!(connection instanceof LabConnection)) return connection;
    connection.close();
    return { kind: "answered", by: connection.by, source: connection.source };
  }

  /** An open connection to a server of the lab, or what happened instead. */
  async open(at: LabAt, protocol: Protocol = "TCP"): Promise<LabConnection | Outcome> {
    const socket = this.stream(familyOf(ipAddress(at.address)), protocol);
    const connection = await openStream({ socket, at, patience: this.#patience, patienceMs: this.#patienceMs });
    if (connection instanceof LabConnection) {
      const client = { close: () => socket.destroy() };
      this.#clients.add(client);
      socket.on("close", () => this.#clients.delete(client));
    }
    return connection;
  }

  /** A client that sends datagrams from one port to one address. */
  async datagrams(at: LabAt): Promise<LabDatagrams> {
    const family = familyOf(ipAddress(at.address));
    const socket = createSocket(family === "IPv4" ? "udp4" : "udp6");
    const own = this.#bound(family === "IPv4" ? anyAddress[0] : anyAddress[1], 0, "UDP");
    // A socket that is bound already listens at once.
    socket.bind({ fd: own.detach() });
    socket.connect(at.port, at.address);
    await once(socket, "connect");
    const datagrams = new LabDatagrams({ socket, patience: this.#patience, patienceMs: this.#patienceMs });
    const client = { close: () => datagrams.close() };
    this.#clients.add(client);
    socket.on("close", () => this.#clients.delete(client));
    return datagrams;
  }

  /** A socket of Node that is in this host and not yet connected. */
  stream(family: IpFamily, protocol: Protocol = "TCP"): Socket {
    return new Socket({ fd: this.#socket(family, protocol).detach(), allowHalfOpen: false });
  }

  /** Whether sockets of this protocol can be had here: SCTP is not in every kernel. */
  hasProtocol(protocol: Protocol): boolean {
    try {
      this.#socket("IPv4", protocol).close();
      return true;
    } catch {
      return false;
    }
  }

  /** Runs a program in it, to its end; for looking at the kernel with other eyes. Rejects where there is no such program. */
  async execute(
    command: string,
    args: readonly string[],
    input = "",
  ): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
    const child = this.namespace.run(() => spawn(command, args, { stdio: "pipe" }));
    const said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        said[stream] += text;
      });
    }
    // A program that does not read what it is given.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    const [code] = (await once(child, "close")) as [number | null];
    return { code, ...said };
  }

  /** Ends everything in it. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all([...this.#servers].map((server) => server.close()));
    this.#closeRoutes();
    this.namespace.close();
  }

  #bound(address: IpAddress, port: number, protocol: Protocol): SystemSocket {
    const socket = this.#socket(familyOf(address), protocol);
    try {
      // Connections of an earlier server at this port are no hindrance.
      if (protocol !== "UDP") socket.setOption(Level.SOCKET, SocketOption.REUSEADDR, 1);
      socket.bind(socketAddress(address, port));
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  #socket(family: IpFamily, protocol: Protocol): SystemSocket {
    const socket = this.namespace.run(() =>
      openSocket({
        family: family === "IPv4" ? Family.INET : Family.INET6,
        type: protocol === "UDP" ? SocketType.DGRAM : SocketType.STREAM,
        protocol: protocolNumber[protocol],
      }),
    );
    if (family === "IPv6") socket.setOption(Level.IPV6, Ipv6Option.V6ONLY, 1);
    return socket;
  }
}

const anyAddress = [ipAddress("0.0.0.0"), ipAddress("::")] as const;
