/** Writes `status.loadBalancer` of the Ingresses that are served, and takes back what we wrote on those that no longer are, while it may. */
import { isIP } from "node:net";
import type { Ingress, KubeClient } from "@fairlead/kube";
import { isNotFound } from "@fairlead/kube";
import { WorkQueue } from "@fairlead/reconcile";
import type { Logger } from "@fairlead/host";
import type { Clock, Random } from "@fairlead/types";

type Status = NonNullable<NonNullable<NonNullable<Ingress["status"]>["loadBalancer"]>["ingress"]>;

/** Statuses that are taken back at the same time. */
export const TAKE_BACK_WRITES = 16;

/** What the writer needs. */
export interface StatusWriterOptions {
  readonly client: KubeClient;
  /** Addresses or host names under which the ingress is reached. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The Ingress as last seen. */
  readonly find: (namespace: string, name: string) => Ingress | undefined;
  /** All Ingresses as last seen. */
  readonly all: () => Iterable<Ingress>;
}

/** See the module. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #queue: WorkQueue<string>;
  readonly #wanted: Status;
  #accepted: ReadonlySet<string> | undefined;
  /** Whether this process may write at this moment. */
  #mayWrite = (): boolean => false;
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#wanted = options.addresses.map((address) => (isIP(address) === 0 ? { hostname: address } : { ip: address }));
    this.#queue = new WorkQueue<string>({
      process: (key) => this.#write(key),
      clock: options.clock,
      random: options.random,
      onError: (key, error) => options.log.warn("a status could not be written", { ingress: key, error }),
    });
  }

  /** Whether there is anything to write at all. */
  get isUsed(): boolean {
    return this.#wanted.length > 0;
  }

  start(): void {
    this.#queue.start();
  }

  /** From now on statuses are written, for as long as `mayWrite` says so. */
  begin(mayWrite: () => boolean): void {
    this.#mayWrite = mayWrite;
    this.#compare();
  }

  /** No status is written any more once it settles. */
  async end(): Promise<void> {
    this.#mayWrite = () => false;
    await Promise.allSettled(this.#underWay);
  }

  /** Takes back what was written on the Ingresses that are served; nothing is written afterwards. */
  async takeBack(): Promise<void> {
    const keys = [...(this.#accepted ?? [])];
    await this.end();
    const work = Array.from({ length: TAKE_BACK_WRITES }, async () => {
      for (let key = keys.pop(); key !== undefined; key = keys.pop()) await this.#patch(key, []);
    });
    await Promise.all(work);
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  /** Tells which Ingresses are served now. */
  update(accepted: readonly Ingress[]): void {
    if (!this.isUsed) return;
    this.#accepted = new Set(accepted.map(keyOf));
    this.#compare();
  }

  #compare(): void {
    if (!this.#mayWrite()) return;
    for (const ingress of this.#options.all()) {
      if (this.#patchFor(ingress) !== undefined) this.#queue.add(keyOf(ingress));
    }
  }

  async #write(key: string): Promise<void> {
    const [namespace = "", name = ""] = key.split("/");
    const ingress = this.#options.find(namespace, name);
    const patch = ingress && this.#patchFor(ingress);
    if (patch === undefined || !this.#mayWrite()) return;
    const write = this.#patch(key, patch);
    this.#underWay.add(write);
    try {
      await write;
    } finally {
      this.#underWay.delete(write);
    }
  }

  async #patch(key: string, patch: Status): Promise<void> {
    const { client } = this.#options;
    const [namespace = "", name = ""] = key.split("/");
    try {
      await client.patchStatus("ingresses", { namespace, name }, { loadBalancer: { ingress: patch } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  #patchFor(ingress: Ingress): Status | undefined {
    // Before the first plan nothing is known of who is served.
    if (this.#accepted === undefined) return undefined;
    const current = ingress.status?.loadBalancer?.ingress ?? [];
    const same = sameStatus(current, this.#wanted);
    if (this.#accepted.has(keyOf(ingress))) return same ? undefined : this.#wanted;
    // Another controller's status is not ours to touch.
    return same ? [] : undefined;
  }
}

function keyOf({ metadata }: Ingress): string {
  return `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}

function sameStatus(a: Status, b: Status): boolean {
  return a.length === b.length && a.every(({ ip, hostname }, at) => ip === b[at]?.ip && hostname === b[at]?.hostname);
}
