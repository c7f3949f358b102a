/** The probes of one run of a container, and what they say of it together. */
import type { Container } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import { probeOnce } from "./probe-handlers.ts";
import type { ProbeTarget } from "./probe-handlers.ts";
import type { ProbeKind } from "./probe-state.ts";
import { ProbeWorker } from "./probe-worker.ts";

/** What a run's probes need. */
export interface ContainerProbesOptions {
  readonly container: Container;
  readonly clock: Clock;
  readonly target: ProbeTarget;
  readonly onEvent: (reason: "Unhealthy" | "ProbeWarning", message: string) => void;
  /** Hears when {@link ContainerProbes.started} or {@link ContainerProbes.ready} may have changed. */
  readonly onChange: () => void;
  /** Hears once that the container has to be restarted. */
  readonly onFailed: (kind: "startup" | "liveness") => void;
}

const TITLES: Readonly<Record<ProbeKind, string>> = {
  startup: "Startup probe",
  liveness: "Liveness probe",
  readiness: "Readiness probe",
};

/** Liveness and readiness wait until the startup probe has passed; without a probe its answer is yes. */
export class ContainerProbes {
  readonly #options: ContainerProbesOptions;
  readonly #startedAt: number;
  readonly #workers = new Map<ProbeKind, ProbeWorker>();
  started = false;
  ready = false;

  constructor(options: ContainerProbesOptions) {
    this.#options = options;
    this.#startedAt = options.clock.monotonic();
  }

  start(): void {
    if (this.#options.container.startupProbe) this.#work("startup");
    else this.#pass();
  }

  /** The container is being ended: it is not restarted any more, but its readiness is still asked for. */
  endRestarts(): void {
    this.#workers.get("startup")?.stop();
    this.#workers.get("liveness")?.stop();
  }

  stop(): void {
    for (const worker of this.#workers.values()) worker.stop();
    this.started = false;
    this.ready = false;
  }

  #pass(): void {
    const { container } = this.#options;
    this.started = true;
    if (container.readinessProbe) this.#work("readiness");
    else this.ready = true;
    if (container.livenessProbe) this.#work("liveness");
  }

  #work(kind: ProbeKind): void {
    const { container, clock, target, onEvent, onChange, onFailed } = this.#options;
    const probe = container[`${kind}Probe`];
    if (!probe) return;
    const worker = new ProbeWorker({
      kind,
      probe,
      clock,
      startedAt: this.#startedAt,
      ask: (signal) => probeOnce(probe, target, clock, signal),
      onTrouble: ({ result, message }) => {
        if (result === "success") onEvent("ProbeWarning", `${TITLES[kind]} warning: ${message}`);
        else onEvent("Unhealthy", `${TITLES[kind]} ${result === "error" ? "errored" : "failed"}: ${message}`);
      },
      onChange: (passed) => {
        if (kind === "readiness") this.ready = passed;
        else if (!passed) return onFailed(kind);
        else if (kind === "startup") this.#pass();
        onChange();
      },
    });
    this.#workers.set(kind, worker);
    worker.start();
  }
}
