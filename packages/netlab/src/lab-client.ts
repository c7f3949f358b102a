/** Clients of a lab: they find out who answers at an address, and what the answer looks like where there is none. */
import type { Socket as DatagramSocket } from "node:dgram";
import type { Socket } from "node:net";
import { CodedError, type IpAddress } from "@fairlead/types";
import { type Outcome, outcomeOfError } from "./outcome.ts";
import type { Patience } from "./patience.ts";

/** Longest line that a server of a lab may send. */
const maxLineLength = 65_536;

/** A stream to a server of a lab ended before it said what it should. */
export class LabStreamEndedError extends CodedError {
  readonly code = "LAB_STREAM_ENDED";

  constructor(options?: ErrorOptions) {
    super("the connection ended before the line that was waited for", options);
    this.name = "LabStreamEndedError";
  }
}

/** An open connection to a server of a lab. */
export class LabConnection {
  /** Who answered. */
  readonly by: string;
  /** The client's address, as the server saw it. */
  readonly source: IpAddress;
  readonly #lines: Lines;

  /** Takes over a stream whose first line was read. */
  constructor(options: { readonly lines: Lines; readonly by: string; readonly source: IpAddress }) {
    this.#lines = options.lines;
    this.by = options.by;
    this.source = options.source;
  }

  /** Sends a line and gives what comes back. Rejects with {@link LabStreamEndedError}, or after the client's patience. */
  say(line: string): Promise<string> {
    this.#lines.socket.write(`${line}\n`);
    return this.#lines.next();
  }

  /** Whether nothing broke it off so far. */
  get isOpen(): boolean {
    return !this.#lines.socket.destroyed && !this.#lines.ended;
  }

  /** Ends it in good order. */
  close(): void {
    this.#lines.socket.end();
  }
}

/** Connects a socket and reads who is there: the open connection, or what happened instead. */
export async function openStream(options: {
  readonly socket: Socket;
  readonly at: { readonly address: string; readonly port: number };
  readonly patience: Patience;
  readonly patienceMs: number;
}): Promise<LabConnection | Outcome> {
  const { socket, at, patience, patienceMs } = options;
  const lines = new Lines({ socket, patience, patienceMs });
  socket.connect({ host: at.address, port: at.port });
  try {
    const [by = "", source = ""] = (await lines.next()).split(" ");
    return new LabConnection({ lines, by, source: source as IpAddress });
  } catch (error) {
    socket.destroy();
    const outcome = outcomeOfError(error instanceof LabStreamEndedError ? error.cause : error);
    if (outcome !== undefined) return outcome;
    if (error instanceof LabStreamEndedError) return { kind: "reset" };
    throw error;
  }
}

/** A UDP client with a port of its own that talks to one address. */
export class LabDatagrams {
  readonly #socket: DatagramSocket;
  readonly #patience: Patience;
  readonly #patienceMs: number;
  readonly #waiting = new Map<string, (outcome: Outcome) => void>();
  #asked = 0;
  #open = true;

  /** Takes over a connected socket. */
  constructor(options: { readonly socket: DatagramSocket; readonly patience: Patience; readonly patienceMs: number }) {
    this.#socket = options.socket;
    this.#patience = options.patience;
    this.#patienceMs = options.patienceMs;
    this.#socket.on("message", (datagram) => {
      const [by = "", source = "", number = ""] = datagram.toString().split(" ");
      this.#waiting.get(number)?.({ kind: "answered", by, source: source as IpAddress });
    });
    this.#socket.on("error", (error) => this.#failed(error));
  }

  /** Sends a datagram and tells what came back. */
  ask(patienceMs = this.#patienceMs): Promise<Outcome> {
    const number = `${this.#asked++}`;
    return new Promise((resolve) => {
      const settle = (outcome: Outcome): void => {
        cancel();
        this.#waiting.delete(number);
        resolve(outcome);
      };
      const cancel = this.#patience.after(patienceMs, () => settle({ kind: "dropped" }));
      this.#waiting.set(number, settle);
      this.#socket.send(number, (error) => {
        // A filter of the sender's own host keeps it: whether in silence is told by what ICMP says, or does not say.
        if (error && (error as NodeJS.ErrnoException).code !== "EPERM") this.#failed(error);
      });
    });
  }

  /** Gives the port back. */
  close(): void {
    if (this.#open) this.#socket.close();
    this.#open = false;
  }

  #failed(error: Error): void {
    const outcome = outcomeOfError(error) ?? { kind: "unreachable" };
    for (const settle of this.#waiting.values()) settle(outcome);
  }
}

/** The lines of a stream, each waited for with patience. */
class Lines {
  readonly socket: Socket;
  /** The other side sends no more. */
  ended = false;
  readonly #patience: Patience;
  readonly #patienceMs: number;
  #text = "";
  #failure: Error | undefined;
  #look: () => void = () => undefined;

  constructor(options: { readonly socket: Socket; readonly patience: Patience; readonly patienceMs: number }) {
    const { socket } = options;
    this.socket = socket;
    this.#patience = options.patience;
    this.#patienceMs = options.patienceMs;
    socket.on("data", (bytes: Buffer) => {
      this.#text += bytes.toString();
      if (this.#text.length > maxLineLength) socket.destroy();
      this.#look();
    });
    socket.on("error", (error) => {
      this.#failure = error;
      this.#look();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.ended = true;
        this.#look();
      });
    }
  }

  next(): Promise<string> {
    return new Promise((resolve, reject) => {
      const cancel = this.#patience.after(this.#patienceMs, () => {
        this.#look = () => undefined;
        reject(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" }));
      });
      this.#look = () => {
        const end = this.#text.indexOf("\n");
        if (end === -1 && !this.ended && this.#failure === undefined) return;
        cancel();
        this.#look = () => undefined;
        if (end === -1) reject(new LabStreamEndedError({ cause: this.#failure }));
        else {
          resolve(this.#text.slice(0, end));
          this.#text = this.#text.slice(end + 1);
        }
      };
      this.#look();
    });
  }
}
