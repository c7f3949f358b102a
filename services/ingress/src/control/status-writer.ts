/** Writes `status.loadBalancer` of the Ingresses that are served, and takes back what we wrote on those that no longer are. */
import { isIP } from "node:net";
import type { Ingress, KubeClient } from "@fairlead/kube";
import { isNotFound } from "@fairlead/kube";
import { WorkQueue } from "@fairlead/reconcile";
import type { Logger } from "@fairlead/host";
import type { Clock, Random } from "@fairlead/types";

type Status = NonNullable<NonNullable<NonNullable<Ingress["status"]>["loadBalancer"]>["ingress"]>;

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
}

/** See the module. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #queue: WorkQueue<string>;
  readonly #wanted: Status;
  #accepted: ReadonlySet<string> = new Set<string>();

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

  start(): void {
    this.#queue.start();
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  /** Tells which Ingresses are served now, of all that there are. */
  update(accepted: readonly Ingress[], all: Iterable<Ingress>): void {
    if (this.#wanted.length === 0) return;
    this.#accepted = new Set(accepted.map(keyOf));
    for (const ingress of all) if (this.#patchFor(ingress) !== undefined) this.#queue.add(keyOf(ingress));
  }

  async #write(key: string): Promise<void> {
    const { client, find } = this.#options;
    const [namespace = "", name = ""] = key.split("/");
    const ingress = find(namespace, name);
    const patch = ingress && this.#patchFor(ingress);
    if (patch === undefined) return;
    try {
      await client.patchStatus("ingresses", { namespace, name }, { loadBalancer: { ingress: patch } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  #patchFor(ingress: Ingress): Status | undefined {
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
