/** Asks one probe of one container again and again. */
import type { Probe } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import { EARLY_PROBE_MS } from "../limits.ts";
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
 *
 * Until a readiness or startup probe has passed for the first time, early questions are asked between these; of them only a
 * success counts, and none where several successes are asked for. So thresholds keep their meaning in seconds. The very
 * first question comes before most apps can answer; its failure counts, but is not worth telling.
 */
export class ProbeWorker {
  readonly #options: ProbeWorkerOptions;
  readonly #state: ProbeState;
  readonly #stop = new AbortController();
  readonly #periodMs: number;
  #due: number;
  #earlyMs: number;
  #quiet: boolean;
  #cancel: (() => void) | undefined;

  constructor(options: ProbeWorkerOptions) {
    const { kind, probe, startedAt } = options;
    const { successThreshold = 1, failureThreshold = 3, initialDelaySeconds = 0, periodSeconds = 10 } = probe;
    this.#options = options;
    this.#state = new ProbeState({ kind, successThreshold, failureThreshold });
    this.#periodMs = periodSeconds * 1_000;
    this.#due = startedAt + initialDelaySeconds * 1_000;
    this.#earlyMs = kind === "liveness" || successThreshold > 1 ? this.#periodMs : EARLY_PROBE_MS;
    this.#quiet = this.#earlyMs < this.#periodMs;
  }

  start(): void {
    this.#plan(this.#due, false);
  }

  /** No question is asked and no result counted after this. */
  stop(): void {
    this.#stop.abort();
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #plan(at: number, early: boolean): void {
    const { clock } = this.#options;
    this.#cancel = clock.setTimer(Math.max(0, at - clock.monotonic()), () => void this.#ask(early));
  }

  async #ask(early: boolean): Promise<void> {
    const { ask, clock, onTrouble } = this.#options;
    const outcome = await ask(this.#stop.signal);
    if (this.#stop.signal.aborted) return;
    const now = clock.monotonic();
    if (!early) this.#due += this.#periodMs * Math.max(1, Math.floor((now - this.#due) / this.#periodMs) + 1);
    if (outcome.result === "success") this.#earlyMs = this.#periodMs;
    const next = now + this.#earlyMs;
    this.#earlyMs = Math.min(this.#periodMs, this.#earlyMs * 2);
    this.#plan(Math.min(this.#due, next), next < this.#due);
    const failed = outcome.result !== "success";
    if (early && failed) return;
    if ((failed && !this.#quiet) || outcome.warning) onTrouble(outcome);
    this.#quiet = false;
    this.#judge(outcome);
  }

  #judge({ result }: ProbeOutcome): void {
    const { kind, onChange } = this.#options;
    if (!this.#state.observe(result)) return;
    // A failed startup or liveness probe ends the container; a passed startup probe has done its work.
    if (kind === "startup" || (kind === "liveness" && this.#state.value === false)) this.stop();
    onChange(this.#state.value === true);
  }
}
