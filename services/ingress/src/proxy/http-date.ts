/** The time as heads say it, written once a second. */
import type { Clock } from "@fairlead/types";

/** See the module. */
export class HttpDate {
  readonly #clock: Clock;
  #second = Number.NaN;
  #text = "";

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** RFC 9110, 5.6.7. */
  text(): string {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(second * 1000).toUTCString();
    }
    return this.#text;
  }
}
