/** Questions as a client asks them, over real sockets. */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { Rcode, RecordType } from "../../src/wire/constants.ts";
import { OPT_BYTES } from "../../src/wire/edns.ts";
import { decodeMessage, encodeMessage } from "../../src/wire/message.ts";
import type { Message } from "../../src/wire/message.ts";
import { nameText, parseName } from "../../src/wire/name.ts";
import type { ResourceRecord } from "../../src/wire/records.ts";

/** How to ask. */
export interface AskOptions {
  readonly host?: string;
  readonly tcp?: boolean;
  /** Room that an OPT record offers; no OPT record without it. */
  readonly room?: number;
  readonly version?: number;
  readonly class?: number;
  readonly flags?: number;
}

/** An answer as tests compare it. */
export interface Answer {
  readonly rcode: string;
  /** Lines like `name. TYPE data`. */
  readonly answers: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
  readonly message: Message;
  readonly bytes: Buffer;
}

type TypeName = keyof typeof RecordType;

/** The bytes of a query. */
export function queryBytes(name: string, type: TypeName, options: AskOptions = {}): Buffer {
  const { room, version = 0, class: questionClass = 1, flags = 0x0100 } = options;
  const opt: ResourceRecord = {
    name: [],
    class: room ?? 0,
    ttl: version << 16,
    data: { kind: "raw", type: RecordType.OPT, bytes: Buffer.alloc(0) },
  };
  return encodeMessage({
    id: 0x1234,
    flags,
    questions: [{ name: parseName(name), type: RecordType[type], class: questionClass }],
    answers: [],
    authority: [],
    additional: room === undefined ? [] : [opt],
  });
}

/** Asks; rejects if there is no answer within 5 s. */
export async function ask(port: number, name: string, type: TypeName, options: AskOptions = {}): Promise<Answer> {
  return read(await exchange(port, queryBytes(name, type, options), options));
}

/** Reads an answer. */
export function read(bytes: Buffer): Answer {
  const message = decodeMessage(bytes);
  const opt = message.additional.find(({ data }) => data.kind === "raw" && data.type === RecordType.OPT);
  const rcode = (message.flags & 15) | (opt ? (opt.ttl >>> 24) << 4 : 0);
  const lines = (records: readonly ResourceRecord[]): string[] => records.filter((record) => record !== opt).map(line);
  return {
    rcode: Object.entries(Rcode).find(([, code]) => code === rcode)?.[0] ?? String(rcode),
    answers: lines(message.answers),
    authority: lines(message.authority),
    additional: lines(message.additional),
    message,
    bytes,
  };
}

/** Sends bytes and returns what comes back. */
export function exchange(
  port: number,
  query: Buffer,
  { host = "127.0.0.1", tcp = false }: AskOptions = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(new Error("no answer")), 5_000);
    const socket = tcp ? connect({ host, port }) : createSocket(host.includes(":") ? "udp6" : "udp4");
    const end = (result: Error | Buffer): void => {
      clearTimeout(timer);
      if ("destroy" in socket) socket.destroy();
      else socket.close();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    socket.on("error", end);
    if ("destroy" in socket) {
      let received = Buffer.alloc(0);
      socket.on("data", (piece: Buffer) => {
        received = Buffer.concat([received, piece]);
        if (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) end(received.subarray(2));
      });
      socket.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]));
    } else {
      socket.once("message", end);
      socket.send(query, port, host);
    }
  });
}

function line({ name, data }: ResourceRecord): string {
  const owner = nameText(name);
  switch (data.kind) {
    case "A":
    case "AAAA":
      return `${owner} ${data.kind} ${data.address}`;
    case "CNAME":
    case "NS":
    case "PTR":
      return `${owner} ${data.kind} ${nameText(data.target)}`;
    case "SRV":
      return `${owner} SRV ${data.priority} ${data.weight} ${data.port} ${nameText(data.target)}`;
    case "TXT":
      return `${owner} TXT ${data.texts.join(" ")}`;
    case "SOA":
      return `${owner} SOA`;
    case "raw":
      return `${owner} TYPE${data.type} ${data.bytes.toString("hex")}`;
  }
}

/** Size of the OPT record in every answer to a query with one. */
export const optBytes = OPT_BYTES;
