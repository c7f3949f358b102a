import { randomInt } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createPicker } from "@fairlead/balancing";
import { silentLogger, systemClock } from "@fairlead/host";
import { eventually, FakeClock, seededRandom } from "@fairlead/testkit";
import { serviceKey, servicePortKey } from "@fairlead/types";
import type { Clock } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RelaySet } from "../src/index.ts";
import type { RelayEntry, RelayFrontend } from "../src/index.ts";
import { PROXY_HEADER_MS } from "../src/proxy-header/header-reader.ts";

let cleanups: AsyncDisposableStack;
let problems: string[];

beforeEach(() => {
  cleanups = new AsyncDisposableStack();
  problems = [];
});
afterEach(() => cleanups.disposeAsync());

function relays(clock: Clock = systemClock): RelaySet<RelayEntry> {
  const made = new RelaySet<RelayEntry>({
    makePicker: (scheduler) => createPicker(scheduler ?? "rr", { random: seededRandom(1) }),
    observer: { serving: () => {}, problem: (entry, _, { kind }) => problems.push(`${entry.key} ${kind}`) },
    keepsSource: () => false,
    clock,
    log: silentLogger,
    connectTimeoutMs: 500,
    udpTimeoutMs: 30_000,
  });
  cleanups.defer(() => made.cleanup());
  return made;
}

async function server(serve: (socket: Socket) => void): Promise<number> {
  const made: Server = createServer({ allowHalfOpen: true }, serve);
  const open = new Set<Socket>();
  made.on("connection", (socket) => {
    open.add(socket.on("error", () => {}).on("close", () => open.delete(socket)));
  });
  made.listen(0, "127.0.0.1");
  await once(made, "listening");
  cleanups.defer(() => {
    for (const socket of open) socket.destroy();
    made.close();
  });
  return (made.address() as AddressInfo).port;
}

const echo = (): Promise<number> => server((socket) => socket.pipe(socket));

function frontend(more: Partial<RelayFrontend> = {}): RelayFrontend {
  const address = `127.34.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  return { address, port: randomInt(20_000, 30_000), policy: "Cluster", sourceRanges: [], ...more };
}

function entry(
  at: RelayFrontend,
  endpoint: { port: number; address?: string },
  more: Partial<RelayEntry> = {},
): RelayEntry {
  const { port, address = "127.0.0.1" } = endpoint;
  const endpoints = [{ key: `${address}:${port}`, address, port, weight: 1 }];
  const servicePort = servicePortKey(serviceKey("default", "web"), "", "TCP");
  return { key: "web", servicePort, protocol: "TCP", frontends: [at], cluster: endpoints, local: [], ...more };
}

const adding = (...added: RelayEntry[]) => ({ added, updated: [], removed: [] });

async function exchange(at: RelayFrontend, ...pieces: (string | Buffer)[]): Promise<string> {
  const socket = connect({ host: at.address, port: at.port, allowHalfOpen: true, noDelay: true });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  const ended = once(socket, "end");
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await ended;
  return Buffer.concat(chunks).toString();
}

describe("a frontend that reads the PROXY header", () => {
  const line = "PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n";

  it.each<[string, string[]]>([
    ["in one piece with what follows", [`${line}hello`]],
    ["in pieces", ["PRO", "XY TCP4 192.0.2.7 192.0.2.1 400", "00 443\r", "\nhel", "lo"]],
    ["with the rest later", [line, "hello"]],
  ])("takes it off: %s", async (_, pieces) => {
    const at = frontend({ readsProxyHeader: true });
    await relays().apply(adding(entry(at, { port: await echo() })));
    expect(await exchange(at, ...pieces)).toBe("hello");
  });

  it("serves a client that says nothing more", async () => {
    const at = frontend({ readsProxyHeader: true });
    await relays().apply(adding(entry(at, { port: await server((socket) => socket.end("bye")) })));
    expect(await exchange(at, line)).toBe("bye");
  });

  it("hands what it says to the picker and, where it writes one, to the endpoint", async () => {
    const at = frontend({ readsProxyHeader: true, writesProxyHeader: true });
    await relays().apply(adding(entry(at, { port: await echo() })));
    expect(await exchange(at, `${line}hello`)).toBe(`${line}hello`);
  });

  it.each(["GET / HTTP/1.1\r\n\r\n", "PROX"])("resets a client that begins with %j", async (text) => {
    const at = frontend({ readsProxyHeader: true });
    const used = relays();
    await used.apply(adding(entry(at, { port: await echo() })));
    await expect(exchange(at, text)).rejects.toMatchObject({ code: "ECONNRESET" });
    const [first] = used.counters();
    expect(first?.[1]).toMatchObject({ refusedByHeader: 1, bytesToEndpoints: 0 });
    await eventually(() => expect(first?.[1].active).toBe(0));
  });

  it("resets a client that is silent, after its time", async () => {
    const at = frontend({ readsProxyHeader: true });
    const clock = new FakeClock();
    const used = relays(clock);
    await used.apply(adding(entry(at, { port: await echo() })));
    const [first] = used.counters();
    const asked = exchangeSilently(at);
    await eventually(() => expect(first?.[1].active).toBe(1));
    await clock.advance(PROXY_HEADER_MS);
    expect(await asked).toBe("ECONNRESET");
  });
});

async function exchangeSilently(at: RelayFrontend): Promise<string | undefined> {
  const socket = connect({ host: at.address, port: at.port });
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  socket.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code));
  socket.on("end", () => resolve("end"));
  socket.resume();
  return promise;
}

describe("a frontend that writes the PROXY header", () => {
  it("says the client's address and port, and the place it asked", async () => {
    const at = frontend({ writesProxyHeader: true });
    await relays().apply(adding(entry(at, { port: await echo() })));
    expect(await exchange(at, "x")).toMatch(
      new RegExp(`^PROXY TCP4 127\\.0\\.0\\.1 ${at.address.replaceAll(".", "\\.")} \\d+ ${at.port}\r\nx$`),
    );
  });
});

describe("a set", () => {
  it("looks up the name of an endpoint", async () => {
    const at = frontend();
    await relays().apply(adding(entry(at, { port: await echo(), address: "localhost" })));
    expect(await exchange(at, "hello")).toBe("hello");
  });

  it("lets open connections end when their entry has gone, and waits for them", async () => {
    const at = frontend();
    const used = relays();
    const web = entry(at, { port: await echo() });
    await used.apply(adding(web));
    const socket = connect({ host: at.address, port: at.port });
    socket.write("1");
    expect(String(await once(socket, "data"))).toBe("1");
    await used.apply({ added: [], updated: [], removed: [web] });
    expect([...used.held()]).toEqual([]);
    let isDrained = false;
    const drained = used.drained(60_000).then(() => (isDrained = true));
    socket.write("2");
    expect(String(await once(socket, "data"))).toBe("2");
    expect(isDrained).toBe(false);
    socket.end();
    await drained;
  });

  it("waits no longer than it is told", async () => {
    const at = frontend();
    const clock = new FakeClock();
    const used = relays(clock);
    await used.apply(adding(entry(at, { port: await echo() })));
    const socket = connect({ host: at.address, port: at.port });
    socket.write("1");
    await once(socket, "data");
    const drained = used.drained(1_000);
    await clock.advance(1_000);
    await drained;
    const closed = once(socket, "close");
    await used.cleanup();
    await expect(closed).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("tells who has to go without an address that two name", async () => {
    const at = frontend();
    const port = await echo();
    await relays().apply(adding(entry(at, { port }, { key: "a" }), entry(at, { port }, { key: "b" })));
    expect(problems).toEqual(["b taken"]);
  });
});
