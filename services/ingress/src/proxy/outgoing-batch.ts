/** What goes out on one socket, gathered so that a head and the body that is at hand leave in one write. */
import type { Socket } from "node:net";

/** Up to this many bytes are copied together; more leaves piece by piece, uncopied, in one system call. */
const copied = 16 * 1024;

/** See the module. */
export class OutgoingBatch {
  readonly #socket: Socket;
  #text = "";
  #parts: (string | Buffer)[] = [];
  #size = 0;

  constructor(options: { readonly socket: Socket }) {
    this.#socket = options.socket;
  }

  /** Adds latin1 text. */
  addText(text: string): void {
    this.#text += text;
  }

  /** Adds bytes, which must not change any more. */
  addBytes(bytes: Buffer): void {
    this.#endText();
    this.#parts.push(bytes);
    this.#size += bytes.length;
  }

  /** Sends all of it; false where the socket would rather have no more for now. */
  flush(): boolean {
    const socket = this.#socket;
    if (this.#parts.length === 0) {
      const text = this.#text;
      this.#text = "";
      if (text !== "" && socket.writable) socket.write(text, "latin1");
      return !socket.writableNeedDrain;
    }
    this.#endText();
    const parts = this.#parts;
    const size = this.#size;
    this.#parts = [];
    this.#size = 0;
    if (!socket.writable) return true;
    if (parts.length === 1) socket.write(parts[0] as Buffer);
    else if (size <= copied) socket.write(joined(parts, size));
    else {
      socket.cork();
      for (const part of parts) socket.write(part, "latin1");
      socket.uncork();
    }
    return !socket.writableNeedDrain;
  }

  #endText(): void {
    if (this.#text === "") return;
    this.#parts.push(this.#text);
    this.#size += this.#text.length;
    this.#text = "";
  }
}

function joined(parts: readonly (string | Buffer)[], size: number): Buffer {
  const all = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of parts) {
    if (typeof part === "string") at += all.write(part, at, "latin1");
    else {
      all.set(part, at);
      at += part.length;
    }
  }
  return all;
}
