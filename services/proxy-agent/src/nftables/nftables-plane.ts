/** The plane in nf_tables: the kernel leads connections to endpoints, by a flat table that is changed element by element. */
import { readFileSync } from "node:fs";
import { NetlinkError, type NftablesClient, NftablesTransaction } from "@fairlead/netlink";
import type { NetworkNamespace } from "@fairlead/sockets";
import { type Cidr, IpFamily, type ServicePortKey } from "@fairlead/types";
import type { KernelPlaneOptions, KernelPlaneStatus } from "../kernel/kernel-plane-options.ts";
import { Serial } from "../kernel/serial.ts";
import type { Frontend, ServicePortEntry } from "../plan/entry.ts";
import type { HeldFrontend, Plane, PlaneChange, TrafficCounters } from "../plane.ts";
import { ChainWriter } from "./chains.ts";
import { FamilyTable } from "./family-table.ts";
import { type Kernel, openKernel } from "./kernel-sockets.ts";
import type { KernelTable } from "./kernel-table.ts";
import { tableName } from "./layout.ts";
import { probeTable } from "../kernel/probe-table.ts";
import { writeBareNat } from "./bare-nat.ts";
import { isHonoured } from "./spread.ts";
import { ServiceTraffic } from "./service-traffic.ts";

/** Time between two looks at the kernel's generation, in ms: it tells whether anybody has changed anything. */
const lookIntervalMs = 200;

/** Where somebody changes rules all the time, the table is compared after at least so many times what the last comparison took. */
const restAfterComparing = 20;

/** Times that the table is read again because somebody changed something before it could be put right. */
const maxCompareTries = 8;

/** See the module, docs/adr/0009 and the README. */
export class NftablesPlane implements Plane {
  readonly name = "nftables plane";
  readonly mode = "nftables";
  readonly #options: KernelPlaneOptions;
  readonly #serial = new Serial();
  #kernel: Kernel | undefined;
  #tables: readonly FamilyTable[];
  #traffic = new ServiceTraffic();
  /** The table is there and holds what the family tables say. */
  #taken = false;
  #podRanges: readonly Cidr[];
  /** Generation after the last commit or comparison; anything else means that somebody else was there. */
  #generation = -1;
  #verifiedAt = Number.NEGATIVE_INFINITY;
  #verifyTookMs = 0;
  #drift = 0;
  #verifications = 0;
  #cancelLook: (() => void) | undefined;

  constructor(options: KernelPlaneOptions) {
    this.#options = options;
    this.#podRanges = [];
    this.#tables = this.#freshTables();
  }

  /** Why the kernel there cannot carry the plane; undefined if it can. Leaves nothing behind. */
  static async probe(namespace: NetworkNamespace, clock: KernelPlaneOptions["clock"]): Promise<string | undefined> {
    let kernel: Kernel;
    try {
      kernel = openKernel({ namespace, clock });
    } catch (error) {
      return `netlink cannot be spoken: ${(error as Error).message}`;
    }
    try {
      await probeTable(kernel.nftables);
      return undefined;
    } catch (error) {
      return `the kernel does not take a table of nf_tables: ${(error as Error).message}`;
    } finally {
      kernel.close();
    }
  }

  async start(): Promise<void> {
    this.#forget();
    this.#kernel = openKernel(this.#options);
    this.#look();
  }

  /** Leaves the table where it is: traffic goes on, and the next start takes it over. */
  async stop(): Promise<void> {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    await this.#serial.run(async () => {
      this.#kernel?.close();
      this.#kernel = undefined;
    });
  }

  apply(change: PlaneChange): Promise<void> {
    return this.#serial.run(() => this.#apply(change));
  }

  inspect(): Promise<readonly HeldFrontend[]> {
    return this.#serial.run(async () => {
      const held: HeldFrontend[] = [];
      for (const table of this.#tables) held.push(...(await table.inspect(this.#open().nftables)));
      return held.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
    });
  }

  /** Compares the kernel's table with what it should be, now, and puts right what differs. */
  verify(): Promise<void> {
    return this.#serial.run(async () => {
      if (this.#taken) await this.#verify();
    });
  }

  retire(): Promise<void> {
    return this.#serial.run(async () => {
      this.#forget();
      await writeBareNat(this.#open().nftables);
    });
  }

  cleanup(): Promise<void> {
    return this.#serial.run(async () => {
      this.#forget();
      await NftablesPlane.#delete(this.#open().nftables);
    });
  }

  /** What every Service port has counted; reads the kernel. */
  counters(): Promise<Iterable<readonly [ServicePortKey, TrafficCounters]>> {
    return this.#serial.run(async () => {
      if (this.#options.trafficCounters && this.#taken) {
        for (const table of this.#tables) await this.#traffic.read(this.#open().nftables, table);
      }
      return this.#traffic.all();
    });
  }

  status(): KernelPlaneStatus {
    return {
      driftRepaired: this.#drift,
      verifications: this.#verifications,
      flowsDeleted: this.#kernel?.cleaner.deleted ?? 0,
    };
  }

  async #apply(change: PlaneChange): Promise<void> {
    if (change.node !== undefined) this.#takeNode(change.node.podRanges);
    const first = !this.#taken;
    const former = [...change.removed, ...change.updated.map(({ before }) => before)];
    const current = [...change.added, ...change.updated.map(({ after }) => after)];
    if (!first && this.#options.trafficCounters) await this.#countBeforeTheyGo(change);
    if (first) await this.#takeOver(current);
    else {
      const transaction = new NftablesTransaction({ family: "ip" });
      for (const table of this.#tables) table.write(transaction, table.change(change.removed, current));
      try {
        await this.#commit(transaction);
      } catch (error) {
        // Somebody has changed the table under us: what is really there decides what is to be done.
        this.#options.log.debug("a change did not fit the kernel's table", { error });
        await this.#verify();
      }
    }
    for (const entry of change.removed) this.#traffic.end(entry);
    for (const entry of change.added) this.#traffic.begin(entry);
    await this.#open().cleaner.clean({ current: this.#owned(current), former, unanswered: first });
    this.#tell(change);
  }

  /** Entries without the addresses that others have. */
  #owned(entries: readonly ServicePortEntry[]): readonly ServicePortEntry[] {
    return entries.map((entry) => {
      const placed = this.#tableOf(entry).model.placed(entry.key);
      return placed === undefined || placed.frontends.length === entry.frontends.length
        ? entry
        : { ...entry, frontends: placed.frontends };
    });
  }

  /** Brings the kernel from whatever it holds to what it should hold: only what differs is written. */
  async #takeOver(entries: readonly ServicePortEntry[]): Promise<void> {
    let loaded = false;
    await this.#bringTo((table, kernel) => {
      if (!loaded) table.load(kernel, entries);
      loaded ||= table === this.#tables.at(-1);
    });
    this.#taken = true;
  }

  async #verify(): Promise<void> {
    this.#verifiedAt = this.#options.clock.monotonic();
    const changes = await this.#bringTo();
    this.#verifyTookMs = this.#options.clock.monotonic() - this.#verifiedAt;
    this.#verifications += 1;
    if (changes === 0) return;
    this.#drift += changes;
    this.#options.log.warn("somebody had changed the table, and it was put right", { table: tableName, changes });
  }

  /** Reads, compares and writes; returns how many things differed. `read` is told what was read of each table before it is compared. */
  async #bringTo(read?: (table: FamilyTable, kernel: KernelTable | undefined) => void): Promise<number> {
    const { nftables } = this.#open();
    for (let tries = 1; ; tries++) {
      const generation = (await nftables.generation()).id;
      const transaction = new NftablesTransaction({ family: "ip" });
      let changes = 0;
      for (const table of this.#tables) {
        const kernel = await table.read(nftables);
        read?.(table, kernel);
        changes += table.compare(kernel, transaction);
      }
      try {
        // Refused if anybody changed anything since it was read.
        if (changes > 0) await nftables.commit(transaction, { generation });
      } catch (error) {
        if (!(error instanceof NetlinkError) || error.code !== "ERESTART" || tries === maxCompareTries) throw error;
        continue;
      }
      this.#generation = changes > 0 ? generation + 1 : generation;
      return changes;
    }
  }

  async #commit(transaction: NftablesTransaction): Promise<void> {
    if (transaction.size === 0) return;
    const { nftables } = this.#open();
    await nftables.commit(transaction);
    const { id } = await nftables.generation();
    // Every commit makes it grow by one: more means that somebody else was between.
    if (id === this.#generation + 1) this.#generation = id;
  }

  /** Now and then: has anybody else changed anything? Only then is the table read. */
  #look(): void {
    this.#cancelLook = this.#options.clock.setTimer(lookIntervalMs, () => {
      void this.#serial
        .run(async () => {
          if (this.#kernel === undefined || !this.#taken) return;
          await this.#lookNow();
        })
        .catch((error: unknown) =>
          this.#options.log.warn("the table could not be compared with the kernel's", { error }),
        )
        .finally(() => {
          if (this.#cancelLook !== undefined) this.#look();
        });
    });
  }

  async #lookNow(): Promise<void> {
    const { clock, verifyIntervalMs } = this.#options;
    const { nftables } = this.#open();
    const since = clock.monotonic() - this.#verifiedAt;
    const changed = (await nftables.generation()).id !== this.#generation;
    // Put right at once what somebody has broken, but never be busy with nothing else.
    if (changed && since >= Math.min(verifyIntervalMs, restAfterComparing * this.#verifyTookMs)) await this.#verify();
    else if (!changed && since >= verifyIntervalMs) {
      this.#verifiedAt = clock.monotonic();
      this.#verifications += 1;
      await this.#removeIdleHandlers();
    }
  }

  async #removeIdleHandlers(): Promise<void> {
    const transaction = new NftablesTransaction({ family: "ip" });
    for (const table of this.#tables) table.writeIdle(transaction);
    await this.#commit(transaction);
  }

  /** Reads what addresses have counted that are about to go while their Service port stays. */
  async #countBeforeTheyGo({ updated }: PlaneChange): Promise<void> {
    const { nftables } = this.#open();
    for (const { before, after } of updated) {
      const kept = new Set(after.frontends.map(placeOf));
      const going = before.frontends.filter((frontend) => !kept.has(placeOf(frontend)));
      await this.#traffic.readLast(nftables, this.#tableOf(before), before, going);
    }
  }

  #tell({ added, updated }: PlaneChange): void {
    for (const entry of added) this.#tellOf(entry, undefined);
    for (const { before, after } of updated) this.#tellOf(after, before);
    const told = new Set([...added, ...updated.map(({ after }) => after)]);
    const displaced = [...told].flatMap((entry) => this.#tableOf(entry).model.rivals(entry));
    for (const entry of new Set(displaced)) if (!told.has(entry)) this.#tellOf(entry, entry);
  }

  #tellOf(entry: ServicePortEntry, before: ServicePortEntry | undefined): void {
    const { observer } = this.#options;
    const table = this.#tableOf(entry);
    const scheduler = entry.scheduler ?? this.#options.scheduler;
    const [first] = entry.frontends;
    if (!isHonoured(scheduler) && first !== undefined && before?.scheduler !== entry.scheduler) {
      observer.problem(entry, first, {
        reason: "SchedulerNotSupported",
        message:
          `fairlead.dev/scheduler ${scheduler} needs to know how many connections each endpoint has, which rules of the nftables plane ` +
          `cannot know: endpoints are chosen by chance, by their weights. random, rr, wrr, sh, dh and mh are honoured here; the ipvs and ` +
          `userspace planes honour all.`,
      });
    }
    const known = new Set((before?.frontends ?? []).map(placeOf));
    for (const frontend of entry.frontends) {
      const owner = table.model.ownerOf(entry, frontend);
      if (owner !== undefined) {
        observer.problem(entry, frontend, {
          reason: "AddressConflict",
          message: `${frontend.address}:${frontend.port}/${entry.protocol} is served for ${owner.servicePort}, which names it as well.`,
        });
      } else if (!known.has(placeOf(frontend)) && table.isServed(entry, frontend)) observer.serving(entry, frontend);
    }
  }

  #takeNode(podRanges: readonly Cidr[]): void {
    if (this.#options.localTraffic.kind !== "node-ranges") return;
    this.#podRanges = podRanges;
    for (const table of this.#tables) table.podRanges = podRanges;
  }

  #freshTables(): readonly FamilyTable[] {
    const { localTraffic } = this.#options;
    const dropInvalid = !this.#isLiberal();
    return [IpFamily.v4, IpFamily.v6].map((family) => {
      const table = new FamilyTable(
        family,
        this.#options,
        (layout) => new ChainWriter(layout, { ...this.#options, dropInvalid }),
      );
      table.podRanges = localTraffic.kind === "ranges" ? localTraffic.ranges : this.#podRanges;
      return table;
    });
  }

  /** Whether connection tracking takes packets out of window for good: then none is invalid. */
  #isLiberal(): boolean {
    try {
      const path = "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal";
      return this.#options.namespace.run(() => readFileSync(path, "utf8")).trim() === "1";
    } catch {
      return false;
    }
  }

  #tableOf({ family }: ServicePortEntry): FamilyTable {
    return this.#tables.find(({ layout }) => layout.family === family) as FamilyTable;
  }

  #forget(): void {
    this.#taken = false;
    this.#generation = -1;
    this.#tables = this.#freshTables();
    this.#traffic = new ServiceTraffic();
  }

  #open(): Kernel {
    if (this.#kernel === undefined) throw new Error("the nftables plane is not started");
    return this.#kernel;
  }

  static async #delete(nftables: NftablesClient): Promise<void> {
    const transaction = new NftablesTransaction({ family: "ip" });
    for (const family of ["ip", "ip6"] as const) {
      const tables = await nftables.tables({ family });
      if (tables.some(({ name }) => name === tableName)) transaction.in(family).deleteTable({ name: tableName });
    }
    if (transaction.size > 0) await nftables.commit(transaction);
  }
}

function placeOf({ address, port }: Frontend): string {
  return `${address} ${port}`;
}

function sortKey(held: HeldFrontend): string {
  return `${held.address} ${String(held.port).padStart(5, "0")} ${held.protocol}`;
}
