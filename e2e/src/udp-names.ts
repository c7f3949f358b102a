/** The quickest way to ask a name server: one socket, one packet a question. For what dig, a process each time, is too slow. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";

/** An answer gets this long, in milliseconds. */
const patienceMs = 2_000;
const nxdomain = 3;

/** What a name leads to: the address of the first A record, or that it does not exist, or that it has none. */
export type Finding = { readonly address: string } | "NXDOMAIN" | "nothing";

/** A connection to a name server. Close it. */
export class UdpNames {
  readonly #socket: Socket;
  #id = 0;
  #waiting: { readonly id: number; readonly resolve: (packet: Buffer) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (packet) => {
      if (packet.readUInt16BE(0) === this.#waiting?.id) this.#waiting.resolve(packet);
    });
  }

  /** To one server. */
  static async connect(server: { readonly address: string; readonly port: number }): Promise<UdpNames> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(server.port, server.address, () => resolve());
    });
    return new UdpNames(socket);
  }

  /** Asks for A of a name, one question at a time. */
  async ask(name: string): Promise<Finding> {
    this.#id = (this.#id + 1) % 65_536;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#waiting = { id: this.#id, resolve };
    const timer = setTimeout(() => reject(new Error(`no answer for ${name} in ${patienceMs} ms`)), patienceMs);
    try {
      this.#socket.send(query(this.#id, name));
      return read(await promise);
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  close(): void {
    this.#socket.close();
  }
}

function query(id: number, name: string): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  // One question.
  header.writeUInt16BE(1, 4);
  const labels = name.split(".").map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, "latin1"));
  // The root, type A, class IN.
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
}

function read(packet: Buffer): Finding {
  if ((packet.readUInt8(3) & 0x0f) === nxdomain) return "NXDOMAIN";
  // Without EDNS and with one record, the address is the end of the packet.
  return packet.readUInt16BE(6) === 0 ? "nothing" : { address: [...packet.subarray(-4)].join(".") };
}
