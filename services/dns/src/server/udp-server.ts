/**
 * Queries over UDP on one address. Where system calls can be made, Node's socket only says that something arrived and answers the first
 * query; the others are answered many at a time by {@link DatagramDrain}. Elsewhere it answers all.
 */
import { createSocket } from "node:dgram";
import type { RemoteInfo, Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { Logger } from "@fairlead/host";
import {
  Family,
  Ipv6Option,
  Level,
  openSocket,
  socketAddress,
  SocketOption,
  SocketType,
  whyNoSystemCalls,
} from "@fairlead/sockets";
import type { SystemSocket } from "@fairlead/sockets";
import { ipAddress } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import type { Handler } from "../handler.ts";
import { DatagramDrain, MAX_QUERY_BYTES } from "./datagram-drain.ts";

/** The kernel's buffer for queries that wait, in bytes; it may cap it. */
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024;

/** What a server needs. */
export interface UdpServerOptions {
  readonly host: string;
  readonly handler: Pick<Handler, "handle">;
  readonly log: Logger;
  /** Whether many datagrams go by one system call; unless told otherwise, where that can be done. */
  readonly batches?: boolean;
}

/** See the module. */
export class UdpServer {
  readonly #options: UdpServerOptions;
  #socket: Socket | undefined;
  #system: SystemSocket | undefined;
  #drain: DatagramDrain | undefined;

  constructor(options: UdpServerOptions) {
    this.#options = options;
  }

  /** Listens, on any free port for 0; returns the port. Rejects with the error of the system. */
  async listen(port: number): Promise<number> {
    const { host, log, batches = whyNoSystemCalls() === undefined } = this.#options;
    const v6 = isIPv6(host);
    // A scope (`fe80::1%eth0`) is read by Node's socket alone.
    const system = batches && !host.includes("%") ? this.#open(host, port) : undefined;
    const socket = createSocket({
      type: v6 ? "udp6" : "udp4",
      ipv6Only: v6,
      // Addresses come from the kernel: looking them up would only cost a turn of the event loop for every answer.
      lookup: (address, _options, callback) => callback(null, address, v6 ? 6 : 4),
    });
    this.#serve(socket, v6, system);
    try {
      // Without a look-up it may be listening before bind returns.
      const listening = once(socket, "listening");
      if (system) socket.bind({ fd: system.duplicate() });
      else socket.bind(port, host);
      await listening;
    } catch (error) {
      socket.close();
      system?.close();
      throw error;
    }
    // Node sets it for a socket that it did not bind; a second server could then take the same port.
    system?.setOption(Level.SOCKET, SocketOption.REUSEADDR, 0);
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch (error) {
      log.debug("the receive buffer stays as it is", { error });
    }
    socket.on("error", (error) => log.warn("a UDP socket failed", { error }));
    this.#socket = socket;
    this.#system = system;
    return socket.address().port;
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    this.#drain?.close();
    const closed = once(socket, "close");
    socket.close();
    await closed;
    this.#system?.close();
  }

  #open(host: string, port: number): SystemSocket {
    const v6 = isIPv6(host);
    const socket = openSocket({ family: v6 ? Family.INET6 : Family.INET, type: SocketType.DGRAM });
    try {
      if (v6) socket.setOption(Level.IPV6, Ipv6Option.V6ONLY, 1);
      socket.bind(socketAddress(ipAddress(host), port));
    } catch (error) {
      socket.close();
      throw error;
    }
    return socket;
  }

  #serve(socket: Socket, v6: boolean, system: SystemSocket | undefined): void {
    const { handler, log } = this.#options;
    const arrival = { tcp: false, v6 };
    const drain = system && new DatagramDrain({ socket: system, handler, arrival, log });
    this.#drain = drain;
    // An answer that cannot be sent is lost like other datagrams: the client asks again. A callback would cost a turn.
    const send = (answer: Buffer, client: RemoteInfo): void => socket.send(answer, client.port, client.address);
    socket.on("message", (query, client) => {
      // Cut off as the others are: what becomes of a query does not depend on who reads it.
      const answer = client.port === 0 ? undefined : handler.handle(query.subarray(0, MAX_QUERY_BYTES), arrival);
      if (answer instanceof Promise) {
        answer.then(
          (late) => {
            if (this.#socket === socket) send(late, client);
          },
          (error: unknown) => log.error("a query failed", { error }),
        );
      } else if (answer !== undefined) {
        // A scoped address is read by Node's socket alone.
        if (drain && !client.address.includes("%")) {
          return drain.wake({ answer, address: client.address as IpAddress, port: client.port });
        }
        send(answer, client);
      }
      drain?.wake();
    });
  }
}
