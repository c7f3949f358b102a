/** The life of one pod on its node: init containers, sidecars, containers, status, end. */
import { isDeepStrictEqual } from "node:util";
import type { Pod } from "@fairlead/kube/objects";
import type { EndOptions } from "./container-run.ts";
import { ContainerRunner } from "./container-runner.ts";
import type { RestartPolicy } from "./container-runner.ts";
import { resume, waiting } from "./container-state.ts";
import { PodEventRecorder } from "./event-recorder.ts";
import { CONFIGURATION_RETRY_MS, DEFAULT_GRACE_SECONDS, FORCED_GRACE_MS, TERMINATION_DELAY_MS } from "./limits.ts";
import type { PodIdentity } from "./log/pod-directories.ts";
import type { PodNetwork } from "./network/pod-network.ts";
import { pause } from "./pause.ts";
import type { NodeContext, PodContext } from "./pod-context.ts";
import { podStatus, sidecarNames } from "./pod-status.ts";

type Container = NonNullable<Pod["spec"]>["containers"][number];

/** Names the pod for good. */
export function identityOf(pod: Pod): PodIdentity {
  const { namespace = "", name = "", uid = "" } = pod.metadata ?? {};
  return { namespace, name, uid };
}

/** One pod. It does nothing until {@link run}. */
export class PodRunner {
  readonly identity: PodIdentity;
  readonly #context: PodContext;
  readonly #init: readonly ContainerRunner[];
  readonly #apps: readonly ContainerRunner[];
  readonly #sidecars: ReadonlySet<string>;
  readonly #settled: () => void;
  readonly #nodeName: string;
  readonly #ending = new AbortController();
  #pod: Pod;
  #attached: PodNetwork | undefined;
  #attaching: Promise<void> | undefined;
  #phase: "running" | "ending" | "silent" = "running";
  #endsWithin = Number.POSITIVE_INFINITY;
  #publishing = false;
  #wasReady = false;

  /** `onSettled` is told when nothing of the pod runs and nothing will. */
  constructor(options: {
    pod: Pod;
    node: NodeContext;
    podIp: string;
    hostIp: string;
    nodeName: string;
    onSettled: () => void;
  }) {
    const { pod, node, podIp, hostIp, nodeName, onSettled } = options;
    this.#pod = pod;
    this.#settled = onSettled;
    this.#nodeName = nodeName;
    this.identity = identityOf(pod);
    const log = node.log.child({ pod: `${this.identity.namespace}/${this.identity.name}` });
    const onError = (error: unknown): void => log.warn("an event was not recorded", { error: String(error) });
    const events = new PodEventRecorder({ api: node.api, clock: node.clock, host: nodeName, onError });
    this.#context = {
      ...node,
      log,
      identity: this.identity,
      place: { podIp, hostIp },
      network: () => {
        if (this.#attached === undefined) throw new Error("the pod is not on the network yet");
        return this.#attached;
      },
      pod: () => this.#pod,
      event: (type, reason, message) => events.record(this.#pod, type, reason, message),
    };
    this.#sidecars = sidecarNames(pod);
    const policy = (pod.spec?.restartPolicy ?? "Always") as RestartPolicy;
    const initPolicy = policy === "Never" ? "Never" : "OnFailure";
    const init = pod.spec?.initContainers ?? [];
    const idle = waiting(init.length > 0 ? "PodInitializing" : "ContainerCreating");
    // After a restart of the node what init containers did is gone with it, so they run again.
    this.#init = init.map((container) =>
      this.#runner(container, this.#sidecars.has(container.name) ? "Always" : initPolicy, "again", idle),
    );
    this.#apps = (pod.spec?.containers ?? []).map((container) => this.#runner(container, policy, policy, idle));
  }

  /** The container of this name. */
  container(name: string): ContainerRunner | undefined {
    return [...this.#init, ...this.#apps].find((runner) => runner.name === name);
  }

  /** Logs that grow now. */
  *logFiles(): Generator<string> {
    for (const runner of [...this.#init, ...this.#apps]) {
      if (runner.running) yield this.#context.directories.logFile(this.identity, runner.name, runner.incarnation);
    }
  }

  /** Runs the pod to its end: by its restart policy, or by deletion. */
  async run(): Promise<void> {
    this.#publish();
    this.#warnAboutVolumes();
    try {
      this.#attaching = this.#attach();
      await this.#attaching;
      if (this.#attached !== undefined && (await this.#initialize()))
        await Promise.all(this.#apps.map((runner) => runner.run()));
      // Sidecars do not keep a pod alive whose work is done.
      if (this.#phase === "running") {
        await this.#endSidecars(this.#graceMs(), 0);
        // Whoever looks at it later wants its status and its logs.
        await this.#detach();
      }
    } catch (error) {
      this.#context.log.error("the pod could not be run", { error: String(error) });
    }
    this.#publish();
  }

  /** Takes over what the API shows now; a mark for deletion ends the pod. */
  update(pod: Pod): void {
    this.#pod = pod;
    if (pod.metadata?.deletionTimestamp === undefined) {
      for (const container of pod.spec?.containers ?? []) this.container(container.name)?.change(container);
      return;
    }
    if (this.#phase === "silent") return;
    const graceMs = this.#graceMs();
    // Its own last statuses come back here, too; only a shorter grace brings the end forward.
    if (graceMs >= this.#endsWithin) return;
    this.#endsWithin = graceMs;
    const again = this.#phase === "ending";
    this.#endAs("ending");
    const ended = this.#end({ graceMs, delayMs: TERMINATION_DELAY_MS, hook: true });
    if (!again) void ended.then(() => this.#finalize());
  }

  /** The object is gone from the API, maybe by force: whatever still runs ends soon. */
  async removed(): Promise<void> {
    this.#endAs("silent");
    await this.#end({ graceMs: FORCED_GRACE_MS, delayMs: 0, hook: false });
    await this.#detach();
    this.#settled();
  }

  /** The node agent stops: ends the processes and leaves the object as it is, so that the next start runs it again. */
  async halt(graceMs: number): Promise<void> {
    this.#endAs("silent");
    await this.#end({ graceMs, delayMs: 0, hook: false });
    await this.#detach();
  }

  #endAs(phase: "ending" | "silent"): void {
    this.#phase = phase;
    this.#ending.abort();
  }

  /** Puts the pod onto the network; tries until it is there, or the pod is to end. */
  async #attach(): Promise<void> {
    const { networks, place, clock, event } = this.#context;
    const hostNetwork = this.#pod.spec?.hostNetwork ?? false;
    while (!this.#ending.signal.aborted) {
      try {
        this.#attached = await networks.attach({ node: this.#nodeName, address: place.podIp, hostNetwork });
        return;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        event("Warning", "FailedCreatePodSandBox", `Failed to create pod sandbox: ${reason}`);
        await pause(clock, CONFIGURATION_RETRY_MS, this.#ending.signal);
      }
    }
  }

  /** Nothing of the pod runs any more, and nothing will. */
  async #detach(): Promise<void> {
    await this.#attaching;
    const attached = this.#attached;
    this.#attached = undefined;
    await attached?.detach().catch((error: unknown) => {
      this.#context.log.warn("the pod's network was not removed", { error: String(error) });
    });
  }

  #runner(
    container: Container,
    policy: RestartPolicy,
    resumption: RestartPolicy | "again",
    initial: ReturnType<typeof waiting>,
  ): ContainerRunner {
    const { containerStatuses = [], initContainerStatuses = [] } = this.#pod.status ?? {};
    const earlier = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container.name);
    return new ContainerRunner({
      container,
      policy,
      context: this.#context,
      resumed: resume(earlier, resumption === "again" ? "Always" : resumption, initial, this.#context.clock.now()),
      onChange: () => this.#publish(),
    });
  }

  /** True once the app's containers may start; false if that will not happen. */
  async #initialize(): Promise<boolean> {
    for (const runner of this.#init) {
      const run = runner.run();
      if (!this.#sidecars.has(runner.name)) {
        await run;
        if (runner.exitCode !== 0) return false;
      } else {
        run.catch((error: unknown) => this.#context.log.error("a sidecar could not be run", { error: String(error) }));
        while (!runner.started && this.#phase === "running") await pause(this.#context.clock, SIDECAR_CHECK_MS);
      }
      if (this.#phase !== "running") return false;
    }
    return this.#phase === "running";
  }

  async #end(options: EndOptions): Promise<void> {
    const until = this.#context.clock.monotonic() + options.graceMs;
    const steps = this.#init.filter(({ name }) => !this.#sidecars.has(name));
    await Promise.all([...this.#apps, ...steps].map((runner) => runner.end(options)));
    await this.#endSidecars(Math.max(0, until - this.#context.clock.monotonic()), options.hook ? 0 : options.delayMs);
  }

  /** In the reverse order of their start, within what is left of the grace. */
  async #endSidecars(graceMs: number, delayMs: number): Promise<void> {
    const until = this.#context.clock.monotonic() + graceMs;
    for (const runner of this.#init.filter(({ name }) => this.#sidecars.has(name)).toReversed()) {
      const left = Math.max(0, until - this.#context.clock.monotonic());
      await runner.end({ graceMs: left, delayMs, hook: true });
    }
  }

  /** Everything has ended: the last status, then the object may go. */
  #finalize(): void {
    if (this.#phase === "silent") return;
    this.#write();
    const { namespace, name, uid } = this.identity;
    try {
      this.#context.api.delete("pods", namespace, name, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      // Gone already, or replaced: either way it is not ours any more.
      this.#context.log.debug("the pod was not there to delete", { error: String(error) });
    }
  }

  #graceMs(): number {
    const { metadata, spec } = this.#pod;
    return (
      (metadata?.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1_000
    );
  }

  /** Writes the status soon, once for all changes of this turn. */
  #publish(): void {
    if (this.#publishing) return;
    this.#publishing = true;
    queueMicrotask(() => {
      this.#publishing = false;
      if (this.#phase !== "silent") this.#write();
    });
  }

  #write(): void {
    const { api, clock, place, log } = this.#context;
    const { namespace, name, uid } = this.identity;
    try {
      const stored = api.modify(
        "pods",
        namespace,
        name,
        (pod) => {
          if (pod.metadata?.uid !== uid) return undefined;
          const status = podStatus({
            pod,
            now: clock.now(),
            podIp: place.podIp,
            hostIp: place.hostIp,
            initStatuses: this.#init.map((runner) => runner.status()),
            statuses: this.#apps.map((runner) => runner.status()),
          });
          return isDeepStrictEqual(status, pod.status) ? undefined : { ...pod, status };
        },
        "status",
      );
      this.#announce(stored);
    } catch (error) {
      log.error("the pod's status was not written", { error: String(error) });
    }
  }

  #announce(pod: Pod | undefined): void {
    const ready = pod?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
    if (ready && !this.#wasReady) this.#context.log.notice("pod is ready", { address: this.#context.place.podIp });
    this.#wasReady = ready;
  }

  #warnAboutVolumes(): void {
    const { initContainers = [], containers = [] } = this.#pod.spec ?? {};
    const mounts = [...initContainers, ...containers].flatMap(({ name, volumeMounts = [] }) =>
      volumeMounts
        .filter(({ mountPath }) => !mountPath.startsWith("/var/run/secrets/kubernetes.io/"))
        .map(({ mountPath }) => `${mountPath} in ${name}`),
    );
    if (mounts.length === 0) return;
    const message = `volume mounts are not supported by the development node agent: ${mounts.join(", ")} will be missing`;
    this.#context.event("Warning", "VolumeMountsNotSupported", message);
  }
}

/** How often a sidecar is looked at until it has started, in ms. */
const SIDECAR_CHECK_MS = 100;
