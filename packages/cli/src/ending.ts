/** What brings the launcher to its end: a signal, an output that nobody reads any more, an error that reached nobody. */

import type { Clock } from "@fairlead/types";

/**
 * Signals that come this soon after the first one count as the same, in milliseconds: one Ctrl-C or one kill of a process
 * group arrives several times, by way of npm and of the terminal.
 */
export const sameSignalMs = 500;

/** Why the launcher ends. */
export type Reason =
  | { readonly kind: "asked"; readonly signal: NodeJS.Signals }
  | { readonly kind: "unread" }
  | { readonly kind: "crashed"; readonly error: unknown };

/** Signals that ask for an orderly end; SIGHUP is a terminal that was closed. */
const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** See the module. Watch early: a signal before that ends the process the hard way. */
export class Ending {
  /** Settles with the first reason. */
  readonly reason: Promise<Reason>;
  readonly #resolve: (reason: Reason) => void;
  #monotonic: () => number = () => 0;
  #firstAt: number | undefined;
  /** Told of errors that come after the first reason. */
  onLateError: (error: unknown) => void = () => {};

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Reason>();
    this.reason = promise;
    this.#resolve = resolve;
  }

  /** Before this every further signal counts as the first one: the clock is loaded later than the first signal may come. */
  useClock(clock: Clock): void {
    this.#monotonic = () => clock.monotonic();
    if (this.#firstAt !== undefined) this.#firstAt = clock.monotonic();
  }

  /** Whether there is a reason already. */
  get begun(): boolean {
    return this.#firstAt !== undefined;
  }

  /** From now on, signals and errors that nobody handles lead to the end; a second signal ends the process at once. */
  watch(): void {
    for (const [name, number] of Object.entries(signals)) {
      process.on(name, () => this.#signalled(name as NodeJS.Signals, number));
    }
    process.on("uncaughtException", (error) => this.crashed(error));
    process.on("unhandledRejection", (error) => this.crashed(error));
    process.stdout.on("error", () => this.#begin({ kind: "unread" }));
    process.stderr.on("error", () => {});
  }

  /** An error reached nobody: what runs is in no known state. */
  crashed(error: unknown): void {
    if (this.begun) this.onLateError(error);
    else this.#begin({ kind: "crashed", error });
  }

  #signalled(signal: NodeJS.Signals, number: number): void {
    // What listens to "exit" ends what would not end by itself.
    if (this.#firstAt !== undefined && this.#monotonic() - this.#firstAt > sameSignalMs) process.exit(128 + number);
    this.#begin({ kind: "asked", signal });
  }

  #begin(reason: Reason): void {
    this.#firstAt ??= this.#monotonic();
    this.#resolve(reason);
  }
}
