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
  Namespace,
  Node,
  Pod,
  ResourceTypes,
  Service,
} from "@fairlead/kube";
import { feedKindOf, namespaceFeedKey, nodeFeedKey, podFeedKey, serviceFeedKey, sliceFeedKey } from "@fairlead/types";
import type { Clock, FeedKey, Random } from "@fairlead/types";
import { Complaints } from "./complaints.ts";
import { EndpointsCache } from "./endpoints-cache.ts";
import { FeedValues } from "./feed-values.ts";
import { FeedWriter } from "./feed-writer.ts";
import type { EndpointControllerMetrics } from "./metrics.ts";
import { serviceNameLabel } from "./plan/labels.ts";
import { podChange } from "./pod-change.ts";
import { PodFeed } from "./pod-feed.ts";
import { NamespaceIndex } from "./pod-index.ts";
import { ServiceReconciler } from "./service-reconciler.ts";
import { SliceCache } from "./slice-cache.ts";
import { SyncQueue } from "./sync-queue.ts";
import { TriggerTracker } from "./trigger-tracker.ts";

/** Everything is compared anew this often, whether or not something is known to have changed. In milliseconds. */
export const resyncMs = 600_000;
/** Stopping waits this long for writes under way before it cuts them off, in milliseconds. */
export const stopPatienceMs = 2_000;

/** What the controller works with. */
export interface ControllerOptions {
  readonly client: KubeClient;
  readonly publisher: ChangePublisher;
  /** Writes the feed of pods; undefined for no such feed. */
  readonly podPublisher: ChangePublisher | undefined;
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
  readonly #written = new EndpointsCache();
  readonly #complaints: Complaints;
  readonly #values: FeedValues;
  readonly #services: Informer<"services">;
  readonly #pods: Informer<"pods">;
  readonly #nodes: Informer<"nodes">;
  readonly #namespaces: Informer<"namespaces">;
  readonly #endpointSlices: Informer<"endpointslices">;
  readonly #endpoints: Informer<"endpoints">;
  readonly #queue: SyncQueue;
  readonly #reconciler: ServiceReconciler;
  readonly #writer: FeedWriter;
  readonly #podFeed: PodFeed | undefined;
  readonly #events: EventRecorder;
  #cancelResync = (): void => {};
  #failure: string | undefined;
  #opened = false;
  #opening: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { client, publisher, podPublisher, metrics, log, clock, random } = options;
    this.#events = new EventRecorder({ client, component: "endpoint-controller", clock, log });
    this.#complaints = new Complaints({
      tell: (kind, about, note) => {
        metrics.rejected.inc({ kind });
        this.#events.record(about, note);
      },
    });
    this.#services = this.#informer("services", (change) => this.#onService(change));
    this.#pods = this.#informer("pods", (change) => this.#onPod(change));
    this.#nodes = this.#informer("nodes", (change) => this.#onNode(change));
    this.#namespaces = this.#informer("namespaces", (change) => this.#onNamespace(change));
    this.#endpointSlices = this.#informer("endpointslices", (change) => this.#onSlice(change));
    this.#endpoints = this.#informer("endpoints", (change) => this.#onEndpoints(change));
    this.#values = new FeedValues({
      services: this.#services,
      slices: this.#endpointSlices,
      nodes: this.#nodes,
      namespaces: this.#namespaces,
      pods: this.#pods,
      index: this.#index,
      complaints: this.#complaints,
    });
    this.#reconciler = new ServiceReconciler({
      client,
      index: this.#index,
      slices: this.#slices,
      written: this.#written,
      triggers: new TriggerTracker(),
      metrics,
      node: (name) => this.#nodes.get(undefined, name),
      endpoints: (namespace, name) => this.#endpoints.get(namespace, name),
      recordEvent: (about, note) => this.#events.record(about, note),
    });
    this.#queue = new SyncQueue({
      sync: async (namespace, name) => {
        const writes = await this.#reconciler.reconcile(namespace, name);
        return { writes, exists: this.#index.service(namespace, name) !== undefined };
      },
      metrics,
      log,
      clock,
      random,
    });
    const writing = {
      clock,
      metrics,
      current: (key: FeedKey) => this.#values.current(key),
      onRefused: (key: FeedKey, reason: string) => {
        metrics.refused.inc({ kind: feedKindOf(key) });
        log.error("an object is too large for the feed and is left out", { key, reason });
      },
      onFailure: (error: unknown) => this.#fail(error),
    };
    this.#writer = new FeedWriter({ ...writing, publisher });
    if (podPublisher !== undefined) {
      this.#podFeed = new PodFeed({ ...writing, publisher: podPublisher, keys: () => this.#values.podKeys(), log });
    }
  }

  /** Settles once informers run; being ready takes their first lists and a bus that answers, see {@link whyNotReady}. */
  async start(): Promise<void> {
    const informers = this.#informers();
    await Promise.all(informers.map((informer) => informer.start()));
    this.#opening = this.#open(informers.map((informer) => informer.synced));
  }

  /** Writes under way may end, for {@link stopPatienceMs}; what is left undone the next start finds. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelResync();
    const { client, clock } = this.#options;
    const cancel = clock.setTimer(stopPatienceMs, () => client.transport.close());
    await this.#queue.stop();
    cancel();
    await Promise.all(this.#informers().map((informer) => informer.stop()));
    await this.#podFeed?.close();
    await this.#writer.close();
    await this.#opening;
    client.transport.close();
  }

  /** Why the service is not ready, or `undefined`. */
  whyNotReady(): string | undefined {
    if (this.#failure !== undefined) return this.#failure;
    const waiting = this.#informers().filter((informer) => !informer.isSynced);
    if (waiting.length > 0) return `waiting for the first list: ${waiting.map(({ name }) => name).join(", ")}`;
    return this.#opened ? this.#podFeed?.whyNotReady() : "waiting for the bus";
  }

  /** Why the service should be restarted, or `undefined`. */
  whyNotLive(): string | undefined {
    return this.#failure;
  }

  async #open(synced: readonly Promise<void>[]): Promise<void> {
    await Promise.all(synced);
    if (this.#stopped) return;
    if (this.#options.mode === "full") this.#queue.start();
    this.#planResync();
    try {
      await this.#writer.open(this.#values.keys());
      this.#opened = true;
      this.#podFeed?.open();
    } catch (error) {
      if (!this.#stopped) this.#fail(error);
    }
  }

  /** Another publisher is in charge, or the feed is lost to us: what we know may be old, so nothing more is written by us. */
  #fail(error: unknown): void {
    this.#failure = error instanceof Error ? error.message : String(error);
    this.#options.log.error("publishing has ended; this endpoint-controller writes nothing more", { error });
    void this.#queue.stop();
    void this.#podFeed?.close();
  }

  #planResync(): void {
    this.#cancelResync = this.#options.clock.setTimer(resyncMs, () => {
      this.#enqueueAll();
      for (const key of this.#values.keys()) this.#writer.touch(key);
      for (const key of this.#values.podKeys()) this.#podFeed?.touch(key);
      this.#planResync();
    });
  }

  /** Those that this mode needs: what only the reconciler reads is not followed where it does not run. */
  #informers(): readonly Informer<KubeResource>[] {
    const all = [this.#services, this.#pods, this.#nodes, this.#namespaces, this.#endpointSlices];
    return this.#options.mode === "full" ? [...all, this.#endpoints] : all;
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

  #onService({ type, object }: InformerChange<Service>): void {
    const { namespace = "", name = "" } = object.metadata ?? {};
    if (type === "removed") {
      this.#index.removeService(object);
      this.#complaints.forget("Service", object);
    } else this.#index.putService(object);
    this.#enqueue(namespace, name);
    this.#writer.touch(serviceFeedKey(namespace, name));
  }

  #onPod(change: InformerChange<Pod>): void {
    const { object } = change;
    const { namespace = "", name = "", labels } = object.metadata ?? {};
    this.#podFeed?.touch(podFeedKey(namespace, name));
    if (change.type === "removed") {
      this.#index.removePod(object);
      this.#complaints.forget("Pod", object);
    } else this.#index.putPod(object);
    const { endpoint, formerLabels, leaves, weight } = podChange(change);
    if (weight) this.#touchSlicesOfPod(object);
    if (!endpoint && formerLabels === undefined) return;
    const now = this.#index.servicesOf(namespace, labels);
    const then = formerLabels === undefined ? now : this.#index.servicesOf(namespace, formerLabels);
    for (const service of new Set([...now, ...then])) {
      const [selected, wasSelected] = [now.includes(service), then.includes(service)];
      // Only other labels: a Service that selects the pod before and after sees no difference.
      if (!endpoint && selected && wasSelected) continue;
      if (leaves || !selected) this.#enqueue(namespace, service);
      else if (this.#options.mode === "full") this.#queue.soon(namespace, service);
    }
  }

  #onNode(change: InformerChange<Node>): void {
    const { object } = change;
    if (change.type === "removed") this.#complaints.forget("Node", object);
    this.#writer.touch(nodeFeedKey(object.metadata?.name ?? ""));
    const zone = (node: Node): string | undefined => node.metadata?.labels?.["topology.kubernetes.io/zone"];
    if (change.type === "updated" && zone(change.previous) === zone(object)) return;
    this.#enqueueAll();
  }

  #onNamespace({ type, object }: InformerChange<Namespace>): void {
    if (type === "removed") this.#complaints.forget("Namespace", object);
    this.#writer.touch(namespaceFeedKey(object.metadata?.name ?? ""));
  }

  #onSlice(change: InformerChange<EndpointSlice>): void {
    const { object } = change;
    const { namespace = "", name = "" } = object.metadata ?? {};
    this.#writer.touch(sliceFeedKey(namespace, name));
    if (change.type === "removed") {
      this.#slices.remove(object);
      this.#complaints.forget("EndpointSlice", object);
    }
    // The echo of our own write is no news.
    else if (!this.#slices.put(object)) return;
    // One that was given to another Service leaves a gap in the first.
    const owners = [object, ...(change.type === "updated" ? [change.previous] : [])].map(
      ({ metadata }) => metadata?.labels?.[serviceNameLabel],
    );
    for (const service of new Set(owners)) if (service !== undefined) this.#enqueue(namespace, service);
  }

  #onEndpoints({ type, object }: InformerChange<Endpoints>): void {
    const { namespace = "", name = "" } = object.metadata ?? {};
    const key = `${namespace}/${name}`;
    if (type === "removed") this.#written.forget(key);
    // The echo of our own write is no news.
    else if (this.#written.isEcho(key, object)) return;
    this.#enqueue(namespace, name);
  }

  #enqueueAll(): void {
    for (const { metadata } of this.#index.services()) this.#enqueue(metadata?.namespace ?? "", metadata?.name ?? "");
  }

  #enqueue(namespace: string, service: string): void {
    if (this.#options.mode === "full") this.#queue.now(namespace, service);
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
