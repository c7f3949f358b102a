/** The whole controller in this process, against the real dev cluster and a feed in memory, and what a test asks of all three. */
import { createMemoryFeed, FeedView } from "@fairlead/bus";
import type { FeedBatch, Following, MemoryFeed } from "@fairlead/bus";
import { systemClock } from "@fairlead/host";
import { connect } from "@fairlead/kube";
import type { EndpointSlice, KubeClient, Pod, Service } from "@fairlead/kube";
import { eventually, RecordingLogger, seededRandom } from "@fairlead/testkit";
import { serviceKey } from "@fairlead/types";
import type { Endpoint } from "@fairlead/types";
import { composeEndpointController } from "../../src/compose.ts";
import type { EndpointControllerService } from "../../src/compose.ts";
import { readEndpointControllerConfig } from "../../src/config.ts";
import { serviceNameLabel } from "../../src/plan/labels.ts";

/** A Node that no node agent serves: the status of its pods is what a test writes. */
export const ownNode = "bare-1";

/** How long a test waits for the outcome of a change: the machine may be busy. */
const patience = { timeoutMs: 20_000 };

/** See the module. */
export class ControllerRig implements AsyncDisposable {
  readonly client: KubeClient;
  readonly feed: MemoryFeed;
  readonly podFeed: MemoryFeed;
  readonly log = new RecordingLogger();
  readonly view = new FeedView();
  readonly namespaces = new FeedView();
  readonly pods = new FeedView();
  readonly batches: FeedBatch[] = [];
  readonly #kubeconfig: string;
  readonly #followings: readonly Following[];
  #running: EndpointControllerService | undefined;

  constructor(options: { kubeconfig: string }) {
    this.#kubeconfig = options.kubeconfig;
    this.client = connect({ kubeconfig: options.kubeconfig, clock: systemClock });
    this.feed = createMemoryFeed({ clock: systemClock });
    this.podFeed = createMemoryFeed({ clock: systemClock });
    this.#followings = [
      this.feed.feed.follow({
        apply: (batch) => {
          this.batches.push(batch);
          this.view.apply(batch);
        },
      }),
      this.feed.feed.follow({ kinds: ["namespace"], apply: (batch) => void this.namespaces.apply(batch) }),
      this.podFeed.feed.follow({ kinds: ["pod"], apply: (batch) => void this.pods.apply(batch) }),
    ];
  }

  /** Starts the controller and waits until it is ready. */
  async start(mode = "full"): Promise<void> {
    const argv = ["--kubeconfig", this.#kubeconfig, "--mode", mode, "--health-address", "127.0.0.1:0"];
    this.#running = composeEndpointController(readEndpointControllerConfig({ argv, env: {} }), {
      log: this.log,
      clock: systemClock,
      random: seededRandom(1),
      publisher: this.feed.publisher(),
      podPublisher: this.podFeed.publisher(),
    });
    await this.#running.start();
    await eventually(async () => {
      const answer = await fetch(`${this.#running?.healthUrl}/readyz`);
      if (answer.status !== 200) throw new Error(await answer.text());
    }, patience);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Promise.all(this.#followings.map((following) => following.stop()));
    this.client.transport.close();
  }

  /** Waits until `probe` does not throw. */
  eventually<T>(probe: () => T | Promise<T>): Promise<T> {
    return eventually(probe, patience);
  }

  /** Writes of slices and Endpoints that this life of the controller has made. */
  writes(): Promise<number> {
    return this.#sum(
      /^(?:endpoint_slice_controller_changes|fairlead_endpoint_controller_endpoints_changes_total)\{.*\} (\d+)$/gm,
    );
  }

  /** Syncs that had to be tried again. */
  failedSyncs(): Promise<number> {
    return this.#sum(/^endpoint_slice_controller_syncs\{result="error"\} (\d+)$/gm);
  }

  async #sum(counts: RegExp): Promise<number> {
    const text = await (await fetch(`${this.#running?.healthUrl}/metrics`)).text();
    return [...text.matchAll(counts)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** A namespace of its own. */
  async namespace(name: string): Promise<string> {
    await this.client.create("namespaces", { metadata: { name } });
    return name;
  }

  async node(): Promise<void> {
    if ((await this.client.find("nodes", { name: ownNode })) !== undefined) return;
    await this.client.create("nodes", {
      metadata: { name: ownNode, labels: { "topology.kubernetes.io/zone": "zone-a" } },
    });
  }

  service(namespace: string, name: string, spec: NonNullable<Service["spec"]> = {}): Promise<Service> {
    return this.client.create("services", {
      metadata: { namespace, name },
      spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
    });
  }

  /** A pod on {@link ownNode} with this address, of the Service `app`; ready unless told. */
  async pod(namespace: string, name: string, options: { app: string; ip: string; ready?: boolean }): Promise<Pod> {
    await this.client.create("pods", {
      metadata: { namespace, name, labels: { app: options.app } },
      spec: { nodeName: ownNode, containers: [{ name: "app", image: "fairlead/sleep" }] },
    });
    return this.ready(namespace, name, options.ready ?? true, options.ip);
  }

  /** Makes a pod ready or not, as its node would. */
  ready(namespace: string, name: string, ready: boolean, ip?: string): Promise<Pod> {
    const condition = {
      type: "Ready",
      status: ready ? "True" : "False",
      lastTransitionTime: new Date(systemClock.now()).toISOString(),
    };
    return this.client.patchStatus(
      "pods",
      { namespace, name },
      {
        phase: "Running",
        conditions: [condition],
        ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
      },
    );
  }

  /** Takes a pod away for good, as its node would after its end. */
  async removePod(namespace: string, name: string): Promise<void> {
    await this.client.transport.request({
      method: "DELETE",
      path: `/api/v1/namespaces/${namespace}/pods/${name}`,
      body: { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0 },
    });
  }

  /** The Service's slices in the API. */
  async slices(namespace: string, service: string): Promise<EndpointSlice[]> {
    const { items } = await this.client.list("endpointslices", {
      namespace,
      labelSelector: `${serviceNameLabel}=${service}`,
    });
    return items;
  }

  /** The Service's endpoints on the feed, by address. */
  onFeed(namespace: string, service: string): Map<string, Endpoint> {
    const slices = this.view.slicesOf(serviceKey(namespace, service));
    return new Map(
      slices.flatMap(({ endpoints }) => endpoints.map((endpoint) => [endpoint.addresses[0] ?? "", endpoint])),
    );
  }

  /** Addresses on the feed that take connections. */
  readyOnFeed(namespace: string, service: string): string[] {
    return [...this.onFeed(namespace, service)].flatMap(([ip, { ready }]) => (ready ? [ip] : [])).sort();
  }
}
