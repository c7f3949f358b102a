/** The connections to one endpoint: the one used last is used first, and those that are not needed go. */
import type { Deadlines, Timed } from "./deadlines.ts";
import { EndpointConnection } from "./endpoint-connection.ts";
import type { EndpointUser } from "./endpoint-connection.ts";

/** Connections to one endpoint at a time; further requests wait for one, no longer than they may wait for a connect. */
export const MAX_ENDPOINT_CONNECTIONS = 1024;
/** Requests that wait for a connection to one endpoint; further ones get 503. */
export const MAX_WAITING_REQUESTS = 4096;
/** Idle connections kept to one endpoint. */
export const MAX_IDLE_CONNECTIONS = 128;
/** An idle connection is closed after this, before most servers (5 s and more) would close it under a request. In milliseconds. */
export const IDLE_CONNECTION_MS = 4_000;

/** What a request holds of a pool: a connection, or a place in the queue for one. */
export interface Claim {
  /** The request wants it no more. */
  destroy(): void;
}

/** A place in the queue. */
class WaitingRequest implements Timed, Claim {
  readonly user: EndpointUser;
  readonly connectTimeoutMs: number;
  readonly deadline: number;
  connection: EndpointConnection | undefined;
  readonly #leave: (waiting: WaitingRequest) => void;

  constructor(options: {
    user: EndpointUser;
    connectTimeoutMs: number;
    deadline: number;
    leave: (waiting: WaitingRequest) => void;
  }) {
    this.user = options.user;
    this.connectTimeoutMs = options.connectTimeoutMs;
    this.deadline = options.deadline;
    this.#leave = options.leave;
  }

  expire(): void {
    this.#leave(this);
    this.user.onFailure("timeout");
  }

  destroy(): void {
    this.#leave(this);
    this.connection?.destroy();
  }
}

/** See the module. */
export class EndpointPool {
  readonly #host: string;
  readonly #port: number;
  readonly #secure: boolean;
  readonly #deadlines: Deadlines;
  readonly #idle: EndpointConnection[] = [];
  readonly #waiting = new Set<WaitingRequest>();
  #count = 0;
  #retired = false;

  constructor(options: { host: string; port: number; secure: boolean; deadlines: Deadlines }) {
    this.#host = options.host;
    this.#port = options.port;
    this.#secure = options.secure;
    this.#deadlines = options.deadlines;
  }

  /**
   * Finds a connection for a request: one that is open, which the caller uses at once, or one that calls `onReady` later. Undefined where
   * too many wait already.
   */
  take(user: EndpointUser, connectTimeoutMs: number): EndpointConnection | Claim | undefined {
    const connection = this.#idle.pop();
    if (connection !== undefined) {
      connection.user = user;
      return connection;
    }
    if (this.#count < MAX_ENDPOINT_CONNECTIONS) return this.#connect(user, connectTimeoutMs);
    if (this.#waiting.size >= MAX_WAITING_REQUESTS) return undefined;
    const deadline = this.#deadlines.after(connectTimeoutMs);
    const leave = (one: WaitingRequest): void => this.#forget(one);
    const waiting = new WaitingRequest({ user, connectTimeoutMs, deadline, leave });
    this.#waiting.add(waiting);
    this.#deadlines.add(waiting);
    return waiting;
  }

  /** Closes what is idle; requests under way finish. */
  retire(): void {
    this.#retired = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  #connect(user: EndpointUser, connectTimeoutMs: number): EndpointConnection {
    this.#count += 1;
    return new EndpointConnection({
      host: this.#host,
      port: this.#port,
      secure: this.#secure,
      deadlines: this.#deadlines,
      connectTimeoutMs,
      user,
      onIdle: (connection) => this.#keep(connection),
      onGone: (connection) => this.#drop(connection),
    });
  }

  #keep(connection: EndpointConnection): void {
    const waiting = this.#next();
    if (waiting !== undefined) {
      waiting.connection = connection;
      connection.user = waiting.user;
      return waiting.user.onReady(connection);
    }
    if (this.#retired || this.#idle.length >= MAX_IDLE_CONNECTIONS) return connection.destroy();
    connection.setTimeout(IDLE_CONNECTION_MS);
    this.#idle.push(connection);
  }

  #drop(connection: EndpointConnection): void {
    this.#count -= 1;
    const at = this.#idle.lastIndexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    const waiting = this.#count < MAX_ENDPOINT_CONNECTIONS ? this.#next() : undefined;
    if (waiting !== undefined) waiting.connection = this.#connect(waiting.user, waiting.connectTimeoutMs);
  }

  /** The request that waits longest, taken out of the queue. */
  #next(): WaitingRequest | undefined {
    for (const waiting of this.#waiting) {
      this.#forget(waiting);
      return waiting;
    }
    return undefined;
  }

  #forget(waiting: WaitingRequest): void {
    this.#waiting.delete(waiting);
    this.#deadlines.delete(waiting);
  }
}
