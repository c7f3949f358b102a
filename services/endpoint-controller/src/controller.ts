/**
 * The service's heart: informers feed local copies; what changed marks Services for the reconciler and keys for the feed writer.
 * Nothing is written or published before every informer has its first list.
 */
import type { ChangePublisher } from "@fairlead/bus";
import type { Logger, Startable } from "@fairlead/host";
import { EventRecorder, Informer } from "@fairlead/kube";
import type {
  Endpoints,
  EndpointSlice,
  InformerChange,
  KubeClient,
  KubeResource,
  Node,
  Pod,
  ResourceTypes,
  Service,
} from "@fairlead/kube";
import { WorkQueue } from "@fairlead/reconcile";
import { nodeFeedKey, serviceFeedKey, sliceFeedKey } from "@fairlead/types";
import type { Clock, FeedKey, FeedValue, Random } from "@fairlead/types";
import { FeedWriter } from "./feed-writer.ts";
import type { CurrentValue } from "./feed-writer.ts";
import type { EndpointControllerMetrics } from "./metrics.ts";
import type { Complaint } from "./normalise/lenient.ts";
import { normaliseNode } from "./normalise/node.ts";
import { normaliseService } from "./normalise/service.ts";
import { normaliseSlice } from "./normalise/slice.ts";
import { weightOf } from "./normalise/weight.ts";
import { serviceNameLabel, triggerTimeAnnotation } from "./plan/labels.ts";
import { endpointIdentity } from "./plan/pod-selection.ts";
import { NamespaceIndex } from "./pod-index.ts";
import { ServiceReconciler } from "./service-reconciler.ts";
import { SliceCache } from "./slice-cache.ts";
import { TriggerTracker } from "./trigger-tracker.ts";

/** Services synced at the same time; each sync waits for the API, so this bounds open requests. */
export const syncConcurrency = 8;
/** Waits between tries of a Service that could not be synced, in milliseconds. It is never given up. */
export const firstSyncRetryMs = 50;
export const longestSyncRetryMs = 30_000;

/** What the controller works with. */
export interface ControllerOptions {
  readonly client: KubeClient;
  readonly publisher: ChangePublisher;
  /** `full` writes slices and Endpoints; `publish` leaves that to the cluster's own controllers. */
  readonly mode: "full" | "publish";
  readonly metrics: EndpointControllerMetrics;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** See the module. */
export class EndpointController implements Startable {
  readonly name = "endpoint controller";
  readonly #options: ControllerOptions;
  readonly #index = new NamespaceIndex();
  readonly #slices = new SliceCache();
  readonly #informers: {
    readonly services: Informer<"services">;
    readonly pods: Informer<"pods">;
    readonly nodes: Informer<"nodes">;
    readonly endpointslices: Informer<"endpointslices">;
    readonly endpoints: Informer<"endpoints">;
  };
  readonly #queue: WorkQueue<string>;
  readonly #reconciler: ServiceReconciler;
  readonly #writer: FeedWriter;
  readonly #events: EventRecorder;
  #failure: string | undefined;
  #opened = false;
  #opening: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { client, publisher, metrics, log, clock, random } = options;
    this.#events = new EventRecorder({ client, component: "endpoint-controller", clock, log });
    this.#informers = {
      services: this.#informer("services", (change) => this.#onService(change)),
      pods: this.#informer("pods", (change) => this.#onPod(change)),
      nodes: this.#informer("nodes", (change) => this.#onNode(change)),
      endpointslices: this.#informer("endpointslices", (change) => this.#onSlice(change)),
      endpoints: this.#informer("endpoints", (change) => this.#onEndpoints(change)),
    };
    this.#reconciler = new ServiceReconciler({
      client,
      index: this.#index,
      slices: this.#slices,
      triggers: new TriggerTracker(),
      metrics,
      node: (name) => this.#informers.nodes.get(undefined, name),
      endpoints: (namespace, name) => this.#informers.endpoints.get(namespace, name),
      recordEvent: (about, note) => this.#events.record(about, note),
    });
    this.#queue = new WorkQueue({
      process: (key) => this.#sync(key),
      clock,
      random,
      concurrency: syncConcurrency,
      baseDelayMs: firstSyncRetryMs,
      maxDelayMs: longestSyncRetryMs,
      onError: (key, error, attempt) => this.#onSyncError(key, error, attempt),
    });
    this.#writer = new FeedWriter({
      publisher,
      clock,
      metrics,
      current: (key) => this.#current(key),
      onRefused: (key, reason) => log.error("an object is too large for the feed and is left out", { key, reason }),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** Settles once informers run; being ready takes their first lists and a bus that answers, see {@link whyNotReady}. */
  async start(): Promise<void> {
    const informers = Object.values(this.#informers);
    await Promise.all(informers.map((informer) => informer.start()));
    this.#opening = this.#open(informers.map((informer) => informer.synced));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#queue.stop();
    await Promise.all(Object.values(this.#informers).map((informer) => informer.stop()));
    await this.#writer.close();
    await this.#opening;
    this.#options.client.transport.close();
  }

  /** Why the service is not ready, or `undefined`. */
  whyNotReady(): string | undefined {
    if (this.#failure !== undefined) return this.#failure;
    const waiting = Object.values(this.#informers).filter((informer) => !informer.isSynced);
    if (waiting.length > 0) return `waiting for the first list: ${waiting.map(({ name }) => name).join(", ")}`;
    return this.#opened ? undefined : "waiting for the bus";
  }

  /** Why the service should be restarted, or `undefined`. */
  whyNotLive(): string | undefined {
    return this.#failure;
  }

  async #open(synced: readonly Promise<void>[]): Promise<void> {
    await Promise.all(synced);
    if (this.#stopped) return;
    if (this.#options.mode === "full") this.#queue.start();
    try {
      await this.#writer.open(this.#feedKeys());
      this.#opened = true;
    } catch (error) {
      if (!this.#stopped) this.#fail(error);
    }
  }

  /** Another publisher is in charge, or the feed is lost to us: what we know may be old, so nothing more is written by us. */
  #fail(error: unknown): void {
    this.#failure = error instanceof Error ? error.message : String(error);
    this.#options.log.error("publishing has ended; this endpoint-controller writes nothing more", { error });
    void this.#queue.stop();
  }

  #informer<R extends KubeResource>(
    resource: R,
    onChange: (change: InformerChange<ResourceTypes[R]>) => void,
  ): Informer<R> {
    const { client, clock, random, metrics, log } = this.#options;
    return new Informer({
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

  #onService(change: InformerChange<Service>): void {
    const { namespace = "", name = "" } = change.object.metadata ?? {};
    if (change.type === "removed") this.#index.removeService(change.object);
    else this.#index.putService(change.object);
    this.#enqueue(namespace, name);
    this.#writer.touch(serviceFeedKey(namespace, name));
  }

  #onPod(change: InformerChange<Pod>): void {
    const { object } = change;
    const { namespace = "", name = "", labels } = object.metadata ?? {};
    const before = change.type === "updated" ? change.previous : undefined;
    if (change.type === "removed") this.#index.removePod(object);
    else this.#index.putPod(object);
    if (before?.metadata?.annotations !== object.metadata?.annotations) this.#touchSlicesOfPod(object);
    const was = before?.metadata?.labels;
    const relabelled = before !== undefined && JSON.stringify(was) !== JSON.stringify(labels);
    const sameEndpoint = before !== undefined && endpointIdentity(before) === endpointIdentity(object);
    if (sameEndpoint && !relabelled) return;
    const now = this.#index.servicesOf(namespace, labels);
    const then = relabelled ? this.#index.servicesOf(namespace, was) : [];
    for (const service of new Set([...now, ...then])) {
      // Only new labels: a Service that selects the pod before and after sees no difference.
      if (sameEndpoint && now.includes(service) && then.includes(service)) continue;
      this.#enqueue(namespace, service);
    }
    this.#options.log.debug("pod changed", { namespace, pod: name, services: now.length });
  }

  #onNode(change: InformerChange<Node>): void {
    const { name = "" } = change.object.metadata ?? {};
    this.#writer.touch(nodeFeedKey(name));
    const zone = (node: Node | undefined): string | undefined =>
      node?.metadata?.labels?.["topology.kubernetes.io/zone"];
    if (change.type === "updated" && zone(change.previous) === zone(change.object)) return;
    for (const { metadata } of this.#index.services()) this.#enqueue(metadata?.namespace ?? "", metadata?.name ?? "");
  }

  #onSlice(change: InformerChange<EndpointSlice>): void {
    const { object } = change;
    const { namespace = "", name = "", labels } = object.metadata ?? {};
    this.#writer.touch(sliceFeedKey(namespace, name));
    const service = labels?.[serviceNameLabel];
    if (change.type === "removed") this.#slices.remove(object);
    // The echo of our own write is no news.
    else if (!this.#slices.put(object)) return;
    if (service !== undefined) this.#enqueue(namespace, service);
  }

  #onEndpoints({ object }: InformerChange<Endpoints>): void {
    this.#enqueue(object.metadata?.namespace ?? "", object.metadata?.name ?? "");
  }

  #enqueue(namespace: string, service: string): void {
    if (this.#options.mode === "full") this.#queue.add(`${namespace}/${service}`);
  }

  async #sync(key: string): Promise<void> {
    const slash = key.indexOf("/");
    try {
      await this.#reconciler.reconcile(key.slice(0, slash), key.slice(slash + 1));
      this.#options.metrics.syncs.inc({ result: "success" });
    } finally {
      this.#options.metrics.queued.set(this.#queue.size);
    }
  }

  #onSyncError(key: string, error: unknown, attempt: number): void {
    this.#options.metrics.syncs.inc({ result: "error" });
    // The first try may lose a race with another writer, which the next one settles.
    const level = attempt > 2 ? "warn" : "debug";
    this.#options.log[level]("a Service could not be synced and is tried again", { service: key, attempt, error });
  }

  *#feedKeys(): IterableIterator<FeedKey> {
    const { services, endpointslices, nodes } = this.#informers;
    for (const { metadata } of services.list()) yield serviceFeedKey(metadata?.namespace ?? "", metadata?.name ?? "");
    for (const { metadata } of endpointslices.list())
      yield sliceFeedKey(metadata?.namespace ?? "", metadata?.name ?? "");
    for (const { metadata } of nodes.list()) yield nodeFeedKey(metadata?.name ?? "");
  }

  #current(key: FeedKey): CurrentValue | undefined {
    const [kind = "", first = "", ...rest] = key.split(".");
    const { services, endpointslices, nodes } = this.#informers;
    if (kind === "node") {
      const node = nodes.get(undefined, [first, ...rest].join("."));
      return node && this.#value("Node", node, (complain) => ({ kind: "node", node: normaliseNode(node, complain) }));
    }
    const name = rest.join(".");
    if (kind === "service") {
      const service = services.get(first, name);
      return (
        service &&
        this.#value("Service", service, (complain) => ({
          kind: "service",
          service: normaliseService(service, complain),
        }))
      );
    }
    const slice = endpointslices.get(first, name);
    if (slice === undefined) return undefined;
    const trigger = Date.parse(slice.metadata?.annotations?.[triggerTimeAnnotation] ?? "");
    const current = this.#value("EndpointSlice", slice, (complain) => {
      const normalised = normaliseSlice(slice, (target) => this.#weight(target.namespace || first, target), complain);
      return normalised && { kind: "slice", slice: normalised };
    });
    return current && (Number.isNaN(trigger) ? current : { ...current, trigger });
  }

  /** The value, with every complaint about the object as an Event on it. An object that cannot be read at all is left out. */
  #value(
    kind: string,
    object: Service | EndpointSlice | Node,
    make: (complain: Complaint) => FeedValue | undefined,
  ): CurrentValue | undefined {
    const complain = this.#complain(kind, object);
    try {
      const value = make(complain);
      return value && { value };
    } catch (error) {
      complain("", error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  #weight(namespace: string, target: { readonly kind: string; readonly name: string }): number {
    if (target.kind !== "Pod") return 1;
    const pod = this.#index.pod(namespace, target.name);
    return pod === undefined ? 1 : weightOf(pod, this.#complain("Pod", pod));
  }

  #complain(kind: string, object: Service | EndpointSlice | Node | Pod): Complaint {
    const { namespace = "default", name = "", uid = "" } = object.metadata ?? {};
    return (field, reason) => {
      this.#options.metrics.rejected.inc({ kind });
      const apiVersion = kind === "EndpointSlice" ? "discovery.k8s.io/v1" : "v1";
      this.#events.record(
        { apiVersion, kind, namespace, name, uid },
        { type: "Warning", reason: "InvalidField", message: field === "" ? reason : `${field}: ${reason}` },
      );
    };
  }

  #touchSlicesOfPod(pod: Pod): void {
    const { namespace = "", labels } = pod.metadata ?? {};
    for (const service of this.#index.servicesOf(namespace, labels)) {
      for (const { metadata } of this.#slices.of(namespace, service)) {
        this.#writer.touch(sliceFeedKey(namespace, metadata?.name ?? ""));
      }
    }
  }
}
