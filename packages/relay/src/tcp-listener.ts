/** Listens at one TCP address and port for one Service port. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { cidrMatcher } from "@fairlead/types";
import type { Listener, Target } from "./listener.ts";
import { reset, TcpRelay } from "./tcp-relay.ts";
import type { RelayHost } from "./tcp-relay.ts";
import { turn } from "./turn.ts";

/** Connections that the kernel keeps waiting to be accepted; it may cap this further (net.core.somaxconn). */
export const LISTEN_BACKLOG = 4096;

/** What the listeners of a set share. */
export interface TcpHost extends RelayHost {
  /** False where the set holds as many connections as it may. */
  admit(relay: TcpRelay): boolean;
  /** An accept failed, for example because the process is out of file descriptors. */
  acceptFailed(error: Error, target: Target): void;
}

/** See the module. */
export class TcpListener implements Listener {
  readonly #host: TcpHost;
  #target: Target;
  #allowed: ((address: string) => boolean) | undefined;
  #server: Server | undefined;

  constructor(options: { host: TcpHost; target: Target }) {
    this.#host = options.host;
    this.#target = options.target;
    this.#allowed = matcher(options.target);
  }

  async open(): Promise<void> {
    const { address, port } = this.#target.frontend;
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) =>
      this.#accept(client),
    );
    server.listen({ host: address, port, backlog: LISTEN_BACKLOG, ipv6Only: true });
    await once(server, "listening");
    server.on("error", (error) => this.#host.acceptFailed(error, this.#target));
    this.#server = server;
  }

  retarget(target: Target): void {
    if (target.frontend.sourceRanges !== this.#target.frontend.sourceRanges) this.#allowed = matcher(target);
    this.#target = target;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    // A full turn of the event loop takes in what the kernel has queued; closing would reset it.
    await turn();
    server.close();
  }

  #accept(client: Socket): void {
    const { service, frontend } = this.#target;
    // Reset at once, before anything is read: the client is not to learn more than that the port does not take it.
    if (this.#allowed !== undefined && !this.#allowed(client.remoteAddress ?? unknownAddress)) {
      service.counters.refusedBySource++;
      discard(client);
      return;
    }
    const relay = new TcpRelay({ host: this.#host, client, service, frontend });
    if (!this.#host.admit(relay)) {
      service.counters.refusedByLimit++;
      discard(client);
      return;
    }
    relay.start();
  }
}

/** In no range: for a client that is gone before anyone could ask for its address. */
const unknownAddress = "255.255.255.255";

function matcher({ frontend }: Target): ((address: string) => boolean) | undefined {
  return frontend.sourceRanges.length === 0 ? undefined : cidrMatcher(frontend.sourceRanges);
}

function discard(client: Socket): void {
  client.on("error", () => undefined);
  reset(client);
}
