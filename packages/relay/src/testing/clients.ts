/** Clients for tests. */
import { createSocket } from "node:dgram";
import type { Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { At } from "./entries.ts";

/** How long a client waits for an answer that should come at once, in milliseconds. */
const PATIENCE_MS = 5_000;

/** Connects, and gives everything that the server says until it ends. Rejects with the system's error. */
export async function ask(at: At, from?: string, patienceMs = PATIENCE_MS): Promise<string> {
  const socket = await open(at, from, patienceMs);
  return readAll(socket);
}

/** The code of the error that a connection ends with (ABORT_ERR if there is no answer in time), or "answered" and what was said. */
export async function outcome(at: At, from?: string, patienceMs = PATIENCE_MS): Promise<string> {
  try {
    return `answered ${await ask(at, from, patienceMs)}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** An open connection, half-open allowed. */
export async function open(at: At, from?: string, patienceMs = PATIENCE_MS): Promise<Socket> {
  const socket = connect({
    host: at.address,
    port: at.port,
    allowHalfOpen: true,
    noDelay: true,
    ...(from === undefined ? {} : { localAddress: from }),
  });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(patienceMs) });
  } finally {
    // Whoever reads it hears of an error; one that only holds it open need not, and nobody is left for one that came too late.
    socket.on("error", () => undefined);
    if (socket.connecting) socket.destroy();
  }
  return socket;
}

/** Everything up to the peer's end, as text. Ends the own side then. Rejects with the connection's error. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "end");
  socket.end();
  return Buffer.concat(chunks).toString();
}

/** A UDP client with a port of its own. */
export class UdpClient implements AsyncDisposable {
  readonly #socket: UdpSocket;

  private constructor(socket: UdpSocket) {
    this.#socket = socket;
  }

  static async bind(from: string): Promise<UdpClient> {
    const socket = createSocket(from.includes(":") ? "udp6" : "udp4");
    socket.bind(0, from);
    await once(socket, "listening");
    return new UdpClient(socket);
  }

  /** Sends, and gives the first answer with where it came from. Rejects when none comes within `patienceMs`. */
  async ask(at: At, text: string, patienceMs = PATIENCE_MS): Promise<{ text: string; from: string }> {
    const answer = once(this.#socket, "message", { signal: AbortSignal.timeout(patienceMs) });
    this.#socket.send(text, at.port, at.address);
    const [datagram, from] = (await answer) as [Buffer, { address: string; port: number }];
    return { text: datagram.toString(), from: `${from.address}:${from.port}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }
}

/** The code of the error that a datagram to this place meets (ICMP), or undefined if there is none within a moment. */
export async function datagramRefusal(at: At): Promise<string | undefined> {
  const socket = createSocket(at.address.includes(":") ? "udp6" : "udp4");
  try {
    const connected = once(socket, "connect");
    socket.connect(at.port, at.address);
    await connected;
    const refusal = once(socket, "message", { signal: AbortSignal.timeout(1_000) });
    socket.send("anybody there?");
    await refusal;
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.close();
  }
}
