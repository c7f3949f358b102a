/** UDP and TCP on every address that is asked for. */
import { splitHostPort } from "@fairlead/host";
import type { Logger, Startable } from "@fairlead/host";
import { whyNoSystemCalls } from "@fairlead/sockets";
import type { Clock } from "@fairlead/types";
import type { Handler } from "../handler.ts";
import { TcpServer } from "./tcp-server.ts";
import { UdpServer } from "./udp-server.ts";

/** Tries to find a port that is free for UDP and TCP alike. */
const MAX_PORT_TRIES = 20;

/** What listeners need. */
export interface ListenersOptions {
  /** `host:port`; port 0 takes one that is free for both. */
  readonly addresses: readonly string[];
  readonly handler: Handler;
  readonly clock: Clock;
  readonly log: Logger;
}

/** See the module. */
export class Listeners implements Startable {
  readonly name = "listeners";
  readonly #options: ListenersOptions;
  #open: (UdpServer | TcpServer)[] = [];
  #bound: { host: string; port: number }[] = [];

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /** Where it listens, in the order asked for; empty before the start. */
  get bound(): readonly { readonly host: string; readonly port: number }[] {
    return this.#bound;
  }

  async start(): Promise<void> {
    try {
      for (const address of this.#options.addresses) {
        const { host, port } = splitHostPort(address, "listen");
        this.#bound.push({ host, port: await this.#listen(host, port) });
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
    const reason = whyNoSystemCalls();
    if (reason !== undefined) this.#options.log.warn("queries are answered one by one, at more cost", { reason });
    this.#options.log.info("listens", { addresses: this.#bound });
  }

  async stop(): Promise<void> {
    const open = this.#open;
    this.#open = [];
    this.#bound = [];
    await Promise.all(open.map((server) => server.close()));
  }

  async #listen(host: string, wanted: number): Promise<number> {
    const { handler, clock, log } = this.#options;
    for (let tries = 1; ; tries++) {
      const udp = new UdpServer({ host, handler, log });
      const tcp = new TcpServer({ host, handler, clock, log });
      const port = await udp.listen(wanted);
      try {
        await tcp.listen(port);
      } catch (error) {
        await udp.close();
        // Somebody else has the TCP port of that number: only where we chose it may we choose another.
        if (wanted === 0 && tries < MAX_PORT_TRIES) continue;
        throw error;
      }
      this.#open.push(udp, tcp);
      return port;
    }
  }
}
