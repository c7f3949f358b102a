/** A service is a stack of parts: started from the bottom, stopped from the top. */
import { CodedError, type Clock } from "@fairlead/types";
import type { Startable } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";

/** Time for the whole stack to stop, in ms, unless told: within the 5 s a service has, with some to spare. */
export const STACK_STOP_DEADLINE_MS = 4_500;

/** Thrown by `start()` when a part does not start; `part` is its name and `cause` its error. */
export class StartError extends CodedError {
  readonly code = "START_FAILED";
  readonly part: string;

  constructor(part: string, reason: string, options?: ErrorOptions) {
    super(`${part} did not start: ${reason}`, options);
    this.name = "StartError";
    this.part = part;
  }
}

/** Thrown by `stop()`, after every part was told to stop, when some failed or did not finish in time. */
export class StopError extends CodedError {
  readonly code = "STOP_FAILED";
  readonly parts: readonly string[];

  constructor(stack: string, parts: readonly string[]) {
    super(`${stack} did not stop cleanly: ${parts.join(", ")}`);
    this.name = "StopError";
    this.parts = parts;
  }
}

/** What a stack is made of. */
export interface ServiceStackOptions {
  readonly name: string;
  /** In the order in which they start. */
  readonly parts: readonly Startable[];
  readonly log: Logger;
  readonly clock: Clock;
  /** For all parts together; {@link STACK_STOP_DEADLINE_MS} unless told. */
  readonly stopDeadlineMs?: number;
}

/**
 * Starts its parts one after the other and stops them in reverse.
 *
 * - A part that fails to start: those before it are stopped, then `start()` throws {@link StartError}.
 * - `stop()` while starting lets the part at hand finish its start, stops all that started, and `start()` throws.
 * - A part that is slow to stop is left behind, with half of the deadline kept in equal shares for those still to come, so
 *   that one that hangs does not keep the others from cleaning up.
 */
export class ServiceStack implements Startable {
  readonly name: string;
  readonly #parts: readonly Startable[];
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #stopDeadlineMs: number;
  readonly #started: Startable[] = [];
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  /** Set when `stop()` could not wait for a start that hangs: what starts yet is then stopped by the start itself. */
  #stopGaveUp = false;

  constructor(options: ServiceStackOptions) {
    this.name = options.name;
    this.#parts = options.parts;
    this.#log = options.log;
    this.#clock = options.clock;
    this.#stopDeadlineMs = options.stopDeadlineMs ?? STACK_STOP_DEADLINE_MS;
  }

  /** Settles when the last part has started; a second call is the same promise. */
  start(): Promise<void> {
    this.#starting ??= this.#startAll();
    return this.#starting;
  }

  /** Settles within the deadline; throws {@link StopError}. A second call is the same promise. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #startAll(): Promise<void> {
    for (const part of this.#parts) {
      if (this.#stopping) break;
      try {
        await part.start();
      } catch (error) {
        // What the clean-up says has been logged; the caller wants to know why it came to it.
        await this.#stopStarted(this.#deadline()).catch(() => undefined);
        throw new StartError(part.name, error instanceof Error ? error.message : String(error), { cause: error });
      }
      this.#started.push(part);
      this.#log.debug("part started", { part: part.name });
    }
    if (!this.#stopping) return;
    if (this.#stopGaveUp) await this.#stopStarted(this.#deadline()).catch(() => undefined);
    throw new StartError(this.name, "it was stopped meanwhile");
  }

  async #stopAll(): Promise<void> {
    const deadline = this.#deadline();
    if (this.#starting) {
      const settled = this.#starting.catch(() => undefined);
      this.#stopGaveUp = !(await this.#within(this.#stopDeadlineMs / 2, settled));
      if (this.#stopGaveUp) this.#log.warn("stopped before the start was over", { stack: this.name });
    }
    await this.#stopStarted(deadline);
  }

  #deadline(): number {
    return this.#clock.monotonic() + this.#stopDeadlineMs;
  }

  async #stopStarted(deadline: number): Promise<void> {
    const share = (deadline - this.#clock.monotonic()) / 2 / Math.max(1, this.#started.length);
    const failed: string[] = [];
    for (let part = this.#started.pop(); part; part = this.#started.pop()) {
      const { name } = part;
      const allowedMs = deadline - this.#clock.monotonic() - share * this.#started.length;
      // Promise.try: a stop() that throws at once is treated like one that rejects.
      const stopped = Promise.try(part.stop.bind(part));
      try {
        if (await this.#within(Math.max(share, allowedMs), stopped)) continue;
        this.#log.error("part did not stop in time", { part: name });
        stopped.catch((error: unknown) => this.#log.error("part failed to stop", { part: name, error }));
      } catch (error) {
        this.#log.error("part failed to stop", { part: name, error });
      }
      failed.push(name);
    }
    if (failed.length > 0) throw new StopError(this.name, failed);
  }

  /** Whether the promise was fulfilled in time; throws what it rejects with. */
  async #within(ms: number, promise: Promise<unknown>): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const cancel = this.#clock.setTimer(ms, () => late.resolve(false));
    try {
      return await Promise.race([promise.then(() => true), late.promise]);
    } finally {
      cancel();
    }
  }
}
