/**
 * Malformed requests by the thousand (FAIRLEAD_FUZZ_REQUESTS of them; 3,000 unless told): no crash, no hang, no growth of memory, and no
 * endpoint sees a request that the bytes do not hold.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { seededRandom } from "@fairlead/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ingress } from "./support/ingress-objects.ts";
import { readRequests } from "./support/message-stream.ts";
import { mutatedRequest } from "./support/mutations.ts";
import { ProxyStand } from "./support/proxy-stand.ts";

const count = Number(process.env["FAIRLEAD_FUZZ_REQUESTS"] ?? "3000");
/** Clients at a time. */
const clients = 20;
const stand = new ProxyStand();
/** What reached the endpoint, by the client's address: each request is sent from one of its own. */
const reached = new Map<string, string[]>();

beforeAll(async () => {
  await stand.start();
  const address = await stand.backend("127.12.0.2", (request, response) => {
    const client = String(request.headers["x-real-ip"]);
    reached.set(client, [...(reached.get(client) ?? []), `${request.method} ${request.url}`]);
    request.resume().on("end", () => response.end("ok"));
  });
  stand.service("web", [address]);
  stand.routes(ingress("web", { "a.example.org": [{ path: "/", service: "web" }] }));
});

afterAll(() => stand[Symbol.asyncDispose]());

/** Sends bytes; says what came back, and whether the connection was ended within `ms`. */
async function send(bytes: Buffer, from: string, ms: number): Promise<{ text: string; ended: boolean }> {
  const socket = connect({ port: stand.port, host: "127.0.0.1", localAddress: from });
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => {});
  const timeout = AbortSignal.timeout(ms);
  // Two pieces, so that every place is cut at some time.
  const middle = bytes.length >> 1;
  socket.write(bytes.subarray(0, middle));
  setImmediate(() => socket.write(bytes.subarray(middle)));
  const ended = await once(socket, "close", { signal: timeout }).then(
    () => true,
    () => false,
  );
  socket.destroy();
  return { text, ended };
}

/** Whether the second list is the first with some left out. */
function holds(all: readonly string[], some: readonly string[]): boolean {
  let at = 0;
  for (const one of all) if (one === some[at]) at += 1;
  return at === some.length;
}

test(
  `${count} malformed requests`,
  async () => {
    const random = seededRandom(20_261_123);
    const wrong: string[] = [];
    let sent = 0;
    const one = async (): Promise<void> => {
      const bytes = mutatedRequest(random);
      sent += 1;
      const from = `127.31.${4 + (sent >> 8)}.${sent & 255}`;
      const { requests, refused, begun } = readRequests([bytes]);
      const { text, ended } = await send(bytes, from, refused === undefined ? 10 : 10_000);
      const shown = JSON.stringify(bytes.toString("latin1"));
      if (refused !== undefined && !ended) wrong.push(`not ended: ${shown}`);
      if (text !== "" && !text.startsWith("HTTP/1.1 ")) wrong.push(`answered by nonsense: ${shown}`);
      const targets = [...requests, ...(begun === undefined ? [] : [begun])].map(({ method, target }) => {
        const path = /^https?:\/\/[^/?]+(.*)$/i.exec(target)?.[1] ?? target;
        return `${method} ${path.startsWith("/") ? path : `/${path}`}`;
      });
      if (!holds(targets, reached.get(from) ?? [])) wrong.push(`reached as ${reached.get(from)?.join()}: ${shown}`);
    };
    const worker = async (share: number): Promise<void> => {
      for (let left = share; left > 0; left -= 1) await one();
    };
    const run = (all: number): Promise<void[]> =>
      Promise.all(Array.from({ length: clients }, () => worker(Math.ceil(all / clients))));
    await run(Math.min(500, count / 2));
    const before = process.memoryUsage();
    await run(count - sent);
    expect(wrong).toEqual([]);
    const after = process.memoryUsage();
    // Generous, as the test's own clients are in it too; a leak of a buffer a request would be far above.
    expect(after.rss - before.rss).toBeLessThan(150 * 1024 * 1024);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(100 * 1024 * 1024);
    expect((await stand.get("/")).body).toBe("ok");
    await expect.poll(() => stand.gateway.active, { timeout: 15_000 }).toBe(0);
    expect(reached.size).toBeGreaterThan(count / 20);
  },
  20_000 + count * 20,
);
