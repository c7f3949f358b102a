/** Receives datagrams at one address and port for one Service port, and answers from there. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { cidrMatcher } from "@fairlead/types";
import type { Clock } from "@fairlead/types";
import type { Listener, Target } from "./listener.ts";
import type { SourceAddress } from "./source-address.ts";
import { turn } from "./turn.ts";
import { givenAddress, UdpFlow } from "./udp-flow.ts";
import type { UdpClient } from "./udp-flow.ts";

/** What the UDP listeners of a set share. */
export interface UdpHost {
  readonly clock: Clock;
  readonly source: SourceAddress;
  /** A flow without a datagram in either direction ends after this, in milliseconds. */
  readonly udpTimeoutMs: number;
  /** False where the set holds as many flows as it may. */
  admitFlow(): boolean;
  flowEnded(): void;
}

const noneTried: ReadonlySet<string> = new Set();

/** See the module. */
export class UdpListener implements Listener {
  readonly #host: UdpHost;
  readonly #family: "udp4" | "udp6";
  /** Current flows by client, the longest-standing first. */
  readonly #flows = new Map<string, UdpFlow>();
  /** All that hold a socket: the current ones and those that only linger. */
  readonly #open = new Set<UdpFlow>();
  #target: Target;
  #allowed: ((address: string) => boolean) | undefined;
  #socket: Socket | undefined;
  #cancelSweep: (() => void) | undefined;

  constructor(options: { host: UdpHost; target: Target }) {
    this.#host = options.host;
    this.#target = options.target;
    this.#family = options.target.frontend.address.includes(":") ? "udp6" : "udp4";
    this.#allowed = matcher(options.target);
  }

  async open(): Promise<void> {
    const { address, port } = this.#target.frontend;
    const socket = createSocket({ type: this.#family, ipv6Only: this.#family === "udp6", lookup: givenAddress });
    try {
      // Asked for first: with an address at hand the socket may listen before bind returns.
      const listening = once(socket, "listening");
      socket.bind({ address, port, exclusive: true });
      await listening;
    } catch (error) {
      socket.close();
      throw error;
    }
    socket.on("message", (datagram, from) => this.#received(datagram, from));
    // A reply that cannot be sent is lost, as UDP allows; the client asks again.
    socket.on("error", () => undefined);
    this.#socket = socket;
  }

  retarget(target: Target): void {
    const before = this.#target;
    this.#target = target;
    this.#allowed = matcher(target);
    for (const [client, flow] of this.#flows) {
      const stays =
        before.service === target.service &&
        before.frontend.policy === target.frontend.policy &&
        target.service.lists(target.frontend.policy, flow.endpoint);
      if (stays) continue;
      this.#flows.delete(client);
      flow.linger();
    }
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    await turn();
    this.#cancelSweep?.();
    for (const flow of this.#open) flow.close();
    await new Promise<void>((resolve) => socket.close(resolve));
  }

  #received(datagram: Buffer, from: UdpClient): void {
    const flow = this.#flows.get(`${from.address} ${from.port}`);
    if (flow !== undefined) {
      flow.send(datagram);
      return;
    }
    if (this.#allowed !== undefined && !this.#allowed(from.address)) {
      this.#target.service.counters.refusedBySource++;
      return;
    }
    this.#begin(from, [datagram], noneTried, true);
  }

  #begin(client: UdpClient, datagrams: readonly Buffer[], tried: ReadonlySet<string>, asClient: boolean): void {
    const { service, frontend } = this.#target;
    if (this.#socket === undefined) return;
    if (!this.#host.admitFlow() && !this.#makeRoom()) {
      service.counters.refusedByLimit++;
      return;
    }
    const context = { address: client.address, destination: frontend.address, tried };
    const endpoint = service.pick(frontend.policy, context);
    if (endpoint === undefined) {
      service.counters.unserved++;
      this.#host.flowEnded();
      return;
    }
    if (tried.size > 0) service.counters.retries++;
    service.counters.udpFlows++;
    const localAddress = asClient ? this.#host.source.localAddress(frontend, client.address) : undefined;
    const key = `${client.address} ${client.port}`;
    const flow = new UdpFlow({
      clock: this.#host.clock,
      family: this.#family,
      client,
      service,
      endpoint,
      tried,
      localAddress,
      reply: (datagram) => this.#socket?.send(datagram, client.port, client.address),
      refused: (error, unanswered) => this.#refused(flow, error, unanswered),
      closed: () => {
        this.#open.delete(flow);
        if (this.#flows.get(key) === flow) this.#flows.delete(key);
        this.#host.flowEnded();
      },
    });
    this.#flows.set(key, flow);
    this.#open.add(flow);
    // Held until it is open: where the client's address cannot be had, it fails at once, and another flow takes them.
    for (const datagram of datagrams) flow.send(datagram);
    flow.open();
    this.#sweepLater();
  }

  /** What the endpoint did not take goes to another one, each at most once. */
  #refused(flow: UdpFlow, error: NodeJS.ErrnoException, unanswered: readonly Buffer[]): void {
    const { client, localAddress, tried, service, endpoint } = flow.options;
    // The client may have a new flow already.
    if (this.#flows.has(`${client.address} ${client.port}`)) return;
    if (localAddress !== undefined && this.#host.source.refused(localAddress, error)) {
      if (unanswered.length > 0) this.#begin(client, unanswered, tried, false);
      return;
    }
    service.failed(endpoint);
    if (unanswered.length > 0) this.#begin(client, unanswered, new Set([...tried, endpoint.key]), true);
  }

  /** Ends the longest-standing flow of this listener for a new one. */
  #makeRoom(): boolean {
    const [oldest] = this.#flows.values();
    if (oldest === undefined) return false;
    oldest.close();
    return this.#host.admitFlow();
  }

  #sweepLater(): void {
    if (this.#cancelSweep !== undefined) return;
    this.#cancelSweep = this.#host.clock.setTimer(this.#host.udpTimeoutMs / 4, () => {
      this.#cancelSweep = undefined;
      const oldest = this.#host.clock.monotonic() - this.#host.udpTimeoutMs;
      for (const flow of this.#flows.values()) if (flow.lastUsed <= oldest) flow.close();
      if (this.#flows.size > 0) this.#sweepLater();
    });
  }
}

function matcher({ frontend }: Target): ((address: string) => boolean) | undefined {
  return frontend.sourceRanges.length === 0 ? undefined : cidrMatcher(frontend.sourceRanges);
}
