/** Leads or waits: one term after the other, each begun when this process is elected. */
import type { Logger, Startable } from "@fairlead/host";
import { LeaderElection } from "@fairlead/kube";
import type { EventRecorder, KubeClient, Service } from "@fairlead/kube";
import type { Clock, Random } from "@fairlead/types";
import type { CloudLbMetrics } from "./metrics.ts";
import type { LoadBalancerProvider } from "./provider.ts";
import { Term } from "./term.ts";

/** What the controller needs. */
export interface CloudLbControllerOptions {
  readonly client: KubeClient;
  readonly recorder: EventRecorder;
  readonly provider: LoadBalancerProvider;
  readonly loadBalancerClass: string | undefined;
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Unique among all processes. */
  readonly identity: string;
  readonly metrics: CloudLbMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** See the module. Owns the client's connections: they end with it. */
export class CloudLbController implements Startable {
  readonly name = "cloud-lb controller";
  readonly #options: CloudLbControllerOptions;
  readonly #election: LeaderElection;
  #term: Term | undefined;

  constructor(options: CloudLbControllerOptions) {
    this.#options = options;
    const { client, lease, identity, clock, log, metrics } = options;
    this.#election = new LeaderElection({
      client,
      namespace: lease.namespace,
      lease: lease.name,
      identity,
      clock,
      log,
      onElected: () => {
        this.#term = this.#newTerm();
        this.#term.start();
        metrics.leader.set(1);
      },
      onLost: async () => {
        metrics.leader.set(0);
        await this.#term?.stop();
        this.#term = undefined;
      },
    });
  }

  start(): Promise<void> {
    return this.#election.start();
  }

  async stop(): Promise<void> {
    await this.#election.stop();
    await this.#options.recorder.drained();
    this.#options.client.transport.close();
  }

  /** Why this process is of no use yet; a process that waits for the lease of another is ready to take over. */
  whyNotReady(): string | undefined {
    if (this.#term) return this.#term.isReady ? undefined : "the Services have not been read yet";
    return this.#election.holder === undefined ? "the lease has not been looked at yet" : undefined;
  }

  #newTerm(): Term {
    const { client, provider, loadBalancerClass, recorder, metrics, clock, random, log } = this.#options;
    return new Term({
      client,
      provider,
      loadBalancerClass,
      mustLead: () => this.#election.mustLead(),
      record: (service, note) => recorder.record(aboutService(service), note),
      metrics,
      clock,
      random,
      log,
    });
  }
}

/** A Service as the subject of an Event. */
export function aboutService({ metadata }: Service): Parameters<EventRecorder["record"]>[0] {
  const { namespace = "", name = "", uid = "" } = metadata ?? {};
  return { apiVersion: "v1", kind: "Service", namespace, name, uid };
}
