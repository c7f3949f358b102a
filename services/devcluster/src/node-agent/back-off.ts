/** When a crashed container may run again: at once, then after 10 s, 20 s … 5 min (a kubelet's rule). */
import { BACK_OFF_BASE_MS, BACK_OFF_MAX_MS, BACK_OFF_RESET_MS } from "./limits.ts";

/** The back-off of one container, or of one image. */
export class RestartBackOff {
  #pauseMs = 0;

  /** The pause before the next try, in ms, after a run of `ranForMs`. */
  next(ranForMs: number): number {
    if (ranForMs >= BACK_OFF_RESET_MS) this.#pauseMs = 0;
    const pause = this.#pauseMs;
    this.#pauseMs = pause === 0 ? BACK_OFF_BASE_MS : Math.min(pause * 2, BACK_OFF_MAX_MS);
    return pause;
  }
}
