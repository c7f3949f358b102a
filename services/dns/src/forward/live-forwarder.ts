/** The forwarder that the configuration asks for: made at the start, when the file with the machine's servers is read. */
import { readFile } from "node:fs/promises";
import type { Logger, Startable } from "@fairlead/host";
import type { ServerAddress } from "./exchange.ts";
import { Forwarder } from "./forwarder.ts";
import type { ForwarderOptions, StubDomain } from "./forwarder.ts";
import { nameServersOf } from "./server-address.ts";

/** What it takes to make one. */
export interface LiveForwarderOptions extends Omit<ForwarderOptions, "domains"> {
  /** Servers of all names without a zone of their own; undefined: those of `resolvConf`. */
  readonly upstreams: readonly ServerAddress[] | undefined;
  readonly resolvConf: string;
  readonly stubDomains: readonly StubDomain[];
  /** Whether an address is this server's own: to ask it would go round in circles. */
  readonly isOwn: (address: ServerAddress) => boolean;
  readonly log: Logger;
}

/** See the module. */
export class LiveForwarder implements Startable {
  readonly name = "forwarder";
  readonly #options: LiveForwarderOptions;
  #forwarder: Forwarder | undefined;

  constructor(options: LiveForwarderOptions) {
    this.#options = options;
  }

  /** The forwarder; throws before the start. */
  get forwarder(): Forwarder {
    if (this.#forwarder === undefined) throw new Error("the forwarder has not started");
    return this.#forwarder;
  }

  async start(): Promise<void> {
    const { upstreams, stubDomains, isOwn, log } = this.#options;
    const servers = (upstreams ?? (await this.#machineServers())).filter((server) => !isOwn(server));
    this.#forwarder = new Forwarder({ ...this.#options, domains: [...stubDomains, { zone: [], servers }] });
    log.debug("upstreams", { servers });
  }

  async stop(): Promise<void> {
    this.#forwarder?.close();
  }

  /** Looks for upstreams that lead back here: to be started once questions can come in. */
  readonly loopProbe: Startable = {
    name: "loop probe",
    start: async () => this.forwarder.loopProbe.start(),
    stop: async () => this.forwarder.loopProbe.stop(),
  };

  async #machineServers(): Promise<readonly ServerAddress[]> {
    const { resolvConf, log } = this.#options;
    try {
      return nameServersOf(await readFile(resolvConf, "utf8"));
    } catch (error) {
      log.warn("the machine's name servers are not known: other names are refused", { resolvConf, error });
      return [];
    }
  }
}
