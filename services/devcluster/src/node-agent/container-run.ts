/** One run of a container, from its started process to its end. */
import type { Container } from "@fairlead/kube/objects";
import type { ContainerPlan } from "./container-plan.ts";
import { runHook } from "./lifecycle-hook.ts";
import { DEFAULT_GRACE_SECONDS, LONGEST_TIMER_MS, MINIMUM_GRACE_MS } from "./limits.ts";
import { within } from "./pause.ts";
import type { PodContext } from "./pod-context.ts";
import { ContainerProbes } from "./probe/container-probes.ts";
import type { ProbeTarget } from "./probe/probe-handlers.ts";
import { runCommand } from "./process/command.ts";
import type { ContainerProcess } from "./process/container-process.ts";

/** How a run is ended. */
export interface EndOptions {
  /** From now to SIGKILL, in ms; 0 kills at once and skips the hook. */
  readonly graceMs: number;
  /** SIGTERM is not sent before this, in ms from now. */
  readonly delayMs: number;
  /** Whether the preStop hook runs. */
  readonly hook: boolean;
}

/** See the module. Probes begin with {@link ContainerRun.start}. */
export class ContainerRun {
  readonly #container: Container;
  readonly #context: PodContext;
  readonly #process: ContainerProcess;
  readonly #target: ProbeTarget;
  readonly #probes: ContainerProbes;
  readonly #timers: (() => void)[] = [];
  readonly #hookOver = new AbortController();
  #asked: "no" | "soon" | "now" = "no";

  constructor(options: {
    container: Container;
    plan: ContainerPlan;
    process: ContainerProcess;
    context: PodContext;
    onChange: () => void;
  }) {
    const { container, plan, process, context, onChange } = options;
    const { clock, place, event, ledger, turnstile, identity, network } = context;
    this.#container = container;
    this.#context = context;
    this.#process = process;
    const env = { ...plan.env, ...ledger.marks(identity.uid, container.name) };
    this.#target = {
      podIp: place.podIp,
      ports: container.ports ?? [],
      run: async (argv, timeoutMs, signal) => {
        await turnstile.next();
        const [program = "", ...args] = argv;
        const command = { ...plan, argv: [program, ...args] as const, env };
        return runCommand({ program: command, network: network(), timeoutMs, clock, signal });
      },
    };
    this.#probes = new ContainerProbes({
      container,
      clock,
      target: this.#target,
      onEvent: (reason, message) => event("Warning", reason, message),
      onChange,
      onFailed: (kind) =>
        void this.restart(
          `Container ${container.name} failed ${kind} probe, will be restarted`,
          container[`${kind}Probe`]?.terminationGracePeriodSeconds,
        ),
    });
  }

  get started(): boolean {
    return this.#probes.started;
  }

  get ready(): boolean {
    return this.#probes.ready;
  }

  /** Runs the postStart hook, a failure of which kills the container, and then lets the probes begin. */
  async start(): Promise<void> {
    const handler = this.#container.lifecycle?.postStart;
    void this.#process.exited.then(() => this.#hookOver.abort());
    if (handler) {
      const failure = await this.#runHook(handler);
      if (failure !== undefined) {
        this.#context.event("Warning", "FailedPostStartHook", `PostStartHook failed: ${failure}`);
        this.#process.kill();
      }
    }
    if (!this.#hookOver.signal.aborted) this.#probes.start();
  }

  /** Settles with the exit code when nothing of the container runs any more. */
  async over(): Promise<number> {
    const exit = await this.#process.exited;
    this.#probes.stop();
    for (const cancel of this.#timers) cancel();
    return exit.code;
  }

  /** Ends the run so that another may follow; `graceSeconds` overrides the pod's grace. */
  async restart(message: string, graceSeconds?: number): Promise<void> {
    const seconds = graceSeconds ?? this.#context.pod().spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    await this.end({ graceMs: seconds * 1_000, delayMs: 0, hook: true }, message);
  }

  /** Ends the run; a call while it is being ended only brings SIGKILL forward. Settles when it is over. */
  async end(options: EndOptions, message = `Stopping container ${this.#container.name}`): Promise<void> {
    const { clock, event } = this.#context;
    this.#probes.endRestarts();
    this.#killAfter(options.graceMs);
    if (this.#asked === "no") {
      this.#asked = "soon";
      event("Normal", "Killing", message);
      const delay = within(clock, options.delayMs, this.#process.exited);
      if (options.hook && options.graceMs > 0) await this.#preStop();
      await delay;
      this.#asked = "now";
      this.#process.signal("SIGTERM");
    }
    await this.#process.exited;
  }

  async #preStop(): Promise<void> {
    const handler = this.#container.lifecycle?.preStop;
    const failure = handler && (await this.#runHook(handler));
    if (failure !== undefined) {
      this.#context.event("Warning", "FailedPreStopHook", `PreStopHook failed: ${failure}`);
    }
  }

  #killAfter(ms: number): void {
    const { clock } = this.#context;
    if (ms === 0) return this.#process.kill();
    const expire = (): void => {
      if (this.#asked === "now") return this.#process.kill();
      // The hook used the grace up: the app still gets a moment after SIGTERM.
      this.#hookOver.abort();
      this.#timers.push(clock.setTimer(MINIMUM_GRACE_MS, () => this.#process.kill()));
    };
    this.#timers.push(clock.setTimer(Math.min(ms, LONGEST_TIMER_MS), expire));
  }

  /** Why the hook failed, or `undefined`; a container that has ended needs no hook. */
  async #runHook(handler: Parameters<typeof runHook>[0]["handler"]): Promise<string | undefined> {
    const { clock } = this.#context;
    let exited = false;
    void this.#process.exited.then(() => (exited = true));
    const failure = await runHook({ handler, target: this.#target, clock, signal: this.#hookOver.signal });
    return exited ? undefined : failure;
  }
}
