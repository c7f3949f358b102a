/** Beside Node's own parser: whatever we take for requests, Node takes for the same requests. We may refuse more, never less. */
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import { duplexPair } from "node:stream";
import { seededRandom } from "@fairlead/testkit";
import { expect, test } from "vitest";
import { readRequests } from "./support/message-stream.ts";
import { mutatedRequest } from "./support/mutations.ts";

interface Taken {
  readonly method: string;
  readonly target: string;
  readonly body: string;
}

/** The requests that Node's server takes out of these bytes, which come in pieces as one error drops all of its piece. */
async function takenByNode(pieces: readonly Buffer[]): Promise<Taken[]> {
  const taken: Taken[] = [];
  const take = (request: IncomingMessage): void => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => {});
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("latin1");
      taken.push({ method: request.method ?? "", target: request.url ?? "", body });
    });
  };
  const server = createServer({ insecureHTTPParser: false, requestTimeout: 0, shouldUpgradeCallback: () => false });
  server.maxHeadersCount = 0;
  server.on("request", (request, response) => {
    take(request);
    request.on("end", () => response.end());
  });
  server.on("checkContinue", (request, response) => {
    take(request);
    request.on("end", () => response.end());
  });
  server.on("checkExpectation", (request, response) => {
    take(request);
    request.on("end", () => response.end());
  });
  server.on("clientError", (_, socket) => socket.destroy());
  const [ours, theirs] = duplexPair();
  ours.on("error", () => {}).resume();
  server.emit("connection", theirs);
  for (const piece of pieces) {
    ours.write(piece);
    // The parser works as the bytes pass; what it found is told within a few turns.
    for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  ours.destroy();
  theirs.destroy();
  return taken;
}

/** What both take out of these bytes, as far as we take any. */
async function takenByBoth(bytes: Buffer): Promise<{ ours: Taken[]; nodes: Taken[] }> {
  const { requests } = readRequests([bytes]);
  // Where a message says that the connection ends, Node reads no further; CONNECT is refused behind our parser.
  const last = requests.findIndex(({ minor, fields }) => {
    const connection = fields.filter((line) => /^connection:/i.test(line)).join();
    return minor === 1 ? /\bclose\b/i.test(connection) : !/\bkeep-alive\b/i.test(connection);
  });
  const tunnel = requests.findIndex(({ method }) => method === "CONNECT");
  const counted = requests.slice(0, last === -1 ? undefined : last + 1).slice(0, tunnel === -1 ? undefined : tunnel);
  const ends = [0, ...counted.map(({ end }) => end)];
  const pieces = ends.map((from, index) => bytes.subarray(from, ends[index + 1] ?? bytes.length));
  const ours = counted.map(({ method, target, body }) => ({ method, target, body }));
  return { ours, nodes: (await takenByNode(pieces)).slice(0, ours.length) };
}

const host = "Host: a.example.org\r\n";
const nasty: [name: string, text: string][] = [
  ["plain", `GET / HTTP/1.1\r\n${host}\r\n`],
  ["pipelined", `GET /1 HTTP/1.1\r\n${host}\r\nGET /2 HTTP/1.1\r\n${host}\r\n`],
  ["an empty line before", `\r\nGET / HTTP/1.1\r\n${host}\r\n`],
  ["a body and a request", `POST /1 HTTP/1.1\r\n${host}Content-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n${host}\r\n`],
  [
    "chunks and a request",
    `POST /1 HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3;x="y z"\r\nabc\r\n0\r\nt: u\r\n\r\nGET /2 HTTP/1.1\r\n${host}\r\n`,
  ],
  ["bytes above ASCII in the target", `GET /\xc3\xa9 HTTP/1.1\r\n${host}\r\n`],
  ["bytes above ASCII in a value", `GET / HTTP/1.1\r\n${host}X: \xff\r\n\r\n`],
  ["a fragment", `GET /a#b HTTP/1.1\r\n${host}\r\n`],
  ["a target without slash", `GET a HTTP/1.1\r\n${host}\r\n`],
  ["length zero twice", `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`],
  ["length with spaces", `POST / HTTP/1.1\r\n${host}Content-Length:  3 \t\r\n\r\nabc`],
  ["length with a space inside", `POST / HTTP/1.1\r\n${host}Content-Length: 3 3\r\n\r\nabc`],
  [
    "length with leading zeros",
    `POST / HTTP/1.1\r\n${host}Content-Length: 0003\r\n\r\nabcGET / HTTP/1.1\r\n${host}\r\n`,
  ],
  ["length without digits", `POST / HTTP/1.1\r\n${host}Content-Length:\r\n\r\n`],
  ["length beyond numbers", `POST / HTTP/1.1\r\n${host}Content-Length: 99999999999999999999\r\n\r\nabc`],
  ["coding in capitals", `POST / HTTP/1.1\r\n${host}TRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n`],
  ["coding with a comma", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n`],
  ["coding in quotes", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`],
  ["coding with a vertical tab", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n`],
  ["coding with a parameter", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n`],
  ["chunk size with zeros", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0003\r\nabc\r\n000\r\n\r\n`],
  ["chunk size with a space", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n`],
  ["no line end after a chunk", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3\r\nabc0\r\n\r\n`],
  ["the request line again", `GET / HTTP/1.1\r\nGET / HTTP/1.1\r\n${host}\r\n`],
  ["a nameless field", `GET / HTTP/1.1\r\n: x\r\n${host}\r\n`],
  ["a field without colon", `GET / HTTP/1.1\r\nX\r\n${host}\r\n`],
  ["a bracket in a name", `GET / HTTP/1.1\r\nX[]: y\r\n${host}\r\n`],
  ["DEL in a value", `GET / HTTP/1.1\r\nX: \x7f\r\n${host}\r\n`],
  ["DEL in the target", `GET /\x7f HTTP/1.1\r\n${host}\r\n`],
  ["HTTP/1.0 kept alive", `GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n`],
  ["another protocol", `GET / RTSP/1.0\r\n${host}\r\n`],
  ["a star", `OPTIONS * HTTP/1.1\r\n${host}\r\n`],
  [
    "upgrade and a request",
    `GET /1 HTTP/1.1\r\n${host}Connection: upgrade\r\nUpgrade: h2c\r\n\r\nGET /2 HTTP/1.1\r\n${host}\r\n`,
  ],
  [
    "Connection: close and a request",
    `GET /1 HTTP/1.1\r\n${host}Connection: close\r\n\r\nGET /2 HTTP/1.1\r\n${host}\r\n`,
  ],
];

test.each(nasty)("%s", async (_, text) => {
  const { ours, nodes } = await takenByBoth(Buffer.from(text, "latin1"));
  expect(nodes).toEqual(ours);
});

test("mutated requests", async () => {
  const random = seededRandom(20_261_122);
  let accepted = 0;
  for (let left = 2_500; left > 0; left -= 1) {
    const bytes = mutatedRequest(random);
    const { ours, nodes } = await takenByBoth(bytes);
    accepted += ours.length;
    expect(nodes, JSON.stringify(bytes.toString("latin1"))).toEqual(ours);
  }
  // Else nothing would have been compared.
  expect(accepted).toBeGreaterThan(300);
});
