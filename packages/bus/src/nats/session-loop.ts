/**
 * Keeps a connection to the bus for as long as it runs. A connection has one life: when it breaks, its session ends, and the
 * next one starts from nothing. That leaves no state to be mended, and one rule for the first connect and every later one.
 */
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Clock, Random } from "@fairlead/types";
import { type FeedLog, reasonOf } from "../feed-log.ts";
import { connectionOptions, type NatsOptions } from "./options.ts";
import { pause } from "./wake.ts";

/** Pause before the first try to reconnect, in ms; doubles with each further one. Each pause is shortened by up to half at random. */
const FIRST_RETRY_MS = 100;

/** Longest pause between two tries, in ms: with the snapshot it keeps what was missed within the 3 s of promise 3. */
export const LAST_RETRY_MS = 1_000;

/** A session that lasted this long counts as a success, in ms: the next failure starts from the shortest pause. */
const SETTLED_MS = 2_000;

/** How long the closing of a connection is waited for, in ms; a peer that is gone may never answer. */
const CLOSE_WAIT_MS = 1_000;

/** What is done over one connection; settles when it wants no more of it. `signal` aborts when the connection is gone. */
export type Session = (connection: NatsConnection, signal: AbortSignal) => Promise<void>;

/** See the module. */
export class SessionLoop {
  readonly #options: NatsOptions;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: FeedLog;
  readonly #session: Session;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #connects = 0;

  constructor(options: {
    nats: NatsOptions;
    /** Shown in the server's list of connections. */
    name: string;
    clock: Clock;
    random: Random;
    log: FeedLog;
    session: Session;
  }) {
    this.#options = options.nats;
    this.#name = options.name;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#session = options.session;
  }

  /** Connections made so far. */
  get connects(): number {
    return this.#connects;
  }

  /** Begins; returns at once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the session and closes the connection. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      const startedAt = this.#clock.monotonic();
      const reason = await this.#once(signal);
      if (signal.aborted) return;
      failures = this.#clock.monotonic() - startedAt >= SETTLED_MS ? 1 : failures + 1;
      const ms = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10)) * (1 - this.#random() / 2);
      const fields = { reason, failures, ms: Math.round(ms) };
      if (failures === 1) this.#log.warn("no connection to the bus: trying again", fields);
      else this.#log.debug("still no connection to the bus", fields);
      await pause(this.#clock, ms, signal);
    }
  }

  /** One connection from its making to its end; says why it ended. */
  async #once(stopping: AbortSignal): Promise<string> {
    let connection: NatsConnection | undefined;
    try {
      connection = await this.#connect(stopping);
    } catch (error) {
      return reasonOf(error);
    }
    if (connection === undefined) return "stopping";
    this.#connects++;
    const gone = new AbortController();
    let reason = "the connection was closed";
    const end = (): void => gone.abort();
    stopping.addEventListener("abort", end, { once: true });
    void connection.closed().then((error) => {
      if (error) reason = error.message;
      end();
    });
    void this.#watch(connection);
    try {
      if (stopping.aborted) end();
      this.#log.debug("connected to the bus", { server: connection.getServer() });
      await this.#session(connection, gone.signal);
    } catch (error) {
      reason = reasonOf(error);
    }
    end();
    stopping.removeEventListener("abort", end);
    await this.#close(connection);
    return reason;
  }

  /** Undefined if told to stop first; what is still made then is closed. */
  async #connect(stopping: AbortSignal): Promise<NatsConnection | undefined> {
    const making = connectionOptions(this.#options, this.#name).then((options) => connect(options));
    const stopped = new AbortController();
    const stop = new Promise<undefined>((resolve) => {
      stopping.addEventListener("abort", () => resolve(undefined), { once: true, signal: stopped.signal });
    });
    const made = await Promise.race([making, stop]);
    stopped.abort();
    if (made === undefined) making.then((late) => this.#close(late)).catch(() => undefined);
    return made;
  }

  async #close(connection: NatsConnection): Promise<void> {
    const closed = new AbortController();
    const closing = connection
      .close()
      .catch(() => undefined)
      .then(() => closed.abort());
    await Promise.race([closing, pause(this.#clock, CLOSE_WAIT_MS, closed.signal)]);
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === "error") this.#log.warn("the bus reports an error", { reason: status.error.message });
    }
  }
}
