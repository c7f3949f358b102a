/** One query to one server and its response, over UDP or TCP. */
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { CodedError } from "@fairlead/types";
import type { Clock } from "@fairlead/types";

/** Where a server answers. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** Thrown when a server does not answer: in time, at all, or with what was asked. */
export class NoAnswerError extends CodedError {
  readonly code = "DNS_NO_ANSWER";

  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "NoAnswerError";
  }
}

/** What an exchange needs. */
export interface ExchangeOptions {
  readonly to: ServerAddress;
  readonly query: Buffer;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Over UDP: whether a datagram is the answer; others are passed over, as anybody may send some. */
  readonly accepts: (response: Buffer) => boolean;
}

/**
 * Asks over UDP, from a port of its own that takes datagrams of that server only: with the random id that is what a
 * forger must guess. Throws {@link NoAnswerError}.
 */
export function exchangeUdp({ to, query, timeoutMs, clock, accepts }: ExchangeOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(to.host) ? "udp6" : "udp4");
    const end = (error: NoAnswerError | undefined, response?: Buffer): void => {
      cancel();
      socket.close();
      socket.removeAllListeners("message");
      if (response) resolve(response);
      else reject(error ?? new NoAnswerError("no answer"));
    };
    let over = false;
    const once = (error: NoAnswerError | undefined, response?: Buffer): void => {
      if (over) return;
      over = true;
      end(error, response);
    };
    const cancel = clock.setTimer(timeoutMs, () => once(new NoAnswerError(`no answer within ${timeoutMs} ms`)));
    socket.on("error", (cause) => once(new NoAnswerError(cause.message, { cause })));
    socket.on("message", (response) => {
      if (accepts(response)) once(undefined, response);
    });
    // A server that there is no way to is told here, and not as an event.
    const connected = (cause?: Error | null): void => {
      if (cause) once(new NoAnswerError(cause.message, { cause }));
      else if (!over) socket.send(query);
    };
    socket.connect(to.port, to.host, connected);
  });
}

/** Asks over TCP, with a connection of its own. Throws {@link NoAnswerError}. */
export function exchangeTcp({ to, query, timeoutMs, clock, accepts }: ExchangeOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: to.host, port: to.port });
    const fail = (reason: string, cause?: Error): void => {
      cancel();
      socket.destroy();
      reject(new NoAnswerError(reason, { cause }));
    };
    const cancel = clock.setTimer(timeoutMs, () => fail(`no answer within ${timeoutMs} ms`));
    let received: Buffer = Buffer.alloc(0);
    socket.on("error", (cause) => fail(cause.message, cause));
    socket.on("close", () => fail("the connection was closed"));
    socket.on("data", (piece: Buffer) => {
      received = Buffer.concat([received, piece]);
      if (received.length < 2) return;
      const size = received.readUInt16BE(0);
      if (received.length < size + 2) return;
      const response = received.subarray(2, size + 2);
      if (!accepts(response)) return fail("the answer is to another question");
      cancel();
      socket.destroy();
      resolve(response);
    });
    const framed = Buffer.alloc(query.length + 2);
    framed.writeUInt16BE(query.length, 0);
    query.copy(framed, 2);
    socket.write(framed);
  });
}
