/**
 * The clients of the benchmark: `connections` at a time, each sends a request, waits for the whole answer and sends the next;
 * with `fresh`, each request on a connection of its own. Prints one JSON line: what `LoadResult` in ../relay.bench.ts describes.
 */
import { connect } from "node:net";
import type { Socket } from "node:net";

const [host = "127.0.0.1", port, seconds, connections, bytes, mode] = process.argv.slice(2);
const requestBytes = Number(bytes);
const request = Buffer.alloc(requestBytes, "r");
const durationMs = Number(seconds) * 1000;
/** Before this time nothing is counted: code warms up. */
const warmUpMs = Math.min(500, durationMs / 3);

const started = performance.now();
const counting = started + warmUpMs;
const end = counting + durationMs;
/** Latencies in microseconds, counted by size: quantiles without keeping every one. */
const histogram = new Uint32Array(200_000);
let all = 0;
let done = 0;
let failed = 0;
let open = 0;

function record(began: number): void {
  all++;
  const now = performance.now();
  if (now < counting || now > end) return;
  done++;
  const micros = Math.min(histogram.length - 1, Math.round((now - began) * 1000));
  histogram[micros] = (histogram[micros] ?? 0) + 1;
}

function steady(): void {
  let began = 0;
  let received = 0;
  const socket: Socket = connect({
    host,
    port: Number(port),
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafe(65_536),
      callback: (read) => {
        received += read;
        if (received < requestBytes) return true;
        received = 0;
        record(began);
        if (performance.now() > end) socket.destroy();
        else send();
        return true;
      },
    },
  });
  const send = (): void => {
    began = performance.now();
    socket.write(request);
  };
  open++;
  socket.on("connect", send);
  socket.on("error", () => failed++);
  socket.on("close", ended);
}

function fresh(): void {
  const began = performance.now();
  let received = 0;
  const socket = connect({
    host,
    port: Number(port),
    noDelay: true,
    onread: {
      buffer: buffers.pop() ?? Buffer.allocUnsafe(4096),
      callback: (read, buffer) => {
        received += read;
        if (received >= requestBytes) {
          record(began);
          buffers.push(buffer as Buffer);
          socket.end();
        }
        return true;
      },
    },
  });
  open++;
  socket.on("connect", () => socket.write(request));
  socket.on("error", () => failed++);
  socket.on("close", () => {
    if (performance.now() < end) {
      open--;
      fresh();
    } else ended();
  });
}
const buffers: Buffer[] = [];

function ended(): void {
  open--;
  if (open > 0) return;
  const quantile = (part: number): number => {
    let seen = 0;
    return histogram.findIndex((count) => (seen += count) >= done * part);
  };
  const perSecond = done / (durationMs / 1000);
  process.stdout.write(`${JSON.stringify({ perSecond, all, failed, p50: quantile(0.5), p99: quantile(0.99) })}\n`, () =>
    process.exit(0),
  );
}

for (let count = 0; count < Number(connections); count++) {
  if (mode === "fresh") fresh();
  else steady();
}
