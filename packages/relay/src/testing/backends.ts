/** Endpoints for tests: real servers that say who they are. */
import { createSocket } from "node:dgram";
import type { Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { At } from "./entries.ts";

/** A TCP server that runs `serve` for each connection. */
export class TcpBackend implements At, AsyncDisposable {
  readonly address: string;
  /** Source addresses of the connections so far. */
  readonly seen: string[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(address: string, server: Server) {
    this.address = address;
    this.#server = server;
    server.on("connection", (socket) => {
      this.seen.push(socket.remoteAddress ?? "");
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
      socket.on("error", () => undefined);
    });
  }

  /** Listens on the address, on a free port unless told. */
  static async start(address: string, serve: (socket: Socket) => void, port = 0): Promise<TcpBackend> {
    const server = createServer({ allowHalfOpen: true }, serve);
    const backend = new TcpBackend(address, server);
    server.listen({ host: address, port });
    await once(server, "listening");
    return backend;
  }

  /** Says its name to everybody and closes. */
  static naming(address: string, name: string, port = 0): Promise<TcpBackend> {
    return TcpBackend.start(address, (socket) => socket.end(name), port);
  }

  /** Sends everything back, and ends when the client ends. */
  static echo(address: string): Promise<TcpBackend> {
    return TcpBackend.start(address, (socket) => socket.pipe(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Refuses from now on; open connections are cut. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** A UDP server that answers each datagram with `<name>:<datagram>`. */
export class UdpBackend implements At, AsyncDisposable {
  readonly address: string;
  /** Source addresses of the datagrams so far. */
  readonly seen: string[] = [];
  readonly #socket: UdpSocket;
  #stopped = false;

  private constructor(address: string, socket: UdpSocket) {
    this.address = address;
    this.#socket = socket;
  }

  static async naming(address: string, name: string, port = 0): Promise<UdpBackend> {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    const backend = new UdpBackend(address, socket);
    socket.on("message", (datagram, from) => {
      backend.seen.push(from.address);
      socket.send(`${name}:${datagram.toString()}`, from.port, from.address);
    });
    socket.bind(port, address);
    await once(socket, "listening");
    return backend;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
