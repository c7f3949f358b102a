/** The virtual services of ours that the kernel holds, as far as is known here; changed in few writes, and read again where they differ. */
import type { IpvsChange, IpvsClient, IpvsDestinationState, IpvsServiceState, Refusal } from "@fairlead/netlink";
import { NetlinkError } from "@fairlead/netlink";
import { type Arrangement, changed, changesBetween, type HeldService, notOurFlags } from "./arrangement.ts";
import { type Place, placeOfService, serverKey, serviceAt } from "./place.ts";

/** Times that places are tried again after a refusal, each after reading what is really there. */
const maxRounds = 3;

/** Services whose servers are read one after the other before other work of the process gets its turn. */
const readsPerTurn = 64;

/** What came of a change of several places. */
export interface Settled {
  /** Changes that the kernel took. */
  readonly changes: number;
  /** Places that are not as they should be, with what the kernel said last. */
  readonly failed: ReadonlyMap<Place, Refusal>;
}

/** See the module. */
export class HeldServices {
  readonly #ipvs: IpvsClient;
  readonly #giveWay: () => Promise<void>;
  readonly #services = new Map<Place, HeldService>();
  /** Schedulers that the kernel turned out not to have. */
  readonly missingSchedulers = new Set<string>();

  constructor(options: { readonly ipvs: IpvsClient; readonly giveWay: () => Promise<void> }) {
    this.#ipvs = options.ipvs;
    this.#giveWay = options.giveWay;
  }

  /** What is held there. */
  at(place: Place): HeldService | undefined {
    return this.#services.get(place);
  }

  /** Every place at which something is held. */
  places(): Iterable<Place> {
    return this.#services.keys();
  }

  /** Places of the namespace's virtual services, whoever made them, with what the kernel says of each. */
  async list(): Promise<ReadonlyMap<Place, IpvsServiceState>> {
    const found = new Map<Place, IpvsServiceState>();
    for (const service of await this.#ipvs.services()) {
      const place = placeOfService(service);
      if (place !== undefined) found.set(place, service);
    }
    return found;
  }

  /** Reads what the kernel holds at these places. Others stay as they are known. */
  async read(services: Iterable<readonly [Place, IpvsServiceState | undefined]>): Promise<void> {
    let reads = 0;
    for (const [place, service] of services) {
      if (service === undefined) {
        this.#services.delete(place);
        continue;
      }
      this.#services.set(place, heldService(service, await this.servers(place)));
      if (++reads % readsPerTurn === 0) await this.#giveWay();
    }
  }

  /** Reads one place. */
  async readAgain(place: Place): Promise<void> {
    await this.read([[place, await this.service(place)]]);
  }

  /** The virtual service there, asked for by itself: lists may miss one. */
  async service(place: Place): Promise<IpvsServiceState | undefined> {
    try {
      return await this.#ipvs.service(serviceAt(place));
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "ESRCH") return undefined;
      throw error;
    }
  }

  /** The servers there, as the kernel lists them. */
  servers(place: Place): Promise<readonly IpvsDestinationState[]> {
    return this.#ipvs.destinations(serviceAt(place));
  }

  /**
   * Makes the places what `targetOf` says, which is asked again after each refusal. The kernel has no transaction: where it refuses
   * one change, the rest is done all the same.
   */
  async settle(places: Iterable<Place>, targetOf: (place: Place) => Arrangement | undefined): Promise<Settled> {
    let changes = 0;
    let left: Iterable<Place> = places;
    let failed = new Map<Place, Refusal>();
    for (let round = 0; round < maxRounds; round++) {
      const batch: { readonly place: Place; readonly change: IpvsChange }[] = [];
      for (const place of left) {
        for (const change of changesBetween(place, targetOf(place), this.#services.get(place)))
          batch.push({ place, change });
      }
      if (batch.length === 0) return { changes, failed: new Map() };
      failed = await this.#send(batch);
      changes += batch.length - failed.size;
      if (failed.size === 0) break;
      left = failed.keys();
      for (const place of failed.keys()) await this.readAgain(place);
    }
    return { changes, failed };
  }

  /** Deletes servers; those that are gone already are no error. */
  async deleteServers(place: Place, keys: readonly string[]): Promise<void> {
    const service = serviceAt(place);
    const batch = keys.flatMap((key) => {
      const destination = this.#services.get(place)?.servers.get(key);
      return destination === undefined
        ? []
        : [{ place, change: { kind: "delete-destination", service, destination } as const }];
    });
    const failed = await this.#send(batch);
    if (failed.size > 0) await this.readAgain(place);
  }

  /** Forgets everything, in this process only. */
  clear(): void {
    this.#services.clear();
  }

  async #send(batch: readonly { readonly place: Place; readonly change: IpvsChange }[]): Promise<Map<Place, Refusal>> {
    const failed = new Map<Place, Refusal>();
    if (batch.length === 0) return failed;
    const refusals = new Map(
      (await this.#ipvs.batch(batch.map(({ change }) => change))).map((refusal) => [refusal.index, refusal]),
    );
    for (const [index, { place, change }] of batch.entries()) {
      const refusal = refusals.get(index);
      if (refusal !== undefined) {
        this.#noteRefusal(change, refusal);
        // The first one says why; those after it follow from it.
        if (!failed.has(place)) failed.set(place, refusal);
        continue;
      }
      const now = changed(this.#services.get(place), change);
      if (now === undefined) this.#services.delete(place);
      else this.#services.set(place, now);
    }
    return failed;
  }

  #noteRefusal(change: IpvsChange, { code }: Refusal): void {
    const isService = change.kind === "add-service" || change.kind === "set-service";
    if (isService && code === "ENOENT") this.missingSchedulers.add(change.service.scheduler);
  }
}

function heldService(service: IpvsServiceState, servers: readonly IpvsDestinationState[]): HeldService {
  const { scheduler, flags, persistence } = service;
  return {
    scheduler,
    flags: flags & ~notOurFlags,
    // Of clients that are taken together by network there are none of ours: no seconds are like these.
    ...(persistence === undefined
      ? {}
      : { persistenceSeconds: persistence.prefix === undefined ? persistence.seconds : 0 }),
    servers: new Map(
      servers.map((server) => {
        const { address, port, weight, forwarding } = server;
        return [serverKey(server), { address, port, weight, forwarding }];
      }),
    ),
  };
}
