import { randomInt } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { eventually, FakeClock } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  adding,
  ask,
  endpointAt,
  entryOf,
  frontendAt,
  open,
  outcome,
  readAll,
  TcpBackend,
  updating,
} from "../src/testing.ts";
import type { At } from "../src/testing.ts";
import type { RelayEntry, RelaySet, RelaySetOptions, ServicePortCounters } from "../src/index.ts";
import { SUSPECT_MS } from "../src/index.ts";
import { fullServer } from "./support/full-server.ts";
import { loopback, makeRelaySet } from "./support/relays.ts";

let cleanups: AsyncDisposableStack;

beforeEach(() => {
  cleanups = new AsyncDisposableStack();
});

afterEach(() => cleanups.disposeAsync());

function relays(options: Partial<RelaySetOptions<RelayEntry>> = {}): RelaySet<RelayEntry> {
  const made = makeRelaySet(options);
  cleanups.defer(() => made.cleanup());
  return made;
}

const place = (): At => ({ address: loopback(96), port: randomInt(20_000, 30_000) });

/** A place where nobody listens. */
async function refusing(): Promise<At> {
  const backend = await TcpBackend.naming(loopback(244), "gone");
  const { address, port } = backend;
  await backend.stop();
  return { address, port };
}

async function backend(serve: (socket: Socket) => void): Promise<TcpBackend> {
  return cleanups.use(await TcpBackend.start(loopback(244), serve));
}

function web(at: At, endpoints: readonly At[], more: Partial<Parameters<typeof entryOf>[0]> = {}): RelayEntry {
  return entryOf({
    name: "web",
    frontends: [frontendAt(at)],
    endpoints: endpoints.map((one) => endpointAt(one)),
    ...more,
  });
}

function counters(of: RelaySet<RelayEntry>): ServicePortCounters {
  const [first] = of.counters();
  if (first === undefined) throw new Error("no Service port is planned");
  return first[1];
}

describe("an endpoint that does not take the connection", () => {
  it("is replaced by another without the client noticing when it refuses", async () => {
    const at = place();
    const good = cleanups.use(await TcpBackend.echo(loopback(244)));
    const used = relays();
    await used.apply(adding(web(at, [await refusing(), good, await refusing()])));
    for (let time = 0; time < 6; time++) {
      const client = await open(at);
      client.end("first bytes");
      expect(await readAll(client)).toBe("first bytes");
    }
    const { connectFailures, retries, unserved, connections } = counters(used);
    expect(retries).toBe(connectFailures);
    expect(connectFailures).toBeGreaterThan(0);
    expect([unserved, connections]).toEqual([0, 6]);
  });

  it("is passed over by later connections for a while, then tried by one", async () => {
    const at = place();
    const clock = new FakeClock();
    const good = await backend((socket) => socket.end("good"));
    const used = relays({ clock });
    await used.apply(adding(web(at, [await refusing(), good])));
    for (let time = 0; time < 10; time++) expect(await ask(at)).toBe("good");
    expect(counters(used).connectFailures).toBe(1);
    await clock.advance(SUSPECT_MS);
    for (let time = 0; time < 10; time++) expect(await ask(at)).toBe("good");
    expect(counters(used).connectFailures).toBe(2);
  });

  it("is replaced when it does not answer at all", async () => {
    const at = place();
    const silent = cleanups.use(await fullServer(loopback(244)));
    const good = await backend((socket) => socket.end("good"));
    const used = relays({ connectTimeoutMs: 100 });
    await used.apply(adding(web(at, [silent, good])));
    expect([await ask(at), await ask(at)]).toEqual(["good", "good"]);
    expect(counters(used).connectFailures).toBe(1);
  });

  it("leads to a reset when no other is left", async () => {
    const at = place();
    const used = relays();
    await used.apply(adding(web(at, [await refusing(), await refusing()])));
    expect(await outcome(at)).toBe("ECONNRESET");
    expect(counters(used)).toMatchObject({ connectFailures: 2, retries: 1, unserved: 1 });
    await eventually(() => expect(counters(used).active).toBe(0));
  });

  it("is not tried after it has left the Service", async () => {
    const at = place();
    const good = await backend((socket) => socket.end("good"));
    const silent = cleanups.use(await fullServer(loopback(244)));
    const clock = new FakeClock();
    const used = relays({ clock, connectTimeoutMs: 1_000 });
    const before = web(at, [silent]);
    await used.apply(adding(before));
    const asked = ask(at);
    await eventually(() => expect(counters(used).connections).toBe(1));
    await used.apply(updating(before, web(at, [good])));
    await clock.advance(1_000);
    expect(await asked).toBe("good");
  });
});

describe("the two directions of a connection", () => {
  it("end on their own: the server answers after the client has ended", async () => {
    const at = place();
    const server = await backend((socket) => {
      socket.resume();
      socket.on("end", () => socket.end("after the end"));
    });
    const used = relays();
    await used.apply(adding(web(at, [server])));
    const client = await open(at);
    client.end();
    expect(await readAll(client)).toBe("after the end");
  });

  it("end on their own: the client goes on after the server has ended", async () => {
    const at = place();
    const heard: string[] = [];
    const server = await backend((socket) => {
      socket.end("bye");
      socket.on("data", (chunk: Buffer) => heard.push(chunk.toString()));
      socket.on("end", () => heard.push("(end)"));
    });
    const used = relays();
    await used.apply(adding(web(at, [server])));
    const client = await open(at);
    client.resume();
    await once(client, "end");
    client.end("still here");
    await eventually(() => expect(heard.join("")).toBe("still here(end)"));
    await eventually(() => expect(counters(used).active).toBe(0));
  });

  it("carry what a client sent before anybody accepted", async () => {
    const at = place();
    const server = cleanups.use(await TcpBackend.echo(loopback(244)));
    const used = relays();
    await used.apply(adding(web(at, [server])));
    const client = connect({ host: at.address, port: at.port, allowHalfOpen: true });
    client.end("early");
    expect(await readAll(client)).toBe("early");
  });

  it("pass a reset of the server on to the client", async () => {
    const at = place();
    const server = await backend((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const used = relays();
    await used.apply(adding(web(at, [server])));
    const client = await open(at);
    client.write("?");
    await expect(readAll(client)).rejects.toMatchObject({ code: "ECONNRESET" });
    await eventually(() => expect(counters(used).active).toBe(0));
  });

  it("pass a reset of the client on to the server", async () => {
    const at = place();
    const ends: string[] = [];
    const server = await backend((socket) => {
      socket.on("error", (error: NodeJS.ErrnoException) => ends.push(error.code ?? ""));
      socket.on("end", () => ends.push("end"));
      socket.write("hello");
    });
    const used = relays();
    await used.apply(adding(web(at, [server])));
    const client = await open(at);
    await once(client, "data");
    client.resetAndDestroy();
    await eventually(() => expect(ends).toEqual(["ECONNRESET"]));
    await eventually(() => expect(counters(used).active).toBe(0));
  });

  it("do not fill memory when the client reads slowly, and lose nothing", async () => {
    const at = place();
    const size = 32 * 1024 * 1024;
    let written = 0;
    const server = await backend((socket) => {
      const chunk = Buffer.alloc(64 * 1024, "x");
      const fill = (): void => {
        while (written < size) {
          written += chunk.length;
          if (!socket.write(chunk)) {
            socket.once("drain", fill);
            return;
          }
        }
        socket.end();
      };
      fill();
    });
    const used = relays();
    await used.apply(adding(web(at, [server])));
    const client = await open(at);
    client.pause();
    // The stream comes to a halt far before its end: the kernel's buffers and the relay's mark hold it.
    let seen = -1;
    await eventually(
      () => {
        const now = counters(used).bytesToClients;
        const still = now === seen;
        seen = now;
        expect(still).toBe(true);
      },
      { intervalMs: 200 },
    );
    expect(seen).toBeLessThan(size);
    let received = 0;
    client.on("data", (data: Buffer) => (received += data.length));
    client.resume();
    await once(client, "end");
    expect(received).toBe(size);
    client.end();
  });

  it("do not fill memory when the server reads slowly, and lose nothing", async () => {
    const at = place();
    const size = 32 * 1024 * 1024;
    let received = 0;
    let serverSide: Socket | undefined;
    const server = await backend((socket) => {
      serverSide = socket.pause();
      socket.on("end", () => socket.end("done"));
    });
    const used = relays();
    await used.apply(adding(web(at, [server])));
    const client = await open(at);
    client.end(Buffer.alloc(size, "y"));
    let seen = -1;
    await eventually(
      () => {
        const now = counters(used).bytesToEndpoints;
        const still = now === seen && now > 0;
        seen = now;
        expect(still).toBe(true);
      },
      { intervalMs: 200 },
    );
    expect(seen).toBeLessThan(size);
    serverSide?.on("data", (data: Buffer) => (received += data.length));
    serverSide?.resume();
    expect(await readAll(client)).toBe("done");
    expect(received).toBe(size);
  });
});

describe("a Service whose endpoints change under load", () => {
  it("fails no request while endpoints come and go every few connections", async () => {
    const at = place();
    const backends = await Promise.all(
      ["a", "b", "c", "d"].map((name) => backend((socket) => socket.once("data", () => socket.end(name)))),
    );
    const used = relays();
    const versions = [[0, 1], [1, 2], [2, 3], [3], [0, 1, 2, 3]].map((members) =>
      web(
        at,
        members.map((member) => backends[member] as TcpBackend),
      ),
    );
    let current = versions[0] as RelayEntry;
    await used.apply(adding(current));
    let pending = 8;
    const done = (): boolean => pending === 0;
    const load = Array.from({ length: 8 }, async () => {
      const failures: string[] = [];
      for (let request = 0; request < 100; request++) {
        const client = connect({ host: at.address, port: at.port });
        client.write("?");
        await readAll(client).catch((error: NodeJS.ErrnoException) => failures.push(error.code ?? "?"));
      }
      pending--;
      return failures;
    });
    const flipping = (async () => {
      for (let turn = 1; !done(); turn++) {
        const next = versions[turn % versions.length] as RelayEntry;
        await used.apply(updating(current, next));
        current = next;
        const seen = counters(used).connections;
        while (!done() && counters(used).connections < seen + 4) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const failures = (await Promise.all(load)).flat();
    await flipping;
    expect(failures).toEqual([]);
    expect(counters(used)).toMatchObject({ connections: 800, connectFailures: 0 });
    expect(backends.map(({ seen }) => seen.length > 0)).toEqual([true, true, true, true]);
  });

  it("keeps clients that the kernel had queued when the address changes hands", async () => {
    const at = place();
    const [old, next] = [await backend((socket) => socket.end("old")), await backend((socket) => socket.end("next"))];
    const used = relays();
    const before = web(at, [old]);
    await used.apply(adding(before));
    const clients = Array.from({ length: 20 }, () => ask(at));
    const after = entryOf({ name: "other", frontends: [frontendAt(at)], endpoints: [endpointAt(next)] });
    await used.apply({ added: [after], updated: [], removed: [before] });
    const said = await Promise.all(clients);
    expect(said.every((one) => one === "old" || one === "next")).toBe(true);
    expect(await ask(at)).toBe("next");
  });
});

describe("ClientIP affinity", () => {
  it("holds for the timeout from the last connection, then the choice is free again", async () => {
    const clock = new FakeClock();
    const at = place();
    const backends = await Promise.all(["a", "b"].map((name) => backend((socket) => socket.end(name))));
    const used = relays({ clock });
    await used.apply(adding(web(at, backends, { affinityMs: 10_000 })));
    const first = await ask(at, "127.0.0.1");
    await clock.advance(9_000);
    expect(await ask(at, "127.0.0.1")).toBe(first);
    await clock.advance(9_000);
    expect(await ask(at, "127.0.0.1")).toBe(first);
    // Another client takes the round robin one further, so that a free choice is the other endpoint.
    const other = await ask(at, "127.0.0.2");
    await clock.advance(10_000);
    expect(await ask(at, "127.0.0.1")).not.toBe(other);
  });

  it("leaves an endpoint that has gone", async () => {
    const at = place();
    const [a, b] = [await backend((socket) => socket.end("a")), await backend((socket) => socket.end("b"))];
    const used = relays();
    const only = web(at, [a], { affinityMs: 10_000 });
    await used.apply(adding(only));
    expect(await ask(at)).toBe("a");
    await used.apply(updating(only, web(at, [b], { affinityMs: 10_000 })));
    expect(await ask(at)).toBe("b");
  });
});

describe("least connections", () => {
  it("sees the connections that are open right now", async () => {
    const at = place();
    const backends = await Promise.all(["a", "b"].map((name) => backend((socket) => socket.write(name))));
    const used = relays();
    await used.apply(adding(web(at, backends, { scheduler: "lc" })));
    const hold = async (): Promise<{ socket: Socket; name: string }> => {
      const socket = await open(at);
      const [name] = (await once(socket, "data")) as [Buffer];
      return { socket, name: name.toString() };
    };
    const [one, two] = [await hold(), await hold()];
    expect(new Set([one.name, two.name])).toEqual(new Set(["a", "b"]));
    one.socket.resetAndDestroy();
    await eventually(() => expect(counters(used).active).toBe(1));
    expect((await hold()).name).toBe(one.name);
  });
});
