/** The events of one pod, within a kubelet's bounds. */
import type { Pod } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import type { ClusterApi } from "../api/cluster-api.ts";
import { EVENT_BURST, EVENT_REFILL_MS } from "./limits.ts";

/** Writes events about a pod; a flood of them (a probe that fails every second) is cut off, as client-go does. */
export class PodEventRecorder {
  readonly #api: ClusterApi;
  readonly #clock: Clock;
  readonly #host: string;
  readonly #onError: (error: unknown) => void;
  #tokens = EVENT_BURST;
  #countedAt: number;

  constructor(options: { api: ClusterApi; clock: Clock; host: string; onError: (error: unknown) => void }) {
    this.#api = options.api;
    this.#clock = options.clock;
    this.#host = options.host;
    this.#onError = options.onError;
    this.#countedAt = options.clock.monotonic();
  }

  /** Records an event; an API that cannot take it does not stop the pod. */
  record(pod: Pod, type: "Normal" | "Warning", reason: string, message: string): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(EVENT_BURST, this.#tokens + (now - this.#countedAt) / EVENT_REFILL_MS);
    this.#countedAt = now;
    if (this.#tokens < 1) return;
    this.#tokens -= 1;
    try {
      this.#api.recordEvent(pod, { type, reason, message, component: "kubelet", host: this.#host });
    } catch (error) {
      this.#onError(error);
    }
  }
}
