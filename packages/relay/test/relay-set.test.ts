import { randomInt } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { systemClock } from "@fairlead/host";
import { eventually, FakeClock } from "@fairlead/testkit";
import type { Clock } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RelayEntry, RelayFrontend, RelaySet } from "../src/index.ts";
import { PROXY_HEADER_MS } from "../src/proxy-header/header-reader.ts";
import { adding, endpointAt, entryOf, frontendAt, TcpBackend } from "../src/testing.ts";
import type { At } from "../src/testing.ts";
import { loopback, makeRelaySet } from "./support/relays.ts";

let cleanups: AsyncDisposableStack;
let problems: string[];

beforeEach(() => {
  cleanups = new AsyncDisposableStack();
  problems = [];
});
afterEach(() => cleanups.disposeAsync());

function relays(clock: Clock = systemClock): RelaySet<RelayEntry> {
  const made = makeRelaySet({
    clock,
    observer: { serving: () => {}, problem: (entry, _, { kind }) => problems.push(`${entry.key} ${kind}`) },
  });
  cleanups.defer(() => made.cleanup());
  return made;
}

async function server(serve: (socket: Socket) => void): Promise<At> {
  return cleanups.use(await TcpBackend.start("127.0.0.1", serve));
}

const echo = (): Promise<At> => server((socket) => socket.pipe(socket));

function frontend(options: Parameters<typeof frontendAt>[1] = {}): RelayFrontend {
  return frontendAt({ address: loopback(34), port: randomInt(20_000, 30_000) }, options);
}

function entry(at: RelayFrontend, endpoint: At, name = "web"): RelayEntry {
  return entryOf({ name, frontends: [at], endpoints: [endpointAt(endpoint)] });
}

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
    await relays().apply(adding(entry(at, await echo())));
    expect(await exchange(at, ...pieces)).toBe("hello");
  });

  it("serves a client that says nothing more", async () => {
    const at = frontend({ readsProxyHeader: true });
    await relays().apply(adding(entry(at, await server((socket) => socket.end("bye")))));
    expect(await exchange(at, line)).toBe("bye");
  });

  it("hands what it says to the picker and, where it writes one, to the endpoint", async () => {
    const at = frontend({ readsProxyHeader: true, writesProxyHeader: true });
    await relays().apply(adding(entry(at, await echo())));
    expect(await exchange(at, `${line}hello`)).toBe(`${line}hello`);
  });

  it.each(["GET / HTTP/1.1\r\n\r\n", "PROX"])("resets a client that begins with %j", async (text) => {
    const at = frontend({ readsProxyHeader: true });
    const used = relays();
    await used.apply(adding(entry(at, await echo())));
    await expect(exchange(at, text)).rejects.toMatchObject({ code: "ECONNRESET" });
    const [first] = used.counters();
    expect(first?.[1]).toMatchObject({ refusedByHeader: 1, bytesToEndpoints: 0 });
    await eventually(() => expect(first?.[1].active).toBe(0));
  });

  it("resets a client that is silent, after its time", async () => {
    const at = frontend({ readsProxyHeader: true });
    const clock = new FakeClock();
    const used = relays(clock);
    await used.apply(adding(entry(at, await echo())));
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
    await relays().apply(adding(entry(at, await echo())));
    expect(await exchange(at, "x")).toMatch(
      new RegExp(`^PROXY TCP4 127\\.0\\.0\\.1 ${at.address.replaceAll(".", "\\.")} \\d+ ${at.port}\r\nx$`),
    );
  });
});

describe("a set", () => {
  it("looks up the name of an endpoint", async () => {
    const at = frontend();
    await relays().apply(adding(entry(at, { address: "localhost", port: (await echo()).port })));
    expect(await exchange(at, "hello")).toBe("hello");
  });

  it("lets open connections end when their entry has gone, and waits for them", async () => {
    const at = frontend();
    const used = relays();
    const web = entry(at, await echo());
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
    await used.apply(adding(entry(at, await echo())));
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
    const to = await echo();
    await relays().apply(adding(entry(at, to, "a"), entry(at, to, "b")));
    expect(problems).toEqual(["default/b:/TCP taken"]);
  });
});
