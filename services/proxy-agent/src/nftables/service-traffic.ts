/** What Services have counted: the elements that count, read and summed by Service port. */
import { type NftablesClient, type NftElement } from "@fairlead/netlink";
import type { ServicePortKey } from "@fairlead/types";
import { TrafficTotals } from "../kernel/traffic-totals.ts";
import type { Frontend, ServicePortEntry } from "../plan/entry.ts";
import type { TrafficCounters } from "../plane.ts";
import type { FamilyTable } from "./family-table.ts";
import { textOf } from "../kernel/element-bytes.ts";
import { countingSets, tableName } from "./layout.ts";

interface Count {
  readonly packets: number;
  readonly bytes: number;
}

const none: Count = { packets: 0, bytes: 0 };

/** See the module. */
export class ServiceTraffic {
  readonly #totals = new TrafficTotals();
  /** Service ports have an entry in each of their families. */
  readonly #entries = new Map<ServicePortKey, number>();

  /** An entry of the Service port has come. */
  begin({ servicePort }: ServicePortEntry): void {
    this.#entries.set(servicePort, (this.#entries.get(servicePort) ?? 0) + 1);
    this.#totals.begin(servicePort);
  }

  /** An entry has gone. */
  end(entry: ServicePortEntry): void {
    const { servicePort } = entry;
    for (const frontend of entry.frontends) this.#totals.forgetPlace(servicePort, placeOf(frontend));
    const left = (this.#entries.get(servicePort) ?? 1) - 1;
    if (left > 0) this.#entries.set(servicePort, left);
    else {
      this.#entries.delete(servicePort);
      this.#totals.forget(servicePort);
    }
  }

  /** Reads all that a family's table has counted. */
  async read(nftables: NftablesClient, { layout, model }: FamilyTable): Promise<void> {
    const counts = await Promise.all(
      countingSets.map(async (set) => {
        const elements = await nftables.elements({ family: layout.table, table: tableName, set });
        return new Map(
          elements.map((element) => [textOf(element.key?.value ?? new Uint8Array()), countOf(element)] as const),
        );
      }),
    );
    for (const { entry, frontends } of model.all()) {
      for (const frontend of frontends) {
        const key = textOf(layout.frontendKey(frontend.address, entry.protocol, frontend.port));
        this.#see(
          entry,
          frontend,
          counts.map((byKey) => byKey.get(key) ?? none),
        );
      }
    }
  }

  /** Reads what single addresses have counted, which then go. */
  async readLast(
    nftables: NftablesClient,
    { layout }: FamilyTable,
    entry: ServicePortEntry,
    frontends: readonly Frontend[],
  ): Promise<void> {
    for (const frontend of frontends) {
      const key = layout.frontendKey(frontend.address, entry.protocol, frontend.port);
      const counts: Count[] = [];
      for (const set of countingSets) {
        const element = await nftables.element({ family: layout.table, table: tableName, set, key });
        counts.push(element === undefined ? none : countOf(element));
      }
      this.#see(entry, frontend, counts);
      this.#totals.forgetPlace(entry.servicePort, placeOf(frontend));
    }
  }

  all(): ReadonlyMap<ServicePortKey, TrafficCounters> {
    return this.#totals.all();
  }

  #see({ servicePort }: ServicePortEntry, frontend: Frontend, counts: readonly Count[]): void {
    const [connections, sent, received] = counts as [Count, Count, Count];
    this.#totals.see({
      servicePort,
      place: placeOf(frontend),
      counters: {
        connections: connections.packets,
        sentPackets: sent.packets,
        sentBytes: sent.bytes,
        receivedPackets: received.packets,
        receivedBytes: received.bytes,
      },
    });
  }
}

function countOf({ expression, expressions = [] }: NftElement): Count {
  for (const one of [expression, ...expressions]) {
    if (one?.name !== "counter") continue;
    return { packets: Number(one.data?.packets ?? 0n), bytes: Number(one.data?.bytes ?? 0n) };
  }
  return none;
}

function placeOf({ address, port }: Frontend): string {
  return `${address} ${port}`;
}
