/** Queries over UDP on one address. */
import { createSocket } from "node:dgram";
import type { RemoteInfo, Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { Logger } from "@fairlead/host";
import type { Handler } from "../handler.ts";

/** The kernel's buffer for queries that wait, in bytes; it may cap it. */
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024;

/** What a server needs. */
export interface UdpServerOptions {
  readonly host: string;
  readonly handler: Handler;
  readonly log: Logger;
}

/** See the module. */
export class UdpServer {
  readonly #options: UdpServerOptions;
  #socket: Socket | undefined;

  constructor(options: UdpServerOptions) {
    this.#options = options;
  }

  /** Listens, on any free port for 0; returns the port. Rejects with the error of the system. */
  async listen(port: number): Promise<number> {
    const { host, handler, log } = this.#options;
    const v6 = isIPv6(host);
    const socket = createSocket({
      type: v6 ? "udp6" : "udp4",
      ipv6Only: v6,
      // Addresses come from the kernel: looking them up would only cost a turn of the event loop for every answer.
      lookup: (address, _options, callback) => callback(null, address, v6 ? 6 : 4),
    });
    const arrival = { tcp: false, v6 };
    // An answer that cannot be sent is lost like other datagrams: the client asks again. A callback would cost a turn.
    const send = (answer: Buffer, client: RemoteInfo): void => socket.send(answer, client.port, client.address);
    socket.on("message", (query, client) => {
      const answer = handler.handle(query, arrival);
      if (answer === undefined || client.port === 0) return;
      if (answer instanceof Promise) {
        answer.then(
          (late) => {
            if (this.#socket === socket) send(late, client);
          },
          (error: unknown) => log.error("a query failed", { error }),
        );
      } else send(answer, client);
    });
    try {
      // Without a look-up it may be listening before bind returns.
      const listening = once(socket, "listening");
      socket.bind(port, host);
      await listening;
    } catch (error) {
      socket.close();
      throw error;
    }
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch (error) {
      log.debug("the receive buffer stays as it is", { error });
    }
    socket.on("error", (error) => log.warn("a UDP socket failed", { error }));
    this.#socket = socket;
    return socket.address().port;
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    const closed = once(socket, "close");
    socket.close();
    await closed;
  }
}
