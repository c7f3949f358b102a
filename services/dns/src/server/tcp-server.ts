/** Queries over TCP on one address (RFC 7766): several on a connection, answered as they are ready. */
import { once } from "node:events";
import { createServer, isIPv6 } from "node:net";
import type { Server, Socket } from "node:net";
import type { Logger } from "@fairlead/host";
import type { Clock } from "@fairlead/types";
import type { Handler } from "../handler.ts";

/** Connections at once; more are closed at once. */
export const MAX_TCP_CONNECTIONS = 1_024;

/** Silence after which a connection is closed, in ms. */
const IDLE_TIMEOUT_MS = 10_000;

/** Answers of one connection that may be on their way; its next queries wait. */
const MAX_PENDING_ANSWERS = 64;

/** Bytes of answers that may wait for a client to read; its next queries wait. */
const MAX_UNSENT_BYTES = 256 * 1_024;

/** What a server needs. */
export interface TcpServerOptions {
  readonly host: string;
  readonly handler: Handler;
  readonly clock: Clock;
  readonly log: Logger;
}

/** See the module. */
export class TcpServer {
  readonly #options: TcpServerOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(options: TcpServerOptions) {
    this.#options = options;
  }

  /** Listens, on any free port for 0; returns the port. Rejects with the error of the system. */
  async listen(port: number): Promise<number> {
    const { host, log } = this.#options;
    const server = createServer((socket) => this.#serve(socket));
    server.maxConnections = MAX_TCP_CONNECTIONS;
    server.listen({ port, host, ipv6Only: isIPv6(host) });
    await once(server, "listening");
    server.on("error", (error) => log.warn("a TCP listener failed", { error }));
    this.#server = server;
    const bound = server.address();
    return typeof bound === "object" && bound !== null ? bound.port : port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    const { handler, clock, host, log } = this.#options;
    const arrival = { tcp: true, v6: isIPv6(host) };
    let waiting: Buffer = Buffer.alloc(0);
    let pending = 0;
    let cancelIdle = (): void => undefined;
    const touch = (): void => {
      cancelIdle();
      cancelIdle = clock.setTimer(IDLE_TIMEOUT_MS, () => socket.destroy());
    };
    const full = (): boolean => pending >= MAX_PENDING_ANSWERS || socket.writableLength > MAX_UNSENT_BYTES;
    const send = (answer: Buffer): void => {
      if (socket.destroyed) return;
      const size = Buffer.allocUnsafe(2);
      size.writeUInt16BE(answer.length, 0);
      socket.cork();
      socket.write(size);
      socket.write(answer);
      socket.uncork();
    };
    const work = (): void => {
      while (!full() && waiting.length >= 2) {
        const end = waiting.readUInt16BE(0) + 2;
        if (waiting.length < end) break;
        const answer = handler.handle(waiting.subarray(2, end), arrival);
        waiting = waiting.subarray(end);
        if (answer === undefined) {
          // Not a query: whoever sends that is no client.
          socket.destroy();
          return;
        }
        if (answer instanceof Promise) {
          pending += 1;
          answer
            .then(send)
            .catch((error: unknown) => log.error("a query failed", { error }))
            .finally(() => {
              pending -= 1;
              work();
            });
        } else send(answer);
      }
      if (full()) socket.pause();
      else if (socket.isPaused()) socket.resume();
    };
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    touch();
    socket.on("data", (piece: Buffer) => {
      touch();
      waiting = waiting.length === 0 ? piece : Buffer.concat([waiting, piece]);
      work();
    });
    socket.on("drain", work);
    socket.on("error", (error) => log.debug("a client's connection failed", { error }));
    socket.on("close", () => {
      cancelIdle();
      this.#sockets.delete(socket);
    });
  }
}
