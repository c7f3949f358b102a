/** Asks one probe of one container again and again. */
import type { Probe } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import type { ProbeOutcome } from "./probe-handlers.ts";
import { ProbeState } from "./probe-state.ts";
import type { ProbeKind } from "./probe-state.ts";

/** What a worker needs. */
export interface ProbeWorkerOptions {
  readonly kind: ProbeKind;
  readonly probe: Probe;
  readonly clock: Clock;
  /** When the container started, by the clock's monotonic time: the initial delay counts from there. */
  readonly startedAt: number;
  readonly ask: (signal: AbortSignal) => Promise<ProbeOutcome>;
  /** Hears of every outcome that is not a plain success. */
  readonly onTrouble: (outcome: ProbeOutcome) => void;
  /** Hears when the standing changes. */
  readonly onChange: (passed: boolean) => void;
}

/**
 * The first question comes when the initial delay is over, without the random wait that spreads a real node's probes; the
 * others follow with a period's distance. A slow answer skips the times it missed. At most one question is open.
 */
export class ProbeWorker {
  readonly #options: ProbeWorkerOptions;
  readonly #state: ProbeState;
  readonly #stop = new AbortController();
  #cancel: (() => void) | undefined;

  constructor(options: ProbeWorkerOptions) {
    const { kind, probe } = options;
    this.#options = options;
    this.#state = new ProbeState({
      kind,
      ...(probe.successThreshold === undefined ? {} : { successThreshold: probe.successThreshold }),
      ...(probe.failureThreshold === undefined ? {} : { failureThreshold: probe.failureThreshold }),
    });
  }

  start(): void {
    const { clock, startedAt, probe } = this.#options;
    this.#plan(startedAt + (probe.initialDelaySeconds ?? 0) * 1_000 - clock.monotonic());
  }

  /** No question is asked and no result counted after this. */
  stop(): void {
    this.#stop.abort();
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #plan(delayMs: number): void {
    this.#cancel = this.#options.clock.setTimer(Math.max(0, delayMs), () => void this.#ask());
  }

  async #ask(): Promise<void> {
    const { ask, clock, kind, probe, onTrouble, onChange } = this.#options;
    const began = clock.monotonic();
    const outcome = await ask(this.#stop.signal);
    if (this.#stop.signal.aborted) return;
    const period = (probe.periodSeconds ?? 10) * 1_000;
    const late = clock.monotonic() - began;
    this.#plan(period - (late % period));
    if (outcome.result !== "success" || outcome.warning) onTrouble(outcome);
    if (!this.#state.observe(outcome.result)) return;
    // A failed startup or liveness probe ends the container; a passed startup probe has done its work.
    if (kind === "startup" || (kind === "liveness" && this.#state.value === false)) this.stop();
    onChange(this.#state.value === true);
  }
}
