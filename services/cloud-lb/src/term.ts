/** The time in which this process leads: local copies of what it reads, made anew, and the queue of Services to bring in order. */
import type { Logger } from "@fairlead/host";
import { Informer, isConflict, isNotFound } from "@fairlead/kube";
import type { EventNote, InformerChange, KubeClient, KubeResource, Node, ResourceTypes, Service } from "@fairlead/kube";
import { WorkQueue } from "@fairlead/reconcile";
import type { Clock, Random } from "@fairlead/types";
import { AllocationError, NotLeaderError, RetryLaterError, SyncError } from "./errors.ts";
import type { CloudLbMetrics } from "./metrics.ts";
import type { LoadBalancerProvider, LoadBalancerStatus } from "./provider.ts";
import { changeNote } from "./service-changes.ts";
import { ServiceSync } from "./service-sync.ts";
import {
  fingerprint,
  hasFinalizer,
  needsCleanup,
  nodeFingerprint,
  takesTraffic,
  wantsLoadBalancer,
} from "./service-view.ts";
import { sameIngress, ServiceWriter } from "./service-writer.ts";

/** Waits after failures, in ms: those of the cloud providers' service controller. */
export const firstRetryMs = 5_000;
export const longestRetryMs = 300_000;
/** Services worked on at the same time. */
export const syncConcurrency = 4;
/** Somebody else wrote the Service meanwhile: looked at again after this time, when the copy has caught up. In ms. */
export const conflictRetryMs = 50;

/** What a term needs. */
export interface TermOptions {
  readonly client: KubeClient;
  readonly provider: LoadBalancerProvider;
  readonly loadBalancerClass: string | undefined;
  readonly mustLead: () => void;
  readonly record: (service: Service, note: EventNote) => void;
  readonly metrics: CloudLbMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** What was done last for a Service. */
interface Done {
  /** As written: an older copy of it says nothing new. */
  readonly service: Service;
  readonly print: string;
  readonly nodes: string;
  readonly status: LoadBalancerStatus;
}

/** See the module. Started once, stopped once. */
export class Term {
  readonly #options: TermOptions;
  readonly #services: Informer<"services">;
  readonly #nodes: Informer<"nodes">;
  readonly #namespaces: Informer<"namespaces">;
  readonly #queue: WorkQueue<string>;
  readonly #sync: ServiceSync;
  readonly #done = new Map<string, Done>();
  readonly #pending = new Set<string>();
  #nodePrint = "";
  #restored = false;
  #stopped = false;

  constructor(options: TermOptions) {
    this.#options = options;
    const { client, provider, mustLead, record, clock, random } = options;
    this.#services = this.#informer("services", (change) => this.#serviceChanged(change));
    this.#nodes = this.#informer("nodes", () => this.#nodesChanged());
    this.#namespaces = this.#informer("namespaces", () => this.#wakePending());
    this.#queue = new WorkQueue<string>({
      process: (key) => this.#process(key),
      clock,
      random,
      concurrency: syncConcurrency,
      baseDelayMs: firstRetryMs,
      maxDelayMs: longestRetryMs,
      onError: (key, error) => this.#failed(key, error),
    });
    this.#sync = new ServiceSync({
      provider,
      writer: new ServiceWriter({ client, mustLead }),
      mustLead,
      nodes: () => this.#usableNodes(),
      record,
    });
  }

  /** Whether every Service there was at the beginning is known. */
  get isReady(): boolean {
    return this.#restored;
  }

  /** Begins; the work starts when the copies are complete. */
  start(): void {
    const informers = [this.#services, this.#nodes, this.#namespaces];
    for (const informer of informers) void informer.start();
    void Promise.all(informers.map(({ synced }) => synced)).then(() => this.#begin());
  }

  /** Nothing is written when it settles. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.provider.onCapacity(undefined);
    await Promise.all([this.#services, this.#nodes, this.#namespaces].map((informer) => informer.stop()));
    await this.#queue.stop();
    this.#options.metrics.pending.set(0);
    this.#options.metrics.queued.set(0);
  }

  #begin(): void {
    if (this.#stopped) return;
    const { provider } = this.#options;
    provider.restore({
      services: [...this.#services.list()],
      namespaceLabels: (name) => this.#namespaces.get(undefined, name)?.metadata?.labels ?? {},
    });
    provider.onCapacity(() => this.#wakePending());
    this.#restored = true;
    this.#nodePrint = nodeFingerprint(this.#usableNodes());
    this.#options.metrics.nodes.set(this.#usableNodes().length);
    // Who came first is served first.
    const services = [...this.#services.list()].sort((a, b) => (age(a) < age(b) ? -1 : 1));
    for (const service of services) this.#consider(service);
    this.#queue.start();
  }

  #serviceChanged(change: InformerChange<Service>): void {
    if (!this.#restored) return;
    const { loadBalancerClass, provider, record } = this.#options;
    const { type, object } = change;
    const known = this.#done.has(keyOf(object));
    if (type === "removed") {
      this.#queue.add(keyOf(object));
      if (!known) provider.noteOther(object, true);
      return;
    }
    const note = type === "updated" ? changeNote(change.previous, object, loadBalancerClass) : undefined;
    if (note) record(object, note);
    if (!known && !hasFinalizer(object) && !wantsLoadBalancer(object, loadBalancerClass)) {
      provider.noteOther(object, false);
    }
    this.#consider(object);
  }

  /** Queues a Service that is not as it was left. */
  #consider(service: Service): void {
    const { loadBalancerClass } = this.#options;
    const key = keyOf(service);
    const done = this.#done.get(key);
    if (done && isOlder(service, done.service)) return;
    const wants = wantsLoadBalancer(service, loadBalancerClass);
    const changed = done === undefined ? wants : fingerprint(service) !== done.print;
    const overwritten = done !== undefined && wants && !isAsWritten(service, done);
    if (changed || overwritten || needsCleanup(service, loadBalancerClass)) this.#queue.add(key);
  }

  #nodesChanged(): void {
    if (!this.#restored) return;
    const nodes = this.#usableNodes();
    const print = nodeFingerprint(nodes);
    if (print === this.#nodePrint) return;
    this.#nodePrint = print;
    this.#options.metrics.nodes.set(nodes.length);
    for (const key of this.#done.keys()) this.#queue.add(key);
  }

  #wakePending(): void {
    for (const key of this.#pending) this.#queue.add(key);
  }

  async #process(key: string): Promise<void> {
    const { metrics } = this.#options;
    metrics.queued.set(this.#queue.size);
    const [namespace, name = ""] = key.split("/");
    const service = this.#services.get(namespace, name);
    const done = this.#done.get(key);
    // Made anew under its name, or gone without our finalizer: what the old one had is nobody's.
    const gone = done && done.service.metadata?.uid !== service?.metadata?.uid ? done.service : undefined;
    try {
      if (gone) {
        await this.#sync.withdraw(gone);
        this.#forget(key);
        metrics.syncs.inc({ operation: "delete", result: "success" });
      }
      if (service === undefined) this.#forget(key);
      else await this.#bringInOrder(key, service);
    } catch (error) {
      const cause = error instanceof SyncError ? error.cause : error;
      if (cause instanceof NotLeaderError) return;
      // The next look sees what has come in between, or that the Service is gone.
      if (isConflict(cause) || isNotFound(cause)) return this.#queue.addAfter(key, conflictRetryMs);
      if (error instanceof SyncError) this.#report(key, gone && this.#done.has(key) ? gone : service, error);
      if (cause instanceof RetryLaterError) return this.#queue.addAfter(key, cause.delayMs);
      throw error;
    }
  }

  async #bringInOrder(key: string, service: Service): Promise<void> {
    const { loadBalancerClass, metrics } = this.#options;
    const done = this.#done.get(key);
    const wants = wantsLoadBalancer(service, loadBalancerClass) && service.metadata?.deletionTimestamp === undefined;
    if (needsCleanup(service, loadBalancerClass) || (done && !wants)) {
      await this.#sync.cleanUp(service);
      this.#forget(key);
      metrics.syncs.inc({ operation: "delete", result: "success" });
    } else if (wants) await this.#ensure(key, service, done);
    else this.#forget(key);
  }

  async #ensure(key: string, service: Service, done: Done | undefined): Promise<void> {
    const print = fingerprint(service);
    const nodes = this.#nodePrint;
    const { metrics } = this.#options;
    // The copy has not caught up with what was written: it is considered again when it has.
    if (done && done.nodes === nodes && isOlder(service, done.service)) return;
    if (done?.print === print && isAsWritten(service, done)) {
      if (done.nodes === nodes) return;
      if (await this.#sync.update(service)) {
        this.#done.set(key, { ...done, nodes });
        metrics.syncs.inc({ operation: "update", result: "success" });
        return;
      }
    }
    const { status, written } = await this.#sync.ensure(service);
    this.#done.set(key, { service: written, print, nodes, status });
    this.#settled(key);
    metrics.syncs.inc({ operation: "ensure", result: "success" });
  }

  #report(key: string, service: Service | undefined, error: SyncError): void {
    const { metrics, record } = this.#options;
    metrics.syncs.inc({ operation: error.operation, result: "failure" });
    if (error.cause instanceof AllocationError) {
      this.#pending.add(key);
      metrics.pending.set(this.#pending.size);
      if (error.cause.withdrawn) this.#done.delete(key);
    }
    if (service) record(service, { type: "Warning", reason: error.reason, message: error.message });
  }

  #failed(key: string, error: unknown): void {
    const { log } = this.#options;
    const cause = error instanceof SyncError ? error.cause : error;
    if (cause instanceof AllocationError)
      log.warn("a Service gets no address", { service: key, reason: cause.message });
    else log.warn("a Service could not be brought in order and is tried again", { service: key, error });
  }

  #forget(key: string): void {
    this.#done.delete(key);
    this.#settled(key);
  }

  #settled(key: string): void {
    this.#pending.delete(key);
    this.#options.metrics.pending.set(this.#pending.size);
  }

  #usableNodes(): readonly Node[] {
    return [...this.#nodes.list()].filter((node) => takesTraffic(node));
  }

  #informer<R extends KubeResource>(
    resource: R,
    onChange: (change: InformerChange<ResourceTypes[R]>) => void,
  ): Informer<R> {
    const { client, clock, random, metrics, log } = this.#options;
    return new Informer<R>({
      client,
      resource,
      clock,
      random,
      onChange,
      onError: (error) => {
        metrics.apiErrors.inc({ resource });
        log.warn("the API could not be followed and is tried again", { resource, error });
      },
    });
  }
}

/** Whether the finalizer and the status are still there. */
function isAsWritten(service: Service, { status }: Done): boolean {
  return hasFinalizer(service) && sameIngress(service, status);
}

function keyOf({ metadata }: Service): string {
  return `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}

/** Whether a copy is from before a write. Versions of one object grow (KEP-5504); any other text is taken as new. */
function isOlder(copy: Service, written: Service): boolean {
  const [a = "", b = ""] = [copy.metadata?.resourceVersion, written.metadata?.resourceVersion];
  return copy.metadata?.uid === written.metadata?.uid && /^\d+$/.test(a) && /^\d+$/.test(b) && BigInt(a) < BigInt(b);
}

function age({ metadata }: Service): string {
  return `${metadata?.creationTimestamp ?? ""}\0${metadata?.uid ?? ""}`;
}
