/** One connection to an endpoint: a request out, its response in, and again, as long as both ends agree on where each of them ends. */
import { connect, isIP } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { bodyReader } from "../http1/body-reader.ts";
import type { BodyParts, BodyReader } from "../http1/body-reader.ts";
import { Fields } from "../http1/fields.ts";
import { readResponseHead } from "../http1/response-head.ts";
import type { ResponseHead } from "../http1/response-head.ts";
import type { Deadlines, Timed } from "./deadlines.ts";
import { OutgoingBatch } from "./outgoing-batch.ts";

/** Interim responses (1xx) before the one that counts; an endpoint that sends more is not waited for. */
export const MAX_INTERIM_RESPONSES = 16;

const noTrailers = new Fields();

/** Why a request could not be served over a connection. */
export type EndpointFailure = "error" | "timeout" | "crowded";

/** The request that a connection works for. */
export interface EndpointUser extends BodyParts {
  /** The endpoint has accepted: the request may be sent. */
  onReady(connection: EndpointConnection): void;
  onHead(head: ResponseHead): void;
  /** After a head with status 101: the connection is given away, with what came behind the head. */
  onSwitch(head: ResponseHead, socket: Socket, early: Buffer | undefined): void;
  /** All that arrived together was handed over; false stops the endpoint until {@link EndpointConnection.resume}. */
  onBatch(): boolean;
  /** The endpoint takes more of the request again. */
  onEndpointDrain(): void;
  onResponseEnd(trailers: Fields): void;
  /** Nothing more comes. The last call. */
  onFailure(failure: EndpointFailure): void;
}

/** What a connection works with. */
export interface EndpointConnectionOptions {
  /** An address, or a name that is looked up. */
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly deadlines: Deadlines;
  readonly connectTimeoutMs: number;
  readonly user: EndpointUser;
  /** The response has ended and the connection can carry another request. */
  readonly onIdle: (connection: EndpointConnection) => void;
  /** It no longer counts: closed, or given away. Once. */
  readonly onGone: (connection: EndpointConnection) => void;
}

/** See the module. */
export class EndpointConnection implements Timed {
  deadline: number;
  /** It has carried a request before the present one. */
  reused = false;
  /** The request that it works for; undefined while idle. */
  user: EndpointUser | undefined;
  readonly #options: EndpointConnectionOptions;
  readonly #socket: Socket;
  readonly #out: OutgoingBatch;
  readonly #unlisten: () => void;
  #open = false;
  #counted = true;
  #method = "";
  #timeoutMs = 0;
  #requestDone = false;
  #paused = false;
  #held: Buffer | undefined;
  #head: ResponseHead | undefined;
  #body: BodyReader | undefined;
  #interim = 0;

  constructor(options: EndpointConnectionOptions) {
    const { host, port, secure, deadlines, connectTimeoutMs, user } = options;
    this.#options = options;
    this.user = user;
    // As in ingress-nginx, whose proxy-ssl-verify is off unless asked: pods have certificates that nobody signed.
    const tls = { rejectUnauthorized: false, ...(isIP(host) === 0 ? { servername: host } : {}) };
    const socket = secure ? connectTls({ host, port, ...tls }) : connect({ host, port, noDelay: true });
    if (secure) socket.setNoDelay(true);
    this.#socket = socket;
    this.#out = new OutgoingBatch({ socket });
    this.deadline = deadlines.after(connectTimeoutMs);
    deadlines.add(this);
    const onData = (chunk: Buffer): void => this.#take(chunk);
    const onDrain = (): void => {
      this.#touch();
      this.user?.onEndpointDrain();
    };
    const onEnd = (): void => this.#ended();
    socket.on("data", onData).on("drain", onDrain).on("end", onEnd);
    this.#unlisten = () => socket.off("data", onData).off("drain", onDrain).off("end", onEnd);
    socket.once(secure ? "secureConnect" : "connect", () => {
      this.#open = true;
      this.user?.onReady(this);
    });
    // What went wrong is told by the close that follows.
    socket.on("error", () => {});
    socket.on("close", () => this.#fail("error"));
  }

  /** The request may be sent at once. */
  get open(): boolean {
    return this.#open;
  }

  /** Begins a request; what follows it and this leave together with {@link flush}. */
  begin(options: { method: string; head: string; timeoutMs: number }): void {
    this.#method = options.method;
    this.#requestDone = false;
    this.#head = undefined;
    this.#body = undefined;
    this.#interim = 0;
    this.setTimeout(options.timeoutMs);
    this.#out.addText(options.head);
  }

  /** From now on so much silence is too much, in milliseconds. */
  setTimeout(ms: number): void {
    this.#timeoutMs = ms;
    this.#touch();
  }

  addText(text: string): void {
    this.#out.addText(text);
  }

  addBytes(bytes: Buffer): void {
    this.#out.addBytes(bytes);
  }

  /** Sends; false where the endpoint takes no more for now, until {@link EndpointUser.onEndpointDrain}. */
  flush(): boolean {
    this.#touch();
    return this.#out.flush();
  }

  /** All of the request has been sent. */
  endRequest(): void {
    this.#requestDone = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#touch();
    this.#socket.resume();
  }

  /** Closes it without a word to its user. */
  destroy(): void {
    this.user = undefined;
    this.#uncount();
    this.#socket.destroy();
  }

  expire(): void {
    this.#fail("timeout");
  }

  #touch(): void {
    this.deadline = this.#options.deadlines.after(this.#timeoutMs);
  }

  #take(chunk: Buffer): void {
    const { user } = this;
    // Nobody has asked: whatever it is, it must not be taken for the next response.
    if (user === undefined) return this.destroy();
    this.#touch();
    let bytes = chunk;
    if (this.#held !== undefined) bytes = Buffer.concat([this.#held, chunk]);
    this.#held = undefined;
    let at = 0;
    while (this.#head === undefined) {
      const head = readResponseHead(at === 0 ? bytes : bytes.subarray(at), this.#method);
      if (head === undefined) {
        this.#held = at === 0 ? bytes : bytes.subarray(at);
        return;
      }
      if ("refused" in head) return this.#fail("error");
      at += head.size;
      if (head.status === 101) return this.#switch(head, bytes.subarray(at));
      if (head.status < 200) {
        this.#interim += 1;
        if (this.#interim > MAX_INTERIM_RESPONSES) return this.#fail("error");
        if (at === bytes.length) return;
        continue;
      }
      this.#head = head;
      if (head.framing.kind !== "none") this.#body = bodyReader(head.framing);
      user.onHead(head);
      if (this.user !== user) return;
    }
    if (this.#body !== undefined) {
      at = this.#body.read(bytes, at, user);
      if (this.user !== user) return;
      if (at < 0) return this.#fail("error");
      if (!this.#body.done) {
        if (user.onBatch()) return;
        this.#paused = true;
        this.#socket.pause();
        return;
      }
    }
    this.#finish(user, at === bytes.length);
  }

  #finish(user: EndpointUser, nothingLeft: boolean): void {
    const trailers = this.#body?.trailers;
    const usable = nothingLeft && this.#requestDone && this.#head?.keepAlive === true && this.#socket.writable;
    this.user = undefined;
    this.reused = true;
    this.#body = undefined;
    if (usable) this.#options.onIdle(this);
    else this.destroy();
    user.onResponseEnd(trailers ?? noTrailers);
  }

  #switch(head: ResponseHead, early: Buffer): void {
    const { user } = this;
    this.#unlisten();
    this.user = undefined;
    this.#uncount();
    user?.onSwitch(head, this.#socket, early.length === 0 ? undefined : early);
  }

  /** The endpoint sends no more. */
  #ended(): void {
    const { user } = this;
    if (user !== undefined && this.#head?.framing.kind === "close") return this.#finish(user, true);
    this.#fail("error");
  }

  #fail(failure: EndpointFailure): void {
    const { user } = this;
    this.destroy();
    user?.onFailure(failure);
  }

  #uncount(): void {
    if (!this.#counted) return;
    this.#counted = false;
    this.#options.deadlines.delete(this);
    this.#options.onGone(this);
  }
}
