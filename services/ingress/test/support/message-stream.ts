/** Reads the requests of a connection with the pure parsers, as the proxy does, from bytes that come in pieces. */
import { bodyReader } from "../../src/http1/body-reader.ts";
import type { BodyReader } from "../../src/http1/body-reader.ts";
import { readRequestHead } from "../../src/http1/request-head.ts";
import type { RequestHead } from "../../src/http1/request-head.ts";

/** One request read whole. */
export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  readonly minor: 0 | 1;
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** Offset behind its last byte. */
  readonly end: number;
}

/** What the bytes hold: the requests up to the end, or up to the first thing that is refused. */
export interface ReadResult {
  readonly requests: readonly ReadRequest[];
  /** Status of the refusal; 0 for a bad body; undefined where nothing is wrong. */
  readonly refused: number | undefined;
  /** The bytes end in the middle of a request. */
  readonly open: boolean;
  /** The request whose head was read and whose body was not, to its end. */
  readonly begun: Pick<RequestHead, "method" | "target"> | undefined;
}

/** Reads all pieces in turn. */
export function readRequests(pieces: readonly Buffer[]): ReadResult {
  const requests: ReadRequest[] = [];
  let held = Buffer.alloc(0);
  let head: RequestHead | undefined;
  let body: BodyReader | undefined;
  let parts: Buffer[] = [];
  let taken = 0;
  const finish = (): void => {
    if (head === undefined) return;
    const { names, values } = head.fields;
    const trailers = body?.trailers;
    requests.push({
      method: head.method,
      target: head.target,
      minor: head.minor,
      fields: names.map((name, at) => `${name}: ${values[at]}`),
      body: Buffer.concat(parts).toString("latin1"),
      trailers: trailers === undefined ? [] : trailers.names.map((name, at) => `${name}: ${trailers.values[at]}`),
      end: taken,
    });
    [head, body, parts] = [undefined, undefined, []];
  };
  for (const piece of pieces) {
    held = Buffer.concat([held, piece]);
    while (held.length > 0) {
      if (head === undefined) {
        const read = readRequestHead(held);
        if (read === undefined) break;
        if ("refused" in read) return { requests, refused: read.refused, open: false, begun: head };
        head = read;
        held = held.subarray(read.size);
        taken += read.size;
        if (read.framing.kind === "none") finish();
        else body = bodyReader(read.framing);
      } else {
        const end = body?.read(held, 0, { onBody: (part) => void parts.push(Buffer.from(part)) }) ?? 0;
        if (end < 0) return { requests, refused: 0, open: false, begun: head };
        held = held.subarray(end);
        taken += end;
        if (body?.done === true) finish();
      }
    }
  }
  return { requests, refused: undefined, open: head !== undefined || held.length > 0, begun: head };
}
