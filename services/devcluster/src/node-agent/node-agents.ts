/** All nodes of the development cluster: which pod runs where, from the agent's start to its stop. */
import type { Startable } from "@fairlead/host";
import type { Pod } from "@fairlead/kube/objects";
import type { AddressPool } from "./address-pool.ts";
import { NODE_CHECK_INTERVAL_MS, STOP_GRACE_MS, STOP_LIMIT_MS } from "./limits.ts";
import { LogRotation } from "./log/log-rotation.ts";
import type { PodIdentity } from "./log/pod-directories.ts";
import { isRegistered } from "./node-registration.ts";
import type { NodeRegistration } from "./node-registration.ts";
import { within } from "./pause.ts";
import type { NodeContext } from "./pod-context.ts";
import { identityOf, PodRunner } from "./pod-runner.ts";
import { unreadyStatus } from "./pod-status.ts";

/** One node and what it has to give. */
export interface ManagedNode {
  readonly registration: NodeRegistration;
  readonly addresses: AddressPool;
}

/** Runs the pods that the scheduler gave to these nodes. */
export class NodeAgents implements Startable {
  readonly name = "node agents";
  readonly #context: NodeContext;
  readonly #nodes: ReadonlyMap<string, ManagedNode>;
  readonly #runners = new Map<string, PodRunner>();
  readonly #rotation: LogRotation;
  #unwatch: (() => void) | undefined;
  #cancelCheck: (() => void) | undefined;
  #stopping = false;

  constructor(options: { context: NodeContext; nodes: readonly ManagedNode[] }) {
    const { context, nodes } = options;
    this.#context = context;
    this.#nodes = new Map(nodes.map((node) => [node.registration.place.name, node]));
    const logs = (): Iterable<string> => [...this.#runners.values()].flatMap((runner) => [...runner.logFiles()]);
    this.#rotation = new LogRotation({ clock: context.clock, files: logs });
  }

  /** The runner of a pod, if it is on one of these nodes. */
  runner(uid: string): PodRunner | undefined {
    return this.#runners.get(uid);
  }

  async start(): Promise<void> {
    const { api, ledger, directories, networks, log } = this.#context;
    ledger.open();
    const pods = api.list("pods").items.filter((pod) => this.#nodes.has(pod.spec?.nodeName ?? ""));
    // First of all: nobody is to be led to an address where nothing runs any more.
    for (const pod of pods) this.#markUnready(pod);
    const { killed, left } = await ledger.reap();
    if (killed > 0) log.info("processes of an earlier run were ended", { killed });
    if (left.length > 0) log.warn("processes of an earlier run do not end", { pids: left });
    await networks.open();
    directories.keepOnly(pods.map(identityOf));
    this.#dismissFormerNodes();
    for (const { registration } of this.#nodes.values()) registration.check();
    this.#claimAddresses(pods);
    this.#unwatch = api.watch("pods", {}, ({ type, object }) => {
      // The event comes in the middle of somebody's write: work starts after it.
      queueMicrotask(() => (type === "DELETED" ? this.#forget(object) : this.#observe(object)));
    });
    this.#planCheck();
    this.#rotation.start();
  }

  /** Ends every process within 4 s; the pods' objects stay, for the next start. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#unwatch?.();
    this.#cancelCheck?.();
    this.#rotation.stop();
    const { api, ledger, networks, log } = this.#context;
    for (const { registration } of this.#nodes.values())
      this.#attempt("the node was not retired", () => registration.retire());
    const runners = [...this.#runners.values()];
    for (const { identity } of runners) {
      const pod = api.find("pods", identity.namespace, identity.name);
      if (pod?.metadata?.uid === identity.uid) this.#markUnready(pod);
    }
    await within(this.#context.clock, STOP_LIMIT_MS, Promise.all(runners.map((runner) => runner.halt(STOP_GRACE_MS))));
    this.#runners.clear();
    const { left } = await ledger.reap();
    if (left.length > 0) log.warn("processes do not end", { pids: left });
    await networks.close();
    ledger.close();
  }

  #observe(pod: Pod): void {
    const uid = pod.metadata?.uid ?? "";
    const node = this.#nodes.get(pod.spec?.nodeName ?? "");
    if (!node || this.#stopping) return;
    const runner = this.#runners.get(uid);
    if (runner) return runner.update(pod);
    const { namespace, name } = identityOf(pod);
    if (pod.metadata?.deletionTimestamp !== undefined) {
      // Nothing of it runs: the earlier run's processes are gone.
      const options = { gracePeriodSeconds: 0, preconditions: { uid } };
      this.#attempt("the pod was not deleted", () => this.#context.api.delete("pods", namespace, name, options));
      return;
    }
    if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") return;
    this.#launch(pod, node);
  }

  #launch(pod: Pod, node: ManagedNode): void {
    const identity = identityOf(pod);
    const { name: nodeName, address: hostIp } = node.registration.place;
    const podIp = pod.spec?.hostNetwork ? hostIp : addressFor(pod, node.addresses);
    if (podIp === undefined) {
      const message = `no address is free in ${node.addresses.subnet}`;
      const note = {
        type: "Warning",
        reason: "FailedCreatePodSandBox",
        message,
        component: "kubelet",
        host: nodeName,
      } as const;
      this.#attempt("an event was not recorded", () => this.#context.api.recordEvent(pod, note));
      return;
    }
    const runner = new PodRunner({
      pod,
      node: this.#context,
      podIp,
      hostIp,
      nodeName,
      onSettled: () => {
        node.addresses.release(identity.uid);
        this.#runners.delete(identity.uid);
        void this.#removeFiles(identity);
      },
    });
    this.#runners.set(identity.uid, runner);
    void runner.run();
  }

  #forget(pod: Pod): void {
    const identity = identityOf(pod);
    const runner = this.#runners.get(identity.uid);
    if (runner) void runner.removed();
    else if (this.#nodes.has(pod.spec?.nodeName ?? "")) {
      void this.#removeFiles(identity);
    }
  }

  async #removeFiles(pod: PodIdentity): Promise<void> {
    try {
      await this.#context.directories.remove(pod);
    } catch (error) {
      this.#context.log.warn("the pod's files were not removed", { pod: pod.name, error: String(error) });
    }
  }

  /** Nodes that an earlier run had and this one has not: nobody would ever end their pods, or say that they do not run. */
  #dismissFormerNodes(): void {
    const { api, log } = this.#context;
    for (const node of api.list("nodes").items) {
      const name = node.metadata?.name ?? "";
      if (this.#nodes.has(name) || !isRegistered(node)) continue;
      log.info("a node of an earlier run is removed", { node: name });
      for (const pod of api.list("pods", { fieldSelector: `spec.nodeName=${name}` }).items) {
        const { namespace, name: podName } = identityOf(pod);
        this.#attempt("the pod was not deleted", () =>
          api.delete("pods", namespace, podName, { gracePeriodSeconds: 0 }),
        );
      }
      this.#attempt("the node was not deleted", () => api.delete("nodes", undefined, name));
    }
  }

  #claimAddresses(pods: readonly Pod[]): void {
    const byAge = [...pods].sort((a, b) => ((a.status?.startTime ?? "") < (b.status?.startTime ?? "") ? -1 : 1));
    for (const pod of byAge) {
      const addresses = this.#nodes.get(pod.spec?.nodeName ?? "")?.addresses;
      const own = pod.status?.podIP;
      const over = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
      if (!addresses || own === undefined) continue;
      if (!over) addresses.claim(own, pod.metadata?.uid ?? "");
      // Addresses given out last rest longest, also across a restart.
      addresses.continueAfter(own);
    }
  }

  #markUnready(pod: Pod): void {
    const { namespace, name, uid } = identityOf(pod);
    if (pod.status?.conditions === undefined) return;
    this.#attempt("the pod was not marked unready", () =>
      this.#context.api.modify(
        "pods",
        namespace,
        name,
        (stored) =>
          stored.metadata?.uid === uid
            ? { ...stored, status: unreadyStatus(stored, this.#context.clock.now()) }
            : undefined,
        "status",
      ),
    );
  }

  #planCheck(): void {
    this.#cancelCheck = this.#context.clock.setTimer(NODE_CHECK_INTERVAL_MS, () => {
      for (const { registration } of this.#nodes.values()) {
        this.#attempt("the node was not checked", () => registration.check());
      }
      this.#retryPending();
      this.#planCheck();
    });
  }

  /** Pods that found no free address get another chance. */
  #retryPending(): void {
    for (const pod of this.#context.api.list("pods").items) {
      if (!this.#runners.has(pod.metadata?.uid ?? "")) this.#observe(pod);
    }
  }

  #attempt(failure: string, action: () => unknown): void {
    try {
      action();
    } catch (error) {
      this.#context.log.warn(failure, { error: String(error) });
    }
  }
}

/** The address that the pod had before, or the next one. */
function addressFor(pod: Pod, addresses: AddressPool): string | undefined {
  const { uid } = identityOf(pod);
  const own = pod.status?.podIP ?? "";
  return own !== "" && addresses.claim(own, uid) ? own : addresses.take(uid);
}
