import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "@fairlead/testkit";
import { ingress } from "./support/ingress-objects.ts";
import { ProxyStand } from "./support/proxy-stand.ts";

const stand = new ProxyStand();
let reached: string[] = [];

beforeAll(async () => {
  await stand.start();
  const address = await stand.backend("127.12.0.1", (request, response) => {
    reached.push(`${request.method} ${request.url}`);
    request.resume();
    response.end("ok");
  });
  stand.service("web", [address]);
  stand.routes(ingress("web", { "a.example.org": [{ path: "/", service: "web" }] }));
});

afterAll(() => stand[Symbol.asyncDispose]());

const host = "Host: a.example.org\r\n";
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.example.org\r\n\r\n";

describe("refused, and nothing behind it is taken for a request", () => {
  const cases: [name: string, bytes: string][] = [
    [
      "both lengths",
      `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "both lengths, the other way round",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    ["two different lengths", `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\nContent-Length: 4\r\n\r\n${smuggled}`],
    ["a list of lengths", `POST / HTTP/1.1\r\n${host}Content-Length: 0, 4\r\n\r\n${smuggled}`],
    ["a signed length", `POST / HTTP/1.1\r\n${host}Content-Length: +4\r\n\r\nabcd${smuggled}`],
    ["a negative length", `POST / HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n${smuggled}`],
    ["a length in hex", `POST / HTTP/1.1\r\n${host}Content-Length: 0x4\r\n\r\nabcd${smuggled}`],
    [
      "chunked twice",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "chunked before another coding",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "an unknown coding before chunked",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "a coding that only looks like chunked",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "Transfer-Encoding in HTTP/1.0",
      `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    ["a space before the colon", `POST / HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ["obs-fold", `POST / HTTP/1.1\r\n${host}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ["a folded field", `GET / HTTP/1.1\r\n${host}X-A: b\r\n c\r\n\r\n${smuggled}`],
    ["bare LF between fields", `GET / HTTP/1.1\n${host}X: y\n\n${smuggled}`],
    ["bare LF in a field", `GET / HTTP/1.1\r\n${host}X: y\nTransfer-Encoding: chunked\r\n\r\n${smuggled}`],
    ["bare CR in a field", `GET / HTTP/1.1\r\n${host}X: y\rTransfer-Encoding: chunked\r\n\r\n${smuggled}`],
    ["NUL in a field", `GET / HTTP/1.1\r\n${host}X: y\0z\r\n\r\n${smuggled}`],
    [
      "a chunk size that is none",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "a chunk longer than its size",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "a chunk size that overflows",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "a chunk that ends in bare LF",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n${smuggled}`,
    ],
    [
      "a chunk extension with bare LF",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n1;x\ny\r\na\r\n0\r\n\r\n${smuggled}`,
    ],
    ["two hosts", `GET / HTTP/1.1\r\n${host}Host: b.example.org\r\n\r\n${smuggled}`],
    ["no host", `GET / HTTP/1.1\r\n\r\n${smuggled}`],
    ["a host that is none", `GET / HTTP/1.1\r\nHost: a.example.org/x\r\n\r\n${smuggled}`],
    ["a target for another host", `GET http://b.example.org/ HTTP/1.1\r\n${host}\r\n${smuggled}`],
    ["a target that is no path", `GET a.example.org HTTP/1.1\r\n${host}\r\n${smuggled}`],
    ["a space in the target", `GET /a b HTTP/1.1\r\n${host}\r\n${smuggled}`],
    ["CONNECT", `CONNECT a.example.org:80 HTTP/1.1\r\n${host}\r\n${smuggled}`],
    ["an underscore for a dash", `POST / HTTP/1.1\r\n${host}Content_Length: 4\r\n\r\n${smuggled}`],
    ["an unknown version", `GET / HTTP/3.7\r\n${host}\r\n${smuggled}`],
    ["a head that is too long", `GET / HTTP/1.1\r\n${host}X: ${"y".repeat(40_000)}\r\n\r\n${smuggled}`],
  ];
  test.each(cases)("%s", async (_, bytes) => {
    reached = [];
    const answered = await stand.raw(bytes, 1_000);
    expect(answered).toMatch(/^(?:HTTP\/1\.1 [45]\d\d |$)/);
    expect(answered).not.toContain(" 200 ");
    expect(reached.filter((line) => line.includes("smuggled"))).toEqual([]);
  });

  test("a field that Connection names cannot take the length away", async () => {
    reached = [];
    await stand.raw(
      `POST / HTTP/1.1\r\n${host}Connection: content-length\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    );
    expect(reached).toEqual(["POST /"]);
  });
});

test("thousands of malformed requests: it goes on answering, and memory stays in bounds", async () => {
  const random = seededRandom(20_260_101);
  const seeds = [
    `GET / HTTP/1.1\r\n${host}\r\n`,
    `POST /x HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`,
    `POST /y HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTrailer: x\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n`,
    `GET /ws HTTP/1.1\r\n${host}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`,
    `PUT /z HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
  ].map((text) => Buffer.from(text, "latin1"));
  const special = [0, 9, 10, 13, 32, 34, 37, 44, 58, 59, 127, 128, 255];
  const mutate = (): Buffer => {
    let bytes = Buffer.from(seeds[Math.floor(random() * seeds.length)] ?? "");
    for (let count = Math.floor(random() * 6); count >= 0; count -= 1) {
      const at = Math.floor(random() * bytes.length);
      const byte = random() < 0.5 ? (special[Math.floor(random() * special.length)] ?? 0) : Math.floor(random() * 256);
      const kind = random();
      if (kind < 0.4) bytes[at] = byte;
      else if (kind < 0.6) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([byte]), bytes.subarray(at)]);
      else if (kind < 0.8)
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + Math.floor(random() * 8))]);
      else bytes = Buffer.concat([bytes, bytes.subarray(at)]);
    }
    return bytes;
  };
  const worker = async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 1) await stand.raw(mutate(), 8);
  };
  await Promise.all(Array.from({ length: 20 }, () => worker(20)));
  const before = process.memoryUsage().rss;
  await Promise.all(Array.from({ length: 20 }, () => worker(130)));
  expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
  expect((await stand.get("/")).body).toBe("ok");
  await expect.poll(() => stand.gateway.active, { timeout: 10_000 }).toBe(0);
});
