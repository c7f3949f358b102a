/** One address, port and protocol on this machine: open while a Service wants it, tried again while it cannot be had. */
import type { Clock } from "@fairlead/types";
import type { RelayEntry, RelayObserver } from "./entry.ts";
import type { Listener, Target } from "./listener.ts";

/** Time between attempts while another process may be about to let go of the address, in milliseconds. */
export const BUSY_RETRY_MS = 20;

/** Attempts at that pace; then it counts as a problem. */
export const BUSY_RETRIES = 50;

/** Time between attempts when it is a problem, in milliseconds. A change to the Service tries at once. */
export const SLOW_RETRY_MS = 5_000;

/** See the module. */
export class ListenerSlot<E extends RelayEntry> {
  readonly #make: (target: Target<E>) => Listener;
  readonly #clock: Clock;
  readonly #observer: RelayObserver<E>;
  #wanted: Target<E> | undefined;
  #listener: Listener | undefined;
  #cancelRetry: (() => void) | undefined;
  #attempts = 0;
  #reported: string | undefined;
  #tail: Promise<void> = Promise.resolve();

  constructor(options: { make: (target: Target<E>) => Listener; clock: Clock; observer: RelayObserver<E> }) {
    this.#make = options.make;
    this.#clock = options.clock;
    this.#observer = options.observer;
  }

  /** The target whose traffic is really taken. */
  get held(): Target<E> | undefined {
    return this.#listener === undefined ? undefined : this.#wanted;
  }

  /** Says who wants the address now; settles when that is so, or when a first attempt has failed. Never rejects. */
  want(target: Target<E> | undefined): Promise<void> {
    this.#wanted = target;
    // An open listener changes hands without a pause: not a single connection is refused.
    if (target !== undefined) this.#listener?.retarget(target);
    this.#attempts = 0;
    return this.#enqueue();
  }

  #enqueue(): Promise<void> {
    this.#tail = this.#tail.then(() => this.#settle());
    return this.#tail;
  }

  async #settle(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const listener = this.#listener;
    if (this.#wanted === undefined) {
      this.#listener = undefined;
      this.#reported = undefined;
      await listener?.close();
    } else if (listener === undefined) {
      await this.#open(this.#wanted);
    }
  }

  async #open(target: Target<E>): Promise<void> {
    const listener = this.#make(target);
    try {
      await listener.open();
    } catch (error) {
      this.#failed(target, error as NodeJS.ErrnoException);
      return;
    }
    this.#listener = listener;
    this.#reported = undefined;
    // It may have changed hands while the system was asked.
    if (this.#wanted !== undefined && this.#wanted !== target) listener.retarget(this.#wanted);
    this.#observer.serving(target.service.entry, target.frontend);
  }

  #failed(target: Target<E>, error: NodeJS.ErrnoException): void {
    if (this.#wanted === undefined) return;
    this.#attempts++;
    const patient = error.code === "EADDRINUSE" && this.#attempts <= BUSY_RETRIES && this.#reported === undefined;
    if (!patient) this.#report(target, error);
    this.#cancelRetry = this.#clock.setTimer(patient ? BUSY_RETRY_MS : SLOW_RETRY_MS, () => void this.#enqueue());
  }

  #report(target: Target<E>, error: NodeJS.ErrnoException): void {
    const said = `${target.service.entry.key} ${error.code} ${error.message}`;
    if (said === this.#reported) return;
    this.#reported = said;
    this.#observer.problem(target.service.entry, target.frontend, { kind: "bind", error });
  }
}
