/** Keeping the client's address: which local address a connection to an endpoint should come from. */
import type { Socket } from "node:net";
import type { Logger } from "@fairlead/host";
import { isLoopback } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import type { RelayFrontend } from "./entry.ts";

/** What binding to somebody else's address may fail with. */
const refusals: ReadonlySet<string | undefined> = new Set(["EADDRNOTAVAIL", "EADDRINUSE", "EACCES", "EPERM", "EINVAL"]);

/** Whether traffic of a frontend should reach the endpoint from the client's own address. */
export type KeepsSource = (frontend: RelayFrontend) => boolean;

/**
 * Policy Local asks for the client's own address. In user space that can be had where the client's address is one of this
 * machine's, as on a development machine where everything is on loopback; elsewhere the endpoint sees this node's address.
 */
export class SourceAddress {
  readonly #keeps: KeepsSource;
  readonly #log: Logger;
  #onlyLoopback = false;

  constructor(options: { keeps: KeepsSource; log: Logger }) {
    this.#keeps = options.keeps;
    this.#log = options.log;
  }

  /** The address to bind to before connecting, or undefined for the kernel's choice. */
  localAddress(frontend: RelayFrontend, client: Socket | string): string | undefined {
    if (!this.#keeps(frontend)) return undefined;
    const address = typeof client === "string" ? client : client.remoteAddress;
    if (address === undefined || (this.#onlyLoopback && !isLoopback(address as IpAddress))) return undefined;
    return address;
  }

  /**
   * Whether a connect from a client's address failed because of that address, and should be made again without it. After
   * the first such failure it is only tried for loopback addresses.
   */
  refused(address: string, error: NodeJS.ErrnoException | undefined): boolean {
    if (error === undefined || !refusals.has(error.code)) return false;
    if (!this.#onlyLoopback && !isLoopback(address as IpAddress)) {
      this.#onlyLoopback = true;
      this.#log.notice(
        "endpoints behind policy Local see this node's address: clients' addresses cannot be bound here",
        {
          code: error.code,
        },
      );
    }
    return true;
  }
}
