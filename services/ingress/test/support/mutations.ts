/** Requests bent out of shape, the same ones for the same seed. */
import type { Random } from "@fairlead/types";

const host = "Host: a.example.org\r\n";
const seeds = [
  `GET / HTTP/1.1\r\n${host}\r\n`,
  `GET /a?b=c HTTP/1.0\r\nConnection: keep-alive\r\n${host}\r\n`,
  `POST /x HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`,
  `POST /y HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTrailer: x\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n`,
  `POST /z HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n1;a=b;c="d\\"e"\r\nh\r\n0a\r\n0123456789\r\n0\r\n\r\n`,
  `GET /ws HTTP/1.1\r\n${host}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`,
  `PUT /z HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
  `GET http://a.example.org/abs HTTP/1.1\r\n${host}X-Long: ${"v".repeat(300)}\r\nCookie: a=b; c=d\r\n\r\n`,
  `HEAD /h HTTP/1.1\r\n${host}Accept: */*\r\nX-Forwarded-For: 192.0.2.1\r\n\r\nGET /second HTTP/1.1\r\n${host}\r\n`,
].map((text) => Buffer.from(text, "latin1"));
const bytes = [0, 9, 10, 11, 13, 32, 34, 35, 37, 43, 44, 45, 48, 58, 59, 61, 95, 127, 128, 255];
const phrases = [
  "\r\n",
  "\r\n\r\n",
  "\n",
  "\r",
  "\r\n ",
  " : ",
  "Content-Length: 4\r\n",
  "Content-Length: 0\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "transfer_encoding: chunked\r\n",
  host,
  "Connection: close\r\n",
  "Connection: content-length, host\r\n",
  "0\r\n\r\n",
  "ffffffffffffffff\r\n",
  "GET /smuggled HTTP/1.1\r\n",
  "HTTP/1.1",
].map((text) => Buffer.from(text, "latin1"));

/** One mutated request. */
export function mutatedRequest(random: Random): Buffer {
  const any = (length: number): number => Math.floor(random() * length);
  const pick = <T>(list: readonly T[]): T => list[any(list.length)] as T;
  let request = Buffer.from(pick(seeds));
  for (let count = any(6); count >= 0; count -= 1) {
    const at = any(request.length + 1);
    const [before, after] = [request.subarray(0, at), request.subarray(at)];
    const byte = random() < 0.6 ? pick(bytes) : any(256);
    const kind = random();
    if (kind < 0.25 && request.length > 0) request[Math.min(at, request.length - 1)] = byte;
    else if (kind < 0.4) request = Buffer.concat([before, Buffer.from([byte]), after]);
    else if (kind < 0.55) request = Buffer.concat([before, after.subarray(1 + any(8))]);
    else if (kind < 0.8) request = Buffer.concat([before, pick(phrases), after]);
    else if (kind < 0.9) request = Buffer.concat([before, pick(seeds)]);
    else if (kind < 0.95) request = Buffer.concat([request, request.subarray(at)]);
    else request = request.subarray(0, at);
    if (request.length > 8192) request = request.subarray(0, 8192);
  }
  return request;
}
