/** What a series of probe results means: thresholds over equal results in a row. */

export const probeKinds = ["startup", "liveness", "readiness"] as const;
/** The three probes of a container. */
export type ProbeKind = (typeof probeKinds)[number];

/** Result of one probe. An error says nothing about the container and counts for nothing. */
export type ProbeResult = "success" | "failure" | "error";

/** The probe's standing: `undefined` until a startup probe has decided. */
export class ProbeState {
  readonly #threshold: { readonly success: number; readonly failure: number };
  #value: boolean | undefined;
  #last: ProbeResult | undefined;
  #run = 0;

  /** Readiness begins as failed, liveness as passed, startup undecided (a kubelet's initial values). */
  constructor(options: { kind: ProbeKind; successThreshold?: number; failureThreshold?: number }) {
    this.#threshold = { success: options.successThreshold ?? 1, failure: options.failureThreshold ?? 3 };
    this.#value = options.kind === "startup" ? undefined : options.kind === "liveness";
  }

  get value(): boolean | undefined {
    return this.#value;
  }

  /** Takes a result in; true if the standing changed by it. */
  observe(result: ProbeResult): boolean {
    if (result === "error") return false;
    this.#run = result === this.#last ? this.#run + 1 : 1;
    this.#last = result;
    if (this.#run < this.#threshold[result]) return false;
    const passed = result === "success";
    if (this.#value === passed) return false;
    this.#value = passed;
    return true;
  }
}
