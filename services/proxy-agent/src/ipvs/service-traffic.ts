/** What Services have counted: the statistics of their virtual services, summed by Service port. */
import type { IpvsServiceState } from "@fairlead/netlink";
import type { ServicePortKey } from "@fairlead/types";
import { TrafficTotals } from "../kernel/traffic-totals.ts";
import type { ServicePortEntry } from "../plan/entry.ts";
import type { TrafficCounters } from "../plane.ts";
import type { Place } from "./place.ts";

/** See the module. */
export class ServiceTraffic {
  readonly #totals = new TrafficTotals();
  /** Service ports have an entry in each of their families. */
  readonly #entries = new Map<ServicePortKey, number>();
  /** Whose connections a place counts; kept while the last of them go on. */
  readonly #ports = new Map<Place, ServicePortKey>();

  /** These are all the entries that there are. What Service ports have counted goes on where they are among them. */
  beginWith(entries: readonly ServicePortEntry[]): void {
    const before = [...this.#entries.keys()];
    this.#entries.clear();
    for (const entry of entries) this.begin(entry);
    for (const servicePort of before) if (!this.#entries.has(servicePort)) this.#totals.forget(servicePort);
  }

  /** An entry of the Service port has come. */
  begin({ servicePort }: ServicePortEntry): void {
    this.#entries.set(servicePort, (this.#entries.get(servicePort) ?? 0) + 1);
    this.#totals.begin(servicePort);
  }

  /** An entry has gone. */
  end({ servicePort }: ServicePortEntry): void {
    const left = (this.#entries.get(servicePort) ?? 1) - 1;
    if (left > 0) this.#entries.set(servicePort, left);
    else {
      this.#entries.delete(servicePort);
      this.#totals.forget(servicePort);
    }
  }

  /** The place counts for the Service port from now on. */
  owns(place: Place, servicePort: ServicePortKey): void {
    this.#ports.set(place, servicePort);
  }

  /** What the kernel says of a place. */
  see(place: Place, { stats }: IpvsServiceState): void {
    const servicePort = this.#ports.get(place);
    if (stats === undefined || servicePort === undefined || !this.#entries.has(servicePort)) return;
    this.#totals.see({
      servicePort,
      place,
      counters: {
        connections: Number(stats.connections ?? 0),
        sentPackets: Number(stats.packetsIn ?? 0),
        sentBytes: Number(stats.bytesIn ?? 0),
        receivedPackets: Number(stats.packetsOut ?? 0),
        receivedBytes: Number(stats.bytesOut ?? 0),
      },
    });
  }

  /** The kernel's virtual service there is gone; another one would count from 0. */
  gone(place: Place): void {
    const servicePort = this.#ports.get(place);
    if (servicePort !== undefined) this.#totals.forgetPlace(servicePort, place);
    this.#ports.delete(place);
  }

  all(): ReadonlyMap<ServicePortKey, TrafficCounters> {
    return this.#totals.all();
  }
}
