/**
 * Brings the kernel of a namespace to what the entries want, and keeps it there: virtual services, addresses, and the plane's table. There is
 * no transaction around the three, so the order of steps is such that no moment refuses what was served before and is served after.
 */
import type { IpvsServiceState, Refusal } from "@fairlead/netlink";
import {
  type Cidr,
  cidrContains,
  type Clock,
  type IpAddress,
  type NodeName,
  type SchedulerName,
} from "@fairlead/types";
import type { EntryKey, ServicePortEntry } from "../plan/entry.ts";
import { type Arrangement, arrange, handingOn } from "./arrangement.ts";
import { Drain } from "./drain.ts";
import { HeldServices } from "./held-services.ts";
import type { IpvsKernel } from "./ipvs-kernel.ts";
import { IpvsPlan, type Touched } from "./ipvs-plan.ts";
import type { PacketChainOptions } from "./packet-chains.ts";
import { PacketTables } from "./packet-tables.ts";
import { type Place, partsOf, serverKey } from "./place.ts";
import { chooseScheduler } from "./schedulers.ts";
import { ServiceAddresses } from "./service-addresses.ts";
import type { ServiceTraffic } from "./service-traffic.ts";

/** Places that are looked at for servers that have become idle, in one go; the others have their turn in the next. */
const maxDrainReads = 512;

/** What the program depends on. */
export interface IpvsProgramOptions extends PacketChainOptions {
  readonly kernel: IpvsKernel;
  readonly clock: Clock;
  readonly node: NodeName;
  readonly scheduler?: SchedulerName;
  readonly interface: string;
  readonly excludeCidrs: readonly Cidr[];
  readonly drainTimeoutMs: number;
  readonly trafficCounters: boolean;
  /** Outlives the program: counts go on when everything is made anew. */
  readonly traffic: ServiceTraffic;
}

/** Name of the interface unless told. */
export const defaultInterface = "fairlead-ipvs";

/** What came of a change. */
export interface Outcome {
  /** What was written. */
  readonly changes: number;
  /** Servers of UDP have gone: the kernel forgets their connections in a moment. */
  readonly udpGone: boolean;
  /** What could not be done. */
  readonly services: ReadonlyMap<Place, Refusal>;
  readonly addresses: ReadonlyMap<IpAddress, Refusal>;
}

/** A place as the kernel has it. */
export interface HeldPlace {
  readonly place: Place;
  /** Keys of the endpoints that new connections may go to, sorted. */
  readonly endpoints: readonly string[];
}

/** See the module. Calls do not overlap. */
export class IpvsProgram {
  readonly plan: IpvsPlan;
  readonly traffic: ServiceTraffic;
  readonly #options: IpvsProgramOptions;
  readonly #held: HeldServices;
  readonly #addresses: ServiceAddresses;
  readonly #drain: Drain;
  readonly #tables: PacketTables;
  #taken = false;
  #retired = false;
  /** Whether the interface was made by this plane, so that every address on it is. */
  #isOurInterface = false;

  constructor(options: IpvsProgramOptions) {
    const { kernel, clock, excludeCidrs } = options;
    this.#options = options;
    this.traffic = options.traffic;
    this.plan = new IpvsPlan({
      node: options.node,
      scheduler: options.scheduler,
      isExcluded: (address) => excludeCidrs.some((range) => cidrContains(range, address)),
    });
    this.#held = new HeldServices({
      ipvs: kernel.ipvs,
      giveWay: () => new Promise((resolve) => void clock.setTimer(0, resolve)),
    });
    this.#addresses = new ServiceAddresses({ route: kernel.route, name: options.interface });
    this.#drain = new Drain({ timeoutMs: options.drainTimeoutMs });
    this.#tables = new PacketTables(kernel.nftables, options);
  }

  /** Whether something is being drained. */
  get isDraining(): boolean {
    return this.#drain.size > 0;
  }

  /** Whether it knows what the kernel holds: from the first {@link IpvsProgram.apply} on. */
  get hasTakenOver(): boolean {
    return this.#taken;
  }

  /** Whether another plane has taken over. */
  get isRetired(): boolean {
    return this.#retired;
  }

  /** Schedulers that the kernel turned out not to have. */
  get missingSchedulers(): ReadonlySet<string> {
    return this.#held.missingSchedulers;
  }

  /** Goes on to the next state; the first time from whatever the kernel holds of an earlier run. */
  async apply(
    removed: readonly EntryKey[],
    changed: readonly ServicePortEntry[],
    podRanges: readonly Cidr[] | undefined,
  ): Promise<Outcome & { readonly touched: Touched }> {
    const touched = this.plan.change(removed, changed);
    const places = new Set(touched.places);
    const isFirst = !this.#taken;
    if (isFirst) {
      await this.#takeOver("also what is missing");
      for (const place of this.#held.places()) places.add(place);
    }
    if (podRanges !== undefined) this.#tables.putPods(podRanges);
    for (const [key, family] of touched.entries) this.#tables.putEntry({ key, family }, this.plan.placed(key));
    this.#note(places);
    if (isFirst) await this.#tables.compare("before");
    else await this.#tables.commit("before");
    const outcome = await this.#program(places);
    await this.#drainAt(this.#drain.among(places, maxDrainReads));
    if (isFirst) await this.#sweep();
    await this.#tables.commit("after");
    return { ...outcome, touched };
  }

  /** Compares everything with the kernel and puts right what differs; `changes` is how many things did. */
  async verify(): Promise<Outcome> {
    let drift = (await this.#addresses.ensureInterface()) ? 1 : 0;
    const known = new Set(this.#addresses.own);
    await this.#addresses.read((address) => this.#isOurInterface || known.has(address));
    const places = new Set([...this.#held.places(), ...this.plan.places()]);
    await this.#held.read(await this.#listed(places, (place) => this.#held.at(place) !== undefined));
    drift += await this.#tables.check("before");
    const outcome = await this.#program(places);
    await this.#drainAt(this.#drain.among(places, maxDrainReads));
    drift += await this.#tables.commit("after");
    return { ...outcome, changes: outcome.changes + drift };
  }

  /** Deletes servers, services and addresses that nobody has a connection to any more. */
  async drain(): Promise<void> {
    await this.#drainAt(this.#drain.next(maxDrainReads));
    await this.#tables.commit("after");
    if (this.#retired && !this.isDraining) await this.cleanup();
  }

  /** Takes no new connection any more; open ones go on, and what comes meanwhile goes to whoever listens on this machine. */
  async retire(): Promise<void> {
    const wanted = [...this.plan.all()].map(({ entry }) => entry.key);
    this.plan.change(wanted, []);
    if (!this.#taken && !(await this.#takeOver("only what is there"))) return;
    this.#retired = true;
    this.#tables.retire();
    await this.#tables.compare("before");
    await this.#program(new Set(this.#held.places()));
    await this.#drainAt([...this.#held.places()]);
    await this.#tables.compare("after");
    if (!this.isDraining) await this.cleanup();
  }

  /** Removes everything that is ours, also of an earlier run. */
  async cleanup(): Promise<void> {
    if (!this.#taken && !(await this.#takeOver("only what is there"))) return;
    await this.#addresses.unbind([...this.#addresses.own]);
    await this.#held.settle([...this.#held.places()], () => undefined);
    if (this.#isOurInterface) await this.#addresses.deleteInterface();
    await this.#tables.delete();
    this.#drain.clear();
  }

  /** What the kernel has at the places that are wanted, read anew. */
  async look(): Promise<readonly HeldPlace[]> {
    const list = await this.#held.list();
    const known = new Set(this.#addresses.own);
    await this.#addresses.read((address) => known.has(address));
    const found: HeldPlace[] = [];
    for (const place of this.plan.places()) {
      const { address } = partsOf(place);
      const isReached =
        !this.plan.isBound(place) || this.#addresses.own.has(address) || this.#addresses.isOthers(address);
      if (!list.has(place) || !isReached) continue;
      const servers = await this.#held.servers(place);
      found.push({
        place,
        endpoints: servers
          .filter(({ weight }) => weight > 0)
          .map(serverKey)
          .sort(),
      });
    }
    return found;
  }

  /** Reads the statistics of all virtual services. */
  async count(): Promise<void> {
    for (const [place, service] of await this.#held.list()) this.traffic.see(place, service);
  }

  /**
   * Finds out what an earlier run has left: what the table notes, or, without a table, what is on an interface of ours. Whether there is anything;
   * an interface that is not there is made only if asked for.
   */
  async #takeOver(how: "also what is missing" | "only what is there"): Promise<boolean> {
    const noted = await this.#tables.noted();
    const { name } = this.#addresses;
    const isThere = await this.#addresses.isInterfaceThere();
    if (how === "only what is there" && !isThere && !noted.isThere) return false;
    const isNew = how === "also what is missing" && (await this.#addresses.ensureInterface());
    this.#isOurInterface = isNew || noted.interfaces.has(name) || (!noted.isThere && name === defaultInterface);
    await this.#addresses.read((address) => this.#isOurInterface || noted.addresses.has(address));
    if (this.#isOurInterface) this.#tables.noteInterface(name);
    for (const address of this.#addresses.own) this.#tables.noteAddress(address, true);
    const list = await this.#held.list();
    const ours = new Set([...noted.places, ...this.plan.places()]);
    for (const place of list.keys()) if (!noted.isThere && this.#isOnOurInterface(place)) ours.add(place);
    await this.#held.read(await this.#listed(ours, (place) => noted.places.has(place)));
    for (const place of this.#held.places()) this.#tables.notePlace(place, true);
    this.#taken = true;
    return true;
  }

  #isOnOurInterface(place: Place): boolean {
    const { address } = partsOf(place);
    return (
      this.#addresses.own.has(address) && !this.#options.excludeCidrs.some((range) => cidrContains(range, address))
    );
  }

  /** What the kernel says of these places. Its list may miss one: those that ought to be there are asked for by themselves. */
  async #listed(
    places: Iterable<Place>,
    oughtToBe: (place: Place) => boolean,
  ): Promise<readonly (readonly [Place, IpvsServiceState | undefined])[]> {
    const list = await this.#held.list();
    const found: [Place, IpvsServiceState | undefined][] = [];
    for (const place of places) {
      found.push([place, list.get(place) ?? (oughtToBe(place) ? await this.#held.service(place) : undefined)]);
    }
    return found;
  }

  /** Notes what will be ours, before it is there: so whatever is there of ours is noted, whenever this process ends. */
  #note(places: Iterable<Place>): void {
    for (const place of places) {
      const owner = this.plan.entryAt(place);
      if (owner === undefined) continue;
      this.traffic.owns(place, owner.servicePort);
      this.#tables.notePlace(place, true);
    }
  }

  async #program(places: ReadonlySet<Place>): Promise<Outcome> {
    const doomed: Place[] = [];
    const kept: Place[] = [];
    let udpGone = false;
    for (const place of places) {
      const held = this.#held.at(place);
      const target = this.#target(place);
      if (place.startsWith("UDP ")) udpGone ||= losesServers(held, target);
      if (target !== undefined) kept.push(place);
      else if (held !== undefined) doomed.push(place);
      else this.#tables.notePlace(place, false);
    }
    const settled = await this.#held.settle(kept, (place) => this.#target(place));
    const bound = await this.#bindFor(kept);
    await this.#remove(doomed);
    for (const place of kept) this.#noteDrain(place);
    const changes = settled.changes + doomed.length + bound.changes;
    return { changes, udpGone, services: settled.failed, addresses: bound.failed };
  }

  /** Puts addresses on the interface whose services are there. */
  async #bindFor(places: readonly Place[]): Promise<{ changes: number; failed: ReadonlyMap<IpAddress, Refusal> }> {
    const missing = new Set<IpAddress>();
    for (const place of places) {
      const { address } = partsOf(place);
      if (!this.plan.isBound(place) || this.#held.at(place) === undefined) continue;
      if (!this.#addresses.own.has(address) && !this.#addresses.isOthers(address)) missing.add(address);
    }
    if (missing.size === 0) return { changes: 0, failed: new Map() };
    for (const address of missing) this.#tables.noteAddress(address, true);
    await this.#tables.commit("before");
    const failed = await this.#addresses.bind(missing);
    return { changes: missing.size - failed.size, failed };
  }

  async #drainAt(places: readonly Place[]): Promise<void> {
    const finished: Place[] = [];
    for (const place of places) {
      const due = this.#drain.due(place, await this.#held.servers(place), this.#options.clock.monotonic());
      const held = this.#held.at(place);
      if (due.length === 0 || held === undefined) continue;
      const isNeeded = [...held.servers].some(([key, { forwarding }]) => forwarding !== "local" && !due.includes(key));
      if (!isNeeded && this.plan.want(place) === undefined) {
        finished.push(place);
        continue;
      }
      await this.#held.deleteServers(place, due);
      await this.#held.settle([place], (one) => this.#target(one));
      this.#noteDrain(place);
    }
    await this.#remove(finished);
  }

  /** Takes places away with the addresses that nothing else needs. The address goes first: without its service it would refuse. */
  async #remove(doomed: readonly Place[]): Promise<void> {
    if (doomed.length === 0) return;
    const needed = this.#neededAddresses(new Set(doomed));
    const free = new Set(doomed.map((place) => partsOf(place).address));
    for (const address of free) if (needed.has(address) || !this.#addresses.own.has(address)) free.delete(address);
    await this.#countOut(doomed);
    await this.#unbind(free);
    await this.#held.settle(doomed, () => undefined);
    for (const place of doomed) {
      if (this.#held.at(place) === undefined) this.#tables.notePlace(place, false);
      this.#noteDrain(place);
    }
  }

  /** Addresses that an earlier run put on the interface, and that nothing needs. */
  async #sweep(): Promise<void> {
    const needed = this.#neededAddresses(new Set());
    await this.#unbind([...this.#addresses.own].filter((address) => !needed.has(address)));
  }

  async #unbind(addresses: Iterable<IpAddress>): Promise<void> {
    const all = [...addresses];
    const failed = await this.#addresses.unbind(all);
    for (const address of all) if (!failed.has(address)) this.#tables.noteAddress(address, false);
  }

  #neededAddresses(going: ReadonlySet<Place>): ReadonlySet<IpAddress> {
    const needed = new Set<IpAddress>();
    for (const place of this.#held.places()) if (!going.has(place)) needed.add(partsOf(place).address);
    for (const place of this.plan.places()) needed.add(partsOf(place).address);
    return needed;
  }

  /** Takes the last statistics of services that go. */
  async #countOut(places: readonly Place[]): Promise<void> {
    for (const place of places) {
      const service = this.#options.trafficCounters ? await this.#held.service(place) : undefined;
      if (service !== undefined) this.traffic.see(place, service);
      this.traffic.gone(place);
    }
  }

  #target(place: Place): Arrangement | undefined {
    const { missingSchedulers } = this.#held;
    const target = arrange(
      place,
      this.plan.want(place),
      this.#held.at(place),
      ({ scheduler }) => chooseScheduler(scheduler, missingSchedulers).scheduler,
    );
    return this.#retired && target !== undefined ? handingOn(place, target) : target;
  }

  #noteDrain(place: Place): void {
    this.#drain.note(place, this.plan.want(place), this.#held.at(place), this.#options.clock.monotonic());
  }
}

function losesServers(held: Arrangement | undefined, target: Arrangement | undefined): boolean {
  return held !== undefined && [...held.servers.keys()].some((key) => target?.servers.has(key) !== true);
}
