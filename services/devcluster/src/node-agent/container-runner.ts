/** The life of one container of a pod: start, probes, end, and start again as its policy says. */
import type { Container, ContainerStatus } from "@fairlead/kube/objects";
import { RestartBackOff } from "./back-off.ts";
import { planContainer } from "./container-plan.ts";
import type { ContainerPlan } from "./container-plan.ts";
import { ContainerRun } from "./container-run.ts";
import type { EndOptions } from "./container-run.ts";
import { containerStatus, newContainerId, terminated, waiting } from "./container-state.ts";
import type { ContainerState, Resumption } from "./container-state.ts";
import { resolvConf } from "./environment/resolv-conf.ts";
import { CONFIGURATION_RETRY_MS } from "./limits.ts";
import { pause, timestamp } from "./pause.ts";
import { ContainerPlanError } from "./plan-error.ts";
import type { PodContext } from "./pod-context.ts";
import { ContainerProcess } from "./process/container-process.ts";

/** When a container is started again. */
export type RestartPolicy = "Always" | "OnFailure" | "Never";

/** One container. It does nothing until {@link run}. */
export class ContainerRunner {
  readonly name: string;
  #container: Container;
  readonly #policy: RestartPolicy;
  readonly #context: PodContext;
  readonly #onChange: () => void;
  readonly #ending = new AbortController();
  readonly #backOff = new RestartBackOff();
  readonly #finished: boolean;
  #state: ContainerState;
  #lastState: ContainerState;
  #restartCount: number;
  #containerId: string;
  #run: ContainerRun | undefined;
  #cycle: Promise<void> | undefined;
  #complaint = "";

  /** `resumed` is how it stands by what a former node agent wrote about it. */
  constructor(options: {
    container: Container;
    policy: RestartPolicy;
    context: PodContext;
    resumed: Resumption;
    onChange: () => void;
  }) {
    const { container, policy, context, resumed, onChange } = options;
    this.name = container.name;
    this.#container = container;
    this.#policy = policy;
    this.#context = context;
    this.#onChange = onChange;
    this.#state = resumed.state;
    this.#lastState = resumed.lastState;
    this.#restartCount = resumed.restartCount;
    this.#containerId = resumed.containerId;
    this.#finished = resumed.finished;
  }

  get started(): boolean {
    return this.#run?.started ?? false;
  }

  /** Number of the incarnation that runs or ran last: the name of its log. */
  get incarnation(): number {
    return this.#restartCount;
  }

  get running(): boolean {
    return this.#state.running !== undefined;
  }

  /** How the last run ended, if there was one and none goes on. */
  get exitCode(): number | undefined {
    return this.#state.terminated?.exitCode;
  }

  status(): ContainerStatus {
    return containerStatus({
      container: this.#container,
      state: this.#state,
      lastState: this.#lastState,
      ready: this.running && (this.#run?.ready ?? false),
      started: this.running && this.started,
      restartCount: this.#restartCount,
      containerId: this.#containerId,
    });
  }

  /** Runs the container until it ended for good: by its policy, or by {@link end}. Never rejects for what the app does. */
  run(): Promise<void> {
    this.#cycle ??= this.#runAll();
    return this.#cycle;
  }

  async #runAll(): Promise<void> {
    if (this.#finished) return;
    for (;;) {
      const plan = await this.#plan();
      if (!plan) return;
      const began = this.#context.clock.monotonic();
      await this.#runOnce(plan);
      if (this.#ending.signal.aborted || !this.#wanted()) return;
      const pauseMs = this.#backOff.next(this.#context.clock.monotonic() - began);
      if (pauseMs > 0) await this.#backOffFor(pauseMs);
      if (this.#ending.signal.aborted) return;
      this.#lastState = this.#state.terminated ? this.#state : this.#lastState;
      this.#restartCount += 1;
    }
  }

  /** Ends the container for good; another call with a shorter grace brings the end forward. Settles when nothing of it runs. */
  async end(options: EndOptions): Promise<void> {
    this.#ending.abort();
    await this.#run?.end(options);
    await this.#cycle;
  }

  /** Takes over a changed definition: a new image ends the run, and the next one has it. */
  change(container: Container): void {
    if (container.image === this.#container.image) return;
    this.#container = container;
    this.#complaint = "";
    void this.#run?.restart(`Container ${this.name} definition changed, will be restarted`);
  }

  #wanted(): boolean {
    return this.#policy === "Always" || (this.#policy === "OnFailure" && this.exitCode !== 0);
  }

  #set(state: ContainerState): void {
    this.#state = state;
    this.#onChange();
  }

  /** Tries until the container can be started; `undefined` when it is ended before. */
  async #plan(): Promise<ContainerPlan | undefined> {
    const { pod, place, sources, images, inherited, directories, identity, clock, network } = this.#context;
    while (!this.#ending.signal.aborted) {
      try {
        const dnsFile = this.#writeResolvConf();
        const scratch = directories.prepare(identity, this.name, this.#restartCount);
        const container = this.#container;
        return planContainer({
          pod: pod(),
          container,
          place,
          sources,
          images,
          scratch,
          resolvConf: dnsFile,
          ownResolvConf: network().ownResolvConf,
          inherited,
        });
      } catch (error) {
        this.#complain(error);
        await pause(clock, CONFIGURATION_RETRY_MS, this.#ending.signal);
      }
    }
    return undefined;
  }

  /** Writes the pod's resolv.conf, anew for each start, as the machine's may have changed; returns its path. */
  #writeResolvConf(): string {
    const { pod, directories, identity, dns, event } = this.#context;
    const { text, warnings } = resolvConf(pod(), dns());
    const written = directories.writeResolvConf(identity, text);
    if (written.changed) for (const { reason, message } of warnings) event("Warning", reason, message);
    return written.path;
  }

  #complain(error: unknown): void {
    const { event } = this.#context;
    const reason = error instanceof ContainerPlanError ? error.code : "CreateContainerError";
    const message = error instanceof Error ? error.message : String(error);
    const image = JSON.stringify(this.#container.image ?? "");
    if (this.#complaint !== message) {
      this.#complaint = message;
      if (reason === "ErrImagePull") event("Warning", "Failed", `Failed to pull image ${image}: ${message}`);
      event("Warning", "Failed", `Error: ${reason === "ErrImagePull" ? reason : message}`);
      this.#set(waiting(reason, message));
    } else if (reason === "ErrImagePull" && this.#state.waiting?.reason === reason) {
      event("Normal", "BackOff", `Back-off pulling image ${image}`);
      this.#set(waiting("ImagePullBackOff", `Back-off pulling image ${image}: ${message}`));
    }
  }

  async #backOffFor(ms: number): Promise<void> {
    const { namespace, name, uid } = this.#context.identity;
    const where = `${name}_${namespace}(${uid})`;
    this.#lastState = this.#state;
    this.#context.event("Warning", "BackOff", `Back-off restarting failed container ${this.name} in pod ${where}`);
    const span = ms < 60_000 ? `${ms / 1_000}s` : `${Math.floor(ms / 60_000)}m${(ms % 60_000) / 1_000}s`;
    const message = `back-off ${span} restarting failed container=${this.name} pod=${where}`;
    this.#set(waiting("CrashLoopBackOff", message));
    await pause(this.#context.clock, ms, this.#ending.signal);
  }

  /** One run, from start to end; leaves the state `terminated`. */
  async #runOnce(plan: ContainerPlan): Promise<void> {
    const { ledger, turnstile, directories, identity, clock, event, network } = this.#context;
    const containerId = newContainerId();
    const startedAt = clock.now();
    const logFile = directories.logFile(identity, this.name, this.#restartCount);
    this.#containerId = containerId;
    let process: ContainerProcess;
    await turnstile.next();
    if (this.#ending.signal.aborted) return;
    try {
      event(
        "Normal",
        "Pulled",
        `Container image ${JSON.stringify(this.#container.image ?? "")} already present on machine`,
      );
      const what = { plan, network: network(), logFile, ledger };
      process = await ContainerProcess.start({ ...what, podUid: identity.uid, container: this.name });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      event("Warning", "Failed", `Error: ${message}`);
      const end = { exitCode: 128, reason: "StartError", message, containerId, startedAt, finishedAt: clock.now() };
      this.#set(terminated(end));
      return;
    }
    event("Normal", "Created", `Created container: ${this.name}`);
    event("Normal", "Started", `Started container ${this.name}`);
    const run = new ContainerRun({
      container: this.#container,
      plan,
      process,
      context: this.#context,
      onChange: this.#onChange,
    });
    this.#run = run;
    // Ended while it was being started: the one who ends it did not know of this run.
    if (this.#ending.signal.aborted) process.kill();
    await run.start();
    this.#set({ running: { startedAt: timestamp(startedAt) } });
    const exitCode = await run.over();
    this.#run = undefined;
    this.#set(terminated({ exitCode, containerId, startedAt, finishedAt: clock.now() }));
  }
}
