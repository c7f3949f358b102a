/**
 * Which replica writes the status of Ingresses: whoever holds the Lease. The last one takes the status back when it stops, so that nobody
 * is sent to an address where no ingress is.
 */
import type { Logger, Startable } from "@fairlead/host";
import { LeaderElection } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import type { Clock } from "@fairlead/types";
import type { IngressMetrics } from "../ingress-metrics.ts";
import type { StatusWriter } from "./status-writer.ts";

/** Time for finding out about other replicas and taking statuses back, in milliseconds. */
export const TAKE_BACK_MS = 2_000;

/** Labels that differ between the versions of one Deployment or DaemonSet. */
const versionLabels = new Set(["pod-template-hash", "controller-revision-hash", "pod-template-generation"]);

/** What it needs. */
export interface StatusLeaderOptions {
  readonly client: KubeClient;
  readonly status: StatusWriter;
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Unique among all processes. */
  readonly identity: string;
  /** Own pod, whose labels the other replicas share; without it this process is the only one. */
  readonly pod: { readonly namespace: string; readonly name: string } | undefined;
  readonly takesBack: boolean;
  readonly metrics: IngressMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

/** See the module. */
export class StatusLeader implements Startable {
  readonly name = "status leader";
  readonly #options: StatusLeaderOptions;
  readonly #election: LeaderElection;

  constructor(options: StatusLeaderOptions) {
    this.#options = options;
    const { client, lease, identity, status, metrics, clock, log } = options;
    this.#election = new LeaderElection({
      client,
      namespace: lease.namespace,
      lease: lease.name,
      identity,
      clock,
      log,
      onElected: () => {
        metrics.leader.set(1);
        status.begin(() => this.#election.isLeader);
      },
      onLost: async () => {
        metrics.leader.set(0);
        await status.end();
      },
    });
  }

  async start(): Promise<void> {
    // Without an address there is nothing to write, and no Lease to hold for it.
    if (this.#options.status.isUsed) await this.#election.start();
  }

  async stop(): Promise<void> {
    const { status, takesBack, clock, log } = this.#options;
    if (!status.isUsed) return;
    if (takesBack && this.#election.isLeader) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const cancel = clock.setTimer(TAKE_BACK_MS, resolve);
      const done = this.#takeBack().catch((error: unknown) => log.warn("a status could not be taken back", { error }));
      await Promise.race([done, promise]);
      cancel();
    }
    await this.#election.stop();
  }

  async #takeBack(): Promise<void> {
    if (await this.#hasOthers()) return;
    await this.#options.status.takeBack();
  }

  async #hasOthers(): Promise<boolean> {
    const { client, pod } = this.#options;
    if (pod === undefined) return false;
    const own = await client.find("pods", pod);
    const labels = Object.entries(own?.metadata?.labels ?? {}).filter(([label]) => !versionLabels.has(label));
    if (labels.length === 0) return false;
    const labelSelector = labels.map(([label, value]) => `${label}=${value}`).join(",");
    const { items } = await client.list("pods", { namespace: pod.namespace, labelSelector });
    return items.some(
      ({ metadata, status }) =>
        metadata?.name !== pod.name && metadata?.deletionTimestamp === undefined && status?.phase === "Running",
    );
  }
}
