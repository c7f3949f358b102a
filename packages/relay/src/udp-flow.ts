/** The datagrams of one client to one endpoint, and back. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import type { Clock } from "@fairlead/types";
import type { EndpointState } from "./endpoint-state.ts";
import type { ServicePort } from "./service-port.ts";

/** Datagrams held while the flow's socket is being set up; further ones are lost, as UDP allows. */
export const MAX_WAITING_DATAGRAMS = 64;

/** How long a flow that lost its endpoint still passes replies on, in milliseconds: answers may be on their way. */
export const LINGER_MS = 1_000;

/** The client's side of a flow. */
export interface UdpClient {
  readonly address: string;
  readonly port: number;
}

/** What a flow needs; the callbacks are called after construction only. */
export interface UdpFlowOptions {
  readonly clock: Clock;
  readonly family: "udp4" | "udp6";
  readonly client: UdpClient;
  readonly service: ServicePort;
  readonly endpoint: EndpointState;
  /** Endpoints that refused this client's datagrams before. */
  readonly tried: ReadonlySet<string>;
  /** Address to send from; undefined for the kernel's choice. */
  readonly localAddress: string | undefined;
  /** Passes a reply to the client. */
  reply(datagram: Buffer): void;
  /** The endpoint does not take datagrams; `unanswered` were sent to it, or not even that. */
  refused(error: NodeJS.ErrnoException, unanswered: readonly Buffer[]): void;
  /** The flow holds no socket any more. */
  closed(): void;
}

/** See the module. */
export class UdpFlow {
  readonly endpoint: EndpointState;
  readonly options: UdpFlowOptions;
  /** Monotonic time of the last datagram in either direction. */
  lastUsed: number;
  readonly #socket: Socket;
  #connected = false;
  #unanswered: Buffer[] = [];
  #cancelLinger: (() => void) | undefined;
  #isClosed = false;

  constructor(options: UdpFlowOptions) {
    this.options = options;
    this.endpoint = options.endpoint;
    this.lastUsed = options.clock.monotonic();
    this.#socket = createSocket({ type: options.family, lookup: givenAddress });
  }

  /** Opens the socket. */
  open(): void {
    const { endpoint, localAddress, service } = this.options;
    service.acquire(endpoint);
    service.counters.active++;
    const socket = this.#socket;
    socket.on("error", (error) => this.#fail(error));
    socket.on("message", (datagram) => this.#received(datagram));
    const connect = (): void => {
      if (!this.#isClosed) socket.connect(endpoint.port, endpoint.address);
    };
    socket.on("connect", () => this.#flush());
    if (localAddress === undefined) connect();
    else socket.bind({ address: localAddress, port: 0, exclusive: true }, connect);
  }

  /** Sends on a client's datagram. */
  send(datagram: Buffer): void {
    this.lastUsed = this.options.clock.monotonic();
    if (this.#connected) {
      // One is kept until the endpoint has answered: should it be refused, another endpoint gets it.
      this.#unanswered = [datagram];
      this.#write(datagram);
    } else if (this.#unanswered.length < MAX_WAITING_DATAGRAMS) {
      this.#unanswered.push(datagram);
    }
  }

  /** Passes replies on for a moment longer, then closes. */
  linger(): void {
    this.#cancelLinger ??= this.options.clock.setTimer(LINGER_MS, () => this.close());
  }

  /** Closes at once. May be called again. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelLinger?.();
    const { service, endpoint } = this.options;
    service.release(endpoint);
    service.counters.active--;
    this.#socket.close();
    this.options.closed();
  }

  #flush(): void {
    if (this.#isClosed) return;
    this.#connected = true;
    for (const datagram of this.#unanswered) this.#write(datagram);
    this.#unanswered = this.#unanswered.slice(-1);
  }

  #write(datagram: Buffer): void {
    const { counters } = this.options.service;
    counters.datagramsToEndpoints++;
    counters.bytesToEndpoints += datagram.length;
    this.#socket.send(datagram, (error) => {
      if (error !== null) this.#fail(error);
    });
  }

  #received(datagram: Buffer): void {
    const { clock, service } = this.options;
    this.lastUsed = clock.monotonic();
    this.#unanswered = [];
    service.connected(this.endpoint);
    service.counters.datagramsToClients++;
    service.counters.bytesToClients += datagram.length;
    this.options.reply(datagram);
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (this.#isClosed) return;
    this.close();
    this.options.refused(error, this.#unanswered);
  }
}

/** Stands in for name resolution: there are only addresses here, and the usual one would wait for another turn. */
export function givenAddress(
  address: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  // eslint-disable-next-line unicorn/no-null -- the callback's own convention
  callback(null, address, address.includes(":") ? 6 : 4);
}
