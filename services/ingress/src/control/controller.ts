/** Follows Ingresses, classes and the feed; puts a new table in place for each change of routes, and new endpoints at once. */
import { FeedView } from "@fairlead/bus";
import type { ChangeFeed, Following } from "@fairlead/bus";
import type { Logger, Startable } from "@fairlead/host";
import { Informer } from "@fairlead/kube";
import type { EventRecorder, Ingress, IngressClass, KubeClient } from "@fairlead/kube";
import { BoundedFrequencyRunner } from "@fairlead/reconcile";
import type { Clock, Random, ServiceKey } from "@fairlead/types";
import type { IngressMetrics } from "../ingress-metrics.ts";
import { ownClasses } from "../plan/ingress-class.ts";
import type { ClassOptions } from "../plan/ingress-class.ts";
import { planRoutes } from "../plan/planner.ts";
import type { PlanProblem } from "../plan/planner.ts";
import type { Gateway } from "../proxy/gateway.ts";
import type { UpstreamSet } from "../proxy/upstreams.ts";
import { CertificateStore } from "./certificate-store.ts";
import { StatusWriter } from "./status-writer.ts";

/** Least time between two tables, in milliseconds: a burst of edits is compiled once. */
export const MIN_PLAN_INTERVAL_MS = 10;
/** A table is compiled anew after this at the latest, in milliseconds. */
export const MAX_PLAN_INTERVAL_MS = 600_000;

/** What the controller needs. */
export interface ControllerOptions {
  readonly client: KubeClient;
  readonly feed: ChangeFeed;
  readonly gateway: Gateway;
  readonly upstreams: UpstreamSet;
  readonly events: EventRecorder;
  readonly classes: ClassOptions;
  readonly addresses: readonly string[];
  /** Told of every change of the feed, after it was taken in. */
  readonly onFeed?: (services: Iterable<ServiceKey>, view: FeedView) => void;
  readonly metrics: IngressMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** See the module. */
export class Controller implements Startable {
  readonly name = "controller";
  readonly certificates: CertificateStore;
  readonly status: StatusWriter;
  readonly #options: ControllerOptions;
  readonly #view = new FeedView();
  readonly #ingresses: Informer<"ingresses">;
  readonly #classes: Informer<"ingressclasses">;
  readonly #runner: BoundedFrequencyRunner;
  #following: Following | undefined;
  #fed = false;
  #planned = false;
  #hadCertificates = false;
  #told = new Set<string>();
  #toldClasses = new Set<string>();

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { client, clock, random, log, addresses } = options;
    const followed = {
      client,
      clock,
      random,
      onChange: () => this.#runner.request(),
      onError: (error: unknown) => log.warn("the API cannot be followed", { error }),
    };
    this.#ingresses = new Informer({ ...followed, resource: "ingresses" });
    this.#classes = new Informer({ ...followed, resource: "ingressclasses" });
    this.#runner = new BoundedFrequencyRunner({
      name: "routes",
      run: () => this.#plan(),
      minIntervalMs: MIN_PLAN_INTERVAL_MS,
      maxIntervalMs: MAX_PLAN_INTERVAL_MS,
      retryIntervalMs: 1_000,
      clock,
      onError: (error) => log.error("routes could not be compiled", { error }),
    });
    this.certificates = new CertificateStore({
      client,
      clock,
      random,
      log,
      onProblem: (ingress, message) => this.#tell(ingress, "Certificate", message),
    });
    this.status = new StatusWriter({
      client,
      addresses,
      clock,
      random,
      log,
      find: (namespace, name) => this.#ingresses.get(namespace, name),
      all: () => this.#ingresses.list(),
    });
  }

  /** Why the ingress should not get traffic yet. */
  whyNotReady(): string | undefined {
    if (!this.#fed) return "nothing heard from the feed yet";
    if (!this.#planned) return "the Ingresses are not read yet";
    // Only those of the start are waited for: one that is added later is no reason to take the traffic of the others away.
    const why = this.#hadCertificates ? undefined : this.certificates.whyNotReady();
    this.#hadCertificates = why === undefined;
    return why;
  }

  async start(): Promise<void> {
    const { feed, upstreams, onFeed } = this.#options;
    this.status.start();
    this.#runner.start();
    this.#following = feed.follow({
      kinds: ["service", "slice"],
      apply: (batch) => {
        const { services } = this.#view.apply(batch);
        upstreams.update(services, this.#view);
        onFeed?.(services, this.#view);
        if (this.#fed) return;
        this.#fed = true;
        this.#runner.request();
      },
    });
    await Promise.all([this.#ingresses.start(), this.#classes.start()]);
    void Promise.all([this.#ingresses.synced, this.#classes.synced]).then(() => this.#runner.request());
  }

  async stop(): Promise<void> {
    await this.#following?.stop();
    await this.#runner.stop();
    await Promise.all([this.#ingresses.stop(), this.#classes.stop(), this.certificates.stop(), this.status.stop()]);
    this.#options.upstreams.stop();
  }

  #plan(): void {
    if (!this.#ingresses.isSynced || !this.#classes.isSynced || !this.#fed) return;
    const { gateway, upstreams, classes, metrics, log } = this.#options;
    const plan = planRoutes({
      ...classes,
      ingresses: [...this.#ingresses.list()],
      classes: [...this.#classes.list()],
    });
    upstreams.prepare(plan.backends, this.#view);
    this.certificates.use(plan.certificates);
    gateway.table = plan.table;
    upstreams.prune(plan.backends);
    this.status.update(plan.accepted);
    metrics.routes.set(plan.table.size);
    metrics.reloads.inc();
    this.#report(plan.problems);
    this.#reportClasses(ownClasses(classes, [...this.#classes.list()]));
    if (!this.#planned) log.info("routes are in place", { routes: plan.table.size });
    this.#planned = true;
  }

  /** Each problem is told once for as long as it lasts. */
  #report(problems: readonly PlanProblem[]): void {
    const refused = new Set(
      problems.flatMap(({ ingress, reason }) => (reason === "AnnotationIgnored" ? [] : [ingress])),
    );
    this.#options.metrics.refused.set(refused.size);
    const now = new Set<string>();
    for (const { ingress, reason, message } of problems) {
      const key = `${ingress.metadata?.uid} ${reason} ${message}`;
      now.add(key);
      if (!this.#told.has(key)) this.#tell(ingress, reason, message);
    }
    this.#told = now;
  }

  /** Parameters that nobody reads: told once for as long as they stand. */
  #reportClasses(own: readonly IngressClass[]): void {
    const withParameters = own.filter(({ spec }) => spec?.parameters !== undefined);
    const told = this.#toldClasses;
    this.#toldClasses = new Set(withParameters.map(({ metadata }) => metadata?.uid ?? ""));
    for (const { metadata } of withParameters) {
      const { uid = "", name = "" } = metadata ?? {};
      if (told.has(uid)) continue;
      const message = "spec.parameters has no effect: the flags of the ingress hold for all classes";
      // Events about what has no namespace are kept in the default one.
      const about = { apiVersion: "networking.k8s.io/v1", kind: "IngressClass", namespace: "default", name, uid };
      this.#options.events.record(about, { type: "Warning", reason: "ParametersIgnored", message });
      this.#options.log.notice(`IngressClass ${name}: ${message}`);
    }
  }

  #tell({ metadata }: Ingress, reason: string, message: string): void {
    const namespace = metadata?.namespace ?? "";
    const name = metadata?.name ?? "";
    const about = { apiVersion: "networking.k8s.io/v1", kind: "Ingress", namespace, name, uid: metadata?.uid ?? "" };
    this.#options.events.record(about, { type: "Warning", reason, message });
    this.#options.log.notice(`Ingress ${namespace}/${name}: ${message}`, { reason });
  }
}
