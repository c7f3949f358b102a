/**
 * Listens to multicast groups. The kernel tells everybody what anybody changes, and drops what a listener does not fetch in time: then
 * the listener is told to look at the whole state anew.
 *
 * Node's event loop takes no netlink sockets, so the socket is looked at now and then; the kernel keeps events meanwhile.
 */
import type { Clock } from "@fairlead/types";
import { NetlinkDecodeError } from "./errors.ts";
import { ArrivalsLostError, type Arrival, type NetlinkTransport } from "./transport.ts";
import { ControlType, type MessageView, readMessages } from "./wire/message.ts";

/** Time between two looks for events, in ms, unless the caller says otherwise. */
const defaultLookIntervalMs = 50;

/** Calls to receive in one look; what is left is fetched by the next one, at once. */
const maxReceiveCallsPerLook = 64;

/** What a monitor is made of. */
export interface MonitorOptions {
  /** A socket of its own. The monitor closes it. */
  readonly transport: NetlinkTransport;
  readonly clock: Clock;
  /** Numbers of the groups to join. */
  readonly groups: readonly number[];
  /** An event. Its bytes are good until the call returns. May not throw. */
  readonly onMessage: (message: MessageView) => void;
  /** Events were lost, or could not be read: look at the whole state. May not throw. */
  readonly onResync: (reason: string) => void;
  /** Listening has failed for good, for example as the socket broke. */
  readonly onError: (error: unknown) => void;
  /** Time between two looks, in ms; 50. */
  readonly lookIntervalMs?: number;
}

/** See the module. From `start` on nothing is missed unless `onResync` says so. */
export class NetlinkMonitor {
  readonly #options: MonitorOptions;
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  /** Joins the groups and begins to look; throws SystemCallError. */
  start(): void {
    for (const group of this.#options.groups) this.#options.transport.join(group);
    this.#schedule(0);
  }

  /** Closes the socket; a second time does nothing. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#options.transport.close();
  }

  #schedule(ms: number): void {
    if (!this.#closed) this.#cancel = this.#options.clock.setTimer(ms, () => this.#look());
  }

  #look(): void {
    const { lookIntervalMs = defaultLookIntervalMs, onError } = this.#options;
    try {
      this.#schedule(this.#fetch() ? lookIntervalMs : 0);
    } catch (error) {
      this.close();
      onError(error);
    }
  }

  /** Hands over what waits; whether that was all. */
  #fetch(): boolean {
    const { transport, onResync } = this.#options;
    for (let calls = 0; calls < maxReceiveCallsPerLook && !this.#closed; calls++) {
      try {
        const arrivals = transport.receive();
        if (arrivals.length === 0) return true;
        for (const arrival of arrivals) this.#deliver(arrival);
      } catch (error) {
        if (error instanceof ArrivalsLostError) onResync("events were lost for want of room");
        else if (error instanceof NetlinkDecodeError) onResync(`an event could not be read: ${error.message}`);
        else throw error;
      }
    }
    return false;
  }

  #deliver({ bytes, truncated }: Arrival): void {
    const { onMessage, onResync } = this.#options;
    if (truncated) {
      onResync("an event was cut off for want of room");
      return;
    }
    for (const message of readMessages(bytes)) {
      if (this.#closed) return;
      if (message.type === ControlType.OVERRUN) onResync("events were lost");
      else if (message.type >= ControlType.FIRST_OF_FAMILY) onMessage(message);
    }
  }
}
