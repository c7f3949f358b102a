/** One TCP connection: from a client, through this process, to an endpoint of the Service. */
import { Socket } from "node:net";
import type { Clock } from "@fairlead/types";
import type { RelayFrontend } from "./entry.ts";
import type { EndpointState } from "./endpoint-state.ts";
import { proxyHeaderLine } from "./proxy-header/header.ts";
import type { ConnectionEnds } from "./proxy-header/header.ts";
import { readProxyHeader } from "./proxy-header/header-reader.ts";
import { LARGE_READ_BYTES } from "./read-buffers.ts";
import type { ReadBuffers } from "./read-buffers.ts";
import type { ConnectingClient, ServicePort } from "./service-port.ts";
import type { SourceAddress } from "./source-address.ts";

/**
 * Unsent bytes in one direction at which its sender is no longer read. Above Node's own mark (64 KiB), so that a stream which
 * has reached this one always tells when it has drained.
 */
export const HIGH_WATER_BYTES = 128 * 1024;

/** Silence after which the kernel asks whether a peer is still there, in milliseconds. */
const KEEP_ALIVE_MS = 60_000;

/** What all relays of a set share. */
export interface RelayHost {
  readonly clock: Clock;
  readonly buffers: ReadBuffers;
  readonly source: SourceAddress;
  readonly connectTimeoutMs: number;
  /** The relay holds no socket any more. */
  ended(relay: TcpRelay): void;
}

/**
 * Joins a client to an endpoint. The client is not read before the endpoint's connection stands, so a connect that fails can be
 * made again to another endpoint without losing a byte. Each direction ends on its own; a reset on one side resets the other.
 */
export class TcpRelay implements ConnectingClient {
  readonly #host: RelayHost;
  readonly #client: Socket;
  readonly #service: ServicePort;
  readonly #frontend: RelayFrontend;
  /** What a PROXY header said of the client. */
  #ends: ConnectionEnds | undefined;
  #backend: Socket | undefined;
  #tried: Set<string> | undefined;
  #buffer: Buffer | undefined;
  #cancelConnectTimer: (() => void) | undefined;
  #keptAlive = false;
  #open = 1;

  constructor(options: { host: RelayHost; client: Socket; service: ServicePort; frontend: RelayFrontend }) {
    this.#host = options.host;
    this.#client = options.client;
    this.#service = options.service;
    this.#frontend = options.frontend;
  }

  get address(): string {
    return this.#ends?.address ?? this.#client.remoteAddress ?? "";
  }

  get destination(): string {
    return this.#frontend.address;
  }

  get tried(): ReadonlySet<string> {
    return this.#tried ?? noneTried;
  }

  /** Takes the client on; it must be paused and allow half-open connections. */
  start(): void {
    const client = this.#client;
    this.#service.counters.connections++;
    this.#service.counters.active++;
    client.on("error", () => this.#breakOff(this.#backend));
    client.on("close", () => this.#closed());
    if (this.#frontend.readsProxyHeader === true) this.#readProxyHeader();
    else this.#connect();
  }

  /** Has the kernel watch over both peers; does nothing the second time, and before both stand. */
  keepAlive(): void {
    const backend = this.#backend;
    if (this.#keptAlive || backend === undefined || backend.connecting) return;
    this.#keptAlive = true;
    for (const socket of [this.#client, backend]) if (!socket.destroyed) socket.setKeepAlive(true, KEEP_ALIVE_MS);
  }

  /** Ends both sides at once. */
  destroy(): void {
    this.#breakOff(this.#backend);
    reset(this.#client);
  }

  #readProxyHeader(): void {
    readProxyHeader({
      client: this.#client,
      clock: this.#host.clock,
      done: (ends) => {
        this.#ends = ends;
        this.#connect();
      },
      wrong: () => {
        this.#service.counters.refusedByHeader++;
        reset(this.#client);
      },
    });
  }

  /** False where no endpoint was left to try. */
  #connect(): boolean {
    const endpoint = this.#service.pick(this.#frontend.policy, this);
    if (endpoint === undefined) {
      this.#service.counters.unserved++;
      reset(this.#client);
      return false;
    }
    this.#connectTo(endpoint, true);
    return true;
  }

  #connectTo(endpoint: EndpointState, asClient: boolean): void {
    const localAddress = asClient ? this.#host.source.localAddress(this.#frontend, this.#client) : undefined;
    this.#service.acquire(endpoint);
    this.#open++;
    const backend = new Socket({
      allowHalfOpen: true,
      noDelay: true,
      onread: { buffer: () => this.#readBuffer(), callback: (bytes, buffer) => this.#toClient(bytes, buffer) },
    });
    this.#backend = backend;
    let connected = false;
    let failure: NodeJS.ErrnoException | undefined;
    backend.on("connect", () => {
      connected = true;
      this.#stopConnectTimer();
      this.#service.connected(endpoint);
      this.#join(backend);
    });
    backend.on("end", () => endOf(this.#client));
    backend.on("error", (error) => {
      failure = error;
      if (connected) this.#breakOff(this.#client);
    });
    backend.on("close", () => {
      this.#service.release(endpoint);
      if (connected) {
        // After an orderly end the client may still be taking what was written to it: it is left to finish.
        this.#giveBackBuffer();
      } else {
        this.#stopConnectTimer();
        this.#connectFailed(endpoint, localAddress, failure);
      }
      this.#closed();
    });
    this.#cancelConnectTimer = this.#host.clock.setTimer(this.#host.connectTimeoutMs, () => backend.destroy());
    backend.connect({
      host: endpoint.address,
      port: endpoint.port,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
  }

  #connectFailed(
    endpoint: EndpointState,
    localAddress: string | undefined,
    failure: NodeJS.ErrnoException | undefined,
  ): void {
    this.#backend = undefined;
    if (this.#client.destroyed) return;
    if (localAddress !== undefined && this.#host.source.refused(localAddress, failure)) {
      this.#connectTo(endpoint, false);
      return;
    }
    this.#service.failed(endpoint);
    (this.#tried ??= new Set()).add(endpoint.key);
    if (this.#connect()) this.#service.counters.retries++;
  }

  #join(backend: Socket): void {
    const client = this.#client;
    if (client.destroyed) {
      reset(backend);
      return;
    }
    const { counters } = this.#service;
    if (this.#frontend.writesProxyHeader === true) backend.write(proxyHeaderLine(this.#ends ?? endsOf(client)));
    client.on("data", (chunk: Buffer) => {
      counters.bytesToEndpoints += chunk.length;
      backend.write(chunk);
      if (backend.writableLength >= HIGH_WATER_BYTES) {
        client.pause();
        backend.once("drain", () => client.resume());
      }
    });
    client.on("end", () => endOf(backend));
    // It may have ended right after its header.
    if (client.readableEnded) endOf(backend);
    client.resume();
  }

  #readBuffer(): Buffer {
    return (this.#buffer ??= this.#host.buffers.take());
  }

  /** Sends on what the endpoint said. False keeps it from being read until the client has taken what is waiting. */
  #toClient(bytes: number, buffer: Uint8Array): boolean {
    const client = this.#client;
    this.#service.counters.bytesToClients += bytes;
    client.write(bytes === buffer.length ? buffer : buffer.subarray(0, bytes));
    if (client.writableLength > 0) {
      // The kernel did not take it all: the rest is sent out of this very buffer, so the next read needs another.
      this.#buffer = Buffer.allocUnsafeSlow(LARGE_READ_BYTES);
    } else if (bytes === buffer.length && bytes < LARGE_READ_BYTES) {
      this.#giveBackBuffer();
      this.#buffer = Buffer.allocUnsafeSlow(LARGE_READ_BYTES);
    }
    if (client.writableLength < HIGH_WATER_BYTES) return true;
    client.once("drain", () => this.#backend?.resume());
    return false;
  }

  #giveBackBuffer(): void {
    if (this.#buffer !== undefined) this.#host.buffers.giveBack(this.#buffer);
    this.#buffer = undefined;
  }

  #stopConnectTimer(): void {
    this.#cancelConnectTimer?.();
    this.#cancelConnectTimer = undefined;
  }

  #breakOff(socket: Socket | undefined): void {
    if (socket !== undefined) reset(socket);
  }

  #closed(): void {
    if (--this.#open > 0) return;
    this.#service.counters.active--;
    this.#host.ended(this);
  }
}

const noneTried: ReadonlySet<string> = new Set();

function endsOf({ remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 }: Socket): ConnectionEnds {
  return { address: remoteAddress, port: remotePort, destination: localAddress, destinationPort: localPort };
}

/** Passes the end of one side on to the other. */
function endOf(socket: Socket): void {
  // With its own end seen and everything handed to the kernel there is nothing left to wait for: closing says the same as
  // shutting down and then closing, in one system call.
  if (socket.readableEnded && socket.writableLength === 0) socket.destroy();
  else socket.end();
}

/** Ends a connection with a reset, so that the peer does not take what it has for the whole. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // libuv refuses to reset while connecting and while a shutdown waits for its turn.
  if (socket.connecting || (socket.writableEnded && !socket.writableFinished)) socket.destroy();
  else socket.resetAndDestroy();
}
