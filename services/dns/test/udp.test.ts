import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { silentLogger } from "@fairlead/host";
import { Family, openSocket, OutgoingDatagrams, socketAddress, SocketType } from "@fairlead/sockets";
import { RecordingLogger } from "@fairlead/testkit";
import { ipAddress } from "@fairlead/types";
import { afterEach, describe, expect, test } from "vitest";
import type { Handler } from "../src/handler.ts";
import { MAX_BATCHES, MAX_QUERY_BYTES } from "../src/server/datagram-drain.ts";
import { UdpServer } from "../src/server/udp-server.ts";
import { decodeMessage } from "../src/wire/message.ts";
import { nameText } from "../src/wire/name.ts";
import { queryBytes } from "./support/client.ts";
import { stateOf } from "./support/objects.ts";
import { startServer } from "./support/server.ts";

type Handle = Handler["handle"];

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

async function serve(
  handle: Handle,
  batches: boolean,
  host = "127.32.1.1",
): Promise<{ server: UdpServer; port: number }> {
  const server = new UdpServer({ host, handler: { handle }, log: silentLogger, batches });
  undo.push(() => server.close());
  return { server, port: await server.listen(0) };
}

async function client(host = "127.32.1.2"): Promise<Socket> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  undo.push(() => socket.close());
  socket.bind(0, host);
  await once(socket, "listening");
  return socket;
}

/** Puts datagrams into the server's queue before it has a turn to read any. */
function burst(port: number, count: number): void {
  const socket = openSocket({ family: Family.INET, type: SocketType.DGRAM });
  undo.push(() => socket.close());
  socket.bind(socketAddress(ipAddress("127.32.1.2"), 0));
  const to = socketAddress(ipAddress("127.32.1.1"), port);
  const outgoing = new OutgoingDatagrams({ count, bytes: 16 });
  for (let index = 0; index < count; index++) outgoing.add(Buffer.from(`query ${index}`), to);
  expect(socket.sendMany(outgoing).sent).toBe(count);
}

const echo: Handle = (query) => Buffer.concat([Buffer.from("re: "), query]);

describe.each([true, false])("queries over UDP (many by one call: %s)", (batches) => {
  test.each(["127.32.1.1", "::1"])("at %s get each its own answer", async (host) => {
    const { port } = await serve(echo, batches, host);
    const clients = [await client(host), await client(host)];
    const answers: string[][] = clients.map(() => []);
    for (const [which, socket] of clients.entries()) {
      socket.on("message", (bytes) => answers[which]?.push(bytes.toString()));
      for (let index = 0; index < 150; index++) socket.send(`${which}/${index}`, port, host);
    }
    await expect.poll(() => answers.flat().length).toBe(300);
    for (const [which, got] of answers.entries()) {
      expect(got).toEqual(Array.from({ length: 150 }, (_, index) => `re: ${which}/${index}`));
    }
  });

  test("are answered later where the answer comes later, and not where there is none", async () => {
    const held: (() => void)[] = [];
    const { port } = await serve((query) => {
      const text = query.toString();
      if (text.startsWith("never")) return undefined;
      if (text.startsWith("fails")) return Promise.reject(new Error("fails"));
      if (!text.startsWith("later")) return Buffer.from(text);
      return new Promise((resolve) => held.push(() => resolve(Buffer.from(text))));
    }, batches);
    const socket = await client();
    const answers: string[] = [];
    socket.on("message", (bytes) => answers.push(bytes.toString()));
    for (const text of ["later 1", "never", "now 1", "later 2", "fails", "now 2"])
      socket.send(text, port, "127.32.1.1");
    await expect.poll(() => answers).toEqual(["now 1", "now 2"]);
    for (const release of held) release();
    await expect.poll(() => answers).toEqual(["now 1", "now 2", "later 1", "later 2"]);
  });

  test("of no bytes and of many reach the handler, and the next one too", async () => {
    const sizes: number[] = [];
    const { port } = await serve((query) => {
      sizes.push(query.length);
      return Buffer.from("x");
    }, batches);
    const socket = await client();
    let answers = 0;
    socket.on("message", () => (answers += 1));
    const sent = [5, 0, 60_000, 0, MAX_QUERY_BYTES, 60_000, 7];
    for (const size of sent) socket.send(Buffer.alloc(size), port, "127.32.1.1");
    await expect.poll(() => answers).toBe(sent.length);
    expect(sizes).toEqual(sent.map((size) => Math.min(size, MAX_QUERY_BYTES)));
  });

  test("go on to be answered when clients have gone", async () => {
    const { port } = await serve(echo, batches);
    for (let round = 0; round < 3; round++) {
      const gone = createSocket("udp4");
      for (let index = 0; index < 20; index++) gone.send("anyone?", port, "127.32.1.1");
      await new Promise<void>((resolve) => {
        gone.send("bye", port, "127.32.1.1", () => gone.close(() => resolve()));
      });
    }
    const socket = await client();
    const answer = once(socket, "message");
    socket.send("still there?", port, "127.32.1.1");
    expect(String((await answer)[0])).toBe("re: still there?");
  });

  test("while it is closed are dropped, and no descriptor is left", async () => {
    const before = readdirSync("/proc/self/fd").length;
    let closing: Promise<void> | undefined;
    let late: ((answer: Buffer) => void) | undefined;
    const { server, port } = await serve((query) => {
      closing ??= server.close();
      if (late) return query;
      return new Promise((resolve) => (late = resolve));
    }, batches);
    const socket = createSocket("udp4");
    for (let index = 0; index < 200; index++) socket.send("query", port, "127.32.1.1");
    await expect.poll(() => closing !== undefined).toBe(true);
    await closing;
    late?.(Buffer.from("too late"));
    await new Promise<void>((resolve) => {
      socket.close(() => resolve());
    });
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });

  test("need a port of their own", async () => {
    const { port } = await serve(echo, batches);
    for (const other of [true, false]) {
      const second = new UdpServer({
        host: "127.32.1.1",
        handler: { handle: echo },
        log: silentLogger,
        batches: other,
      });
      await expect(second.listen(port)).rejects.toMatchObject({ code: "EADDRINUSE", syscall: "bind" });
    }
    const shared = createSocket({ type: "udp4", reuseAddr: true });
    undo.push(() => shared.close());
    shared.bind(port, "127.32.1.1");
    await expect(once(shared, "listening")).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});

describe("a flood of queries", () => {
  test("leaves every turn to others, and is answered to the end", async () => {
    let handled = 0;
    let atNextTurn: number | undefined;
    const { port } = await serve((query) => {
      handled += 1;
      if (handled === 1) setImmediate(() => (atNextTurn = handled));
      return query;
    }, true);
    burst(port, 4_000);
    await expect.poll(() => handled).toBe(4_000);
    // A turn's batches, and what Node reads itself in a turn (32 at most).
    expect(atNextTurn).toBeLessThanOrEqual(MAX_BATCHES * 64 + 32);
    expect(atNextTurn).toBeGreaterThan(64);
  });

  test("of which the handler refuses every one costs no answer and no message in the log", async () => {
    const log = new RecordingLogger();
    let handled = 0;
    const handle: Handle = () => {
      handled += 1;
      return undefined;
    };
    const server = new UdpServer({ host: "127.32.1.1", handler: { handle }, log });
    undo.push(() => server.close());
    burst(await server.listen(0), 500);
    await expect.poll(() => handled).toBe(500);
    expect(log.records.filter(({ level }) => level !== "debug")).toEqual([]);
  });
});

describe("queries for other zones", () => {
  test("get their own answers though their bytes' room is used again before those come", async () => {
    const upstream = createSocket("udp4");
    undo.push(() => upstream.close());
    upstream.bind(0, "127.32.1.3");
    await once(upstream, "listening");
    const held: (() => void)[] = [];
    upstream.on("message", (query, from) => {
      const answer = Buffer.from(query);
      answer.writeUInt16BE(0x8180, 2);
      held.push(() => upstream.send(answer, from.port, from.address));
    });
    const at = `127.32.1.3:${upstream.address().port}`;
    await using server = await startServer(stateOf(), "--listen", "127.32.1.1:0", "--upstreams", at);
    const socket = await client();
    const answers = new Map<number, string>();
    socket.on("message", (bytes) =>
      answers.set(bytes.readUInt16BE(0), nameText(decodeMessage(bytes).questions[0]?.name ?? [])),
    );
    const names = new Map(Array.from({ length: 40 }, (_, index) => [index + 1, `n${index}.Example.ORG.`]));
    for (const [id, name] of names) {
      const query = queryBytes(name, "A");
      query.writeUInt16BE(id, 0);
      socket.send(query, server.port, "127.32.1.1");
    }
    // The server may ask something of its own too.
    await expect.poll(() => held.length).toBeGreaterThanOrEqual(names.size);
    for (let index = 0; index < 200; index++)
      socket.send(queryBytes("cluster.local.", "SOA"), server.port, "127.32.1.1");
    await expect.poll(() => answers.get(0x1234)).toBe("cluster.local.");
    for (const release of held) release();
    await expect.poll(() => answers.size).toBe(names.size + 1);
    expect(new Map([...answers].filter(([id]) => id !== 0x1234).sort(([one], [other]) => one - other))).toEqual(names);
  });
});
