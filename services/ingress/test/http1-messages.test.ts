/** The pure parsers of HTTP/1.1: what they read, what they refuse, and that it does not matter how the bytes are cut. */
import * as fc from "fast-check";
import { seededRandom } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { bodyReader } from "../src/http1/body-reader.ts";
import { MAX_CHUNK_SIZE_DIGITS, MAX_EXTENSION_BYTES } from "../src/http1/chunked-body.ts";
import { chunkedBody } from "../src/http1/framing.ts";
import { MAX_FIELDS, MAX_HEAD_BYTES } from "../src/http1/grammar.ts";
import { readRequestHead } from "../src/http1/request-head.ts";
import { readResponseHead } from "../src/http1/response-head.ts";
import { readRequests } from "./support/message-stream.ts";
import { mutatedRequest } from "./support/mutations.ts";

const request = (text: string) => readRequestHead(Buffer.from(text, "latin1"));
const response = (text: string, method = "GET") => readResponseHead(Buffer.from(text, "latin1"), method);

/** Cuts bytes at these places, given as shares of the length. */
function cut(bytes: Buffer, shares: readonly number[]): Buffer[] {
  const places = [...new Set(shares.map((share) => Math.floor(share * bytes.length)))].sort((a, b) => a - b);
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length));
}

describe("the head of a request", () => {
  test("is read with its fields as written, values trimmed, and the size it took", () => {
    const text = "POST /a?b HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nx-e:  a\tb \t\r\nX-E: \xe9\r\nContent-Length: 7\r\n\r\n";
    const head = request(`\r\n${text}abc`);
    expect(head).toMatchObject({ method: "POST", target: "/a?b", minor: 1, framing: { kind: "length", length: 7 } });
    if (head === undefined || "refused" in head) throw new Error("not read");
    expect(head.fields.names).toEqual(["Host", "X-Empty", "x-e", "X-E", "Content-Length"]);
    expect(head.fields.values).toEqual(["x", "", "a\tb", "\xe9", "7"]);
    expect(head.fields.get("x-e")).toBe("a\tb, \xe9");
    expect(head.size).toBe(text.length + 2);
  });

  test("is awaited while it is not whole, and refused as soon as it cannot become one", () => {
    const text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for (let length = 0; length < text.length; length += 1) expect(request(text.slice(0, length))).toBeUndefined();
    expect(request("GET / HTTP/1.1\nHost: x")).toMatchObject({ refused: 400 });
    expect(request("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03")).toMatchObject({ refused: 400 });
    expect(request(`GET / HTTP/1.1\r\nX: ${"y".repeat(MAX_HEAD_BYTES)}`)).toMatchObject({ refused: 431 });
  });

  test.each([
    ["many fields", `GET / HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(MAX_FIELDS)}\r\n`, 431],
    ["an unknown method", "FROB / HTTP/1.1\r\nHost: x\r\n\r\n", 501],
    ["a method in lower case", "get / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["a version to come", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505],
    ["a version of three digits", "GET / HTTP/1.10\r\nHost: x\r\n\r\n", 400],
    ["a lower-case version", "GET / http/1.1\r\nHost: x\r\n\r\n", 400],
    ["HTTP/0.9", "GET /\r\n\r\n", 400],
    ["two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["a tab", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["a space at the end of the line", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400],
    ["two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["a tab behind a length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\t\r\n\r\n", 400],
    ["a transfer coding that is not known", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501],
  ])("%s: refused", (_, text, refused) => {
    expect(request(text)).toMatchObject({ refused });
  });
});

describe("the head of a response", () => {
  const framings: [text: string, method: string, kind: string][] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "GET", "length"],
    ["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD", "none"],
    ["HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "GET", "none"],
    ["HTTP/1.1 204 \r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "none"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", "GET", "chunked"],
    ["HTTP/1.1 200\r\n\r\n", "GET", "close"],
    ["HTTP/1.0 200 OK\r\n\r\n", "GET", "close"],
  ];
  test.each(framings)("%j to %s has a body by %s", (text, method, kind) => {
    expect(response(text, method)).toMatchObject({ framing: { kind }, size: text.length });
  });

  test.each([
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "HTTP/1.1 200 OK\nX: a\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 020 OK\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n",
    "nonsense\r\n\r\n",
  ])("%j is refused", (text) => {
    expect(response(text)).toHaveProperty("refused");
  });

  test("says whether the connection may be used again", () => {
    const keeps = (text: string): unknown => (response(text) as { keepAlive?: boolean }).keepAlive;
    expect(keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).toBe(true);
    expect(keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n")).toBe(false);
    expect(keeps("HTTP/1.1 200 OK\r\n\r\n")).toBe(false);
    expect(keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")).toBe(false);
  });
});

describe("a chunked body", () => {
  const read = (
    pieces: readonly Buffer[],
  ): { end: number; body: string; trailers: readonly string[]; done: boolean } => {
    const reader = bodyReader(chunkedBody);
    let body = "";
    let taken = 0;
    for (const piece of pieces) {
      const end = reader.read(piece, 0, { onBody: (part) => (body += part.toString("latin1")) });
      if (end < 0) return { end, body, trailers: [], done: false };
      taken += end;
      if (reader.done) break;
    }
    return { end: taken, body, trailers: reader.trailers.values, done: reader.done };
  };
  const whole = (text: string) => read([Buffer.from(text, "latin1")]);

  test("is what was put in, however it is chunked and cut, and what follows it is left", () => {
    const chunk = fc.record({ data: fc.string({ minLength: 1, maxLength: 40 }), extension: fc.boolean() });
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 8 }), fc.boolean(), shares, (chunks, trailer, places) => {
        const texts = chunks.map(({ data }) => Buffer.from(data).toString("latin1"));
        const lines = texts.map((data, at) => {
          const extension = chunks[at]?.extension === true ? ';a;b=c;d="e\\"f"' : "";
          return `${data.length.toString(16)}${extension}\r\n${data}\r\n`;
        });
        const coded = `${lines.join("")}0\r\n${trailer ? "x: 1\r\ny: 2\r\n" : ""}\r\n`;
        const result = read(cut(Buffer.from(`${coded}GET`, "latin1"), places));
        expect(result).toMatchObject({ body: texts.join(""), trailers: trailer ? ["1", "2"] : [], done: true });
        expect(result.end).toBeGreaterThanOrEqual(0);
        expect(read([...Buffer.from(coded, "latin1")].map((byte) => Buffer.from([byte])))).toMatchObject({
          end: coded.length,
          body: texts.join(""),
        });
        expect(whole(`${coded}GET`).end).toBe(coded.length);
      }),
    );
  });

  const bad = [
    "\r\n",
    "g\r\n",
    "-1\r\n",
    "+1\r\n",
    " 1\r\n",
    "1 \r\n",
    "0x1\r\n",
    "1\n",
    "1\r\r",
    "1\r\nab",
    "1\r\na\n",
    "1\r\na\r0",
    "1;\r\n",
    "1;a=\r\n",
    "1; a\r\n",
    '1;a="\n"\r\n',
    "1;a\nb\r\n",
    "0\r\nx\r\n\r\n",
    "0\r\n x: y\r\n\r\n",
    "0\r\nx : y\r\n\r\n",
    "0\r\n\rx",
    "0\r\ncontent-length: 3\r\n\r\n",
    "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    `${"0".repeat(MAX_CHUNK_SIZE_DIGITS + 1)}\r\n`,
    "ffffffffffffffff\r\n",
    `1;${"a".repeat(MAX_EXTENSION_BYTES + 1)}\r\n`,
    `0\r\nx: ${"y".repeat(MAX_HEAD_BYTES)}`,
  ];
  test.each(bad.map((text) => [text.slice(0, 24), text]))("%j is none", (_, text) => {
    expect(whole(text).end).toBe(-1);
    expect(read([...Buffer.from(text, "latin1")].map((byte) => Buffer.from([byte]))).end).toBe(-1);
  });
});

test("mutated requests are read, or refused, alike however they are cut", () => {
  const random = seededRandom(20_261_121);
  for (let left = 2_000; left > 0; left -= 1) {
    const bytes = mutatedRequest(random);
    const shares = Array.from({ length: Math.floor(random() * 10) }, () => random());
    const whole = readRequests([bytes]);
    const pieces = readRequests(cut(bytes, shares));
    expect(pieces.requests, JSON.stringify(bytes.toString("latin1"))).toEqual(whole.requests);
    expect(pieces.open).toBe(whole.open);
    expect(pieces.refused === undefined).toBe(whole.refused === undefined);
  }
});
