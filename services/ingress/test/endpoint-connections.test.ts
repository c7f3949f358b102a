/** What endpoints may do wrong, and that none of it reaches a client as a whole response, or another request at all. */
import { connect } from "node:net";
import type { Socket } from "node:net";
import { FakeClock } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { IDLE_CONNECTION_MS, MAX_ENDPOINT_CONNECTIONS } from "../src/proxy/endpoint-pool.ts";
import { MAX_INTERIM_RESPONSES } from "../src/proxy/endpoint-connection.ts";
import { ingress } from "./support/ingress-objects.ts";
import { ProxyStand } from "./support/proxy-stand.ts";

let stand: ProxyStand;
let clock: FakeClock;

beforeEach(async () => {
  clock = new FakeClock();
  stand = await new ProxyStand({}, clock).start();
});

afterEach(() => stand[Symbol.asyncDispose]());

/** An endpoint that answers every head it gets with what `say` gives for its path; returns the heads and its open sockets. */
async function endpoint(
  say: (path: string, socket: Socket, count: number) => string | undefined,
  annotations: Record<string, string> = { "proxy-next-upstream": "off" },
): Promise<{ heads: string[]; sockets: Set<Socket> }> {
  const heads: string[] = [];
  const sockets = new Set<Socket>();
  const address = await stand.tcpBackend("127.31.2.1", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end !== -1; end = text.indexOf("\r\n\r\n")) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        heads.push(head);
        const said = say(head.split(" ")[1] ?? "", socket, heads.length);
        if (said !== undefined) socket.write(said, "latin1");
      }
    });
  });
  stand.service("web", [address]);
  stand.routes(ingress("web", { "a.example.org": [{ path: "/" }] }, { annotations }));
  return { heads, sockets };
}

const ok = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

describe("a response that is none", () => {
  test.each([
    ["both lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"],
    ["an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    ["a folded field", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"],
    ["a line break in a field", "HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n"],
    ["a head without end", `HTTP/1.1 200 OK\r\nX: ${"y".repeat(40_000)}`],
    ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["a switch that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"],
    ["interim responses without end", "HTTP/1.1 102 Processing\r\n\r\n".repeat(MAX_INTERIM_RESPONSES + 1)],
  ])("%s: 502", async (_, said) => {
    const { sockets } = await endpoint((_path, socket) => {
      if (said.startsWith("SSH")) setImmediate(() => socket.end());
      return said;
    });
    expect((await stand.get("/")).status).toBe(502);
    await expect.poll(() => sockets.size).toBe(0);
  });

  test.each([
    ["a body that ends too soon", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
    ["chunks that end too soon", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"],
    ["a bad chunk behind good ones", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n"],
  ])("%s breaks the client's connection off", async (_, said) => {
    await endpoint((_path, socket) => {
      setTimeout(() => socket.end(), 20);
      return said;
    });
    await expect(stand.get("/")).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  });

  test("a body up to the end of the connection that is reset does not look whole, to HTTP/1.0 either", async () => {
    await endpoint((_path, socket) => {
      setTimeout(() => socket.resetAndDestroy(), 20);
      return "HTTP/1.1 200 OK\r\n\r\nhalf";
    });
    const ended = await new Promise<string>((resolve) => {
      const socket = connect(stand.port, "127.0.0.1", () =>
        socket.write("GET / HTTP/1.0\r\nHost: a.example.org\r\n\r\n"),
      );
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
      socket.on("end", () => resolve("a proper end"));
      socket.resume();
    });
    expect(ended).toBe("ECONNRESET");
  });
});

describe("a response that is one", () => {
  test("arrives byte by byte, behind interim ones, up to the end of the connection", async () => {
    const responses: Record<string, string> = {
      "/bytes": `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n1\r\nc\r\n0\r\nX-T: u\r\n\r\n`,
      "/close": "HTTP/1.1 200 OK\r\n\r\nto the end",
    };
    await endpoint((path, socket) => {
      const bytes = (responses[path] ?? "").split("");
      const more = (): void => {
        const byte = bytes.shift();
        if (byte !== undefined) {
          socket.write(byte);
          setImmediate(more);
        } else if (path === "/close") socket.end();
      };
      more();
      return undefined;
    });
    expect(await stand.get("/bytes")).toMatchObject({ status: 200, body: "abc", trailers: { "x-t": "u" } });
    expect(await stand.get("/close")).toMatchObject({ status: 200, body: "to the end" });
  });

  test("to HEAD, and one that says 304, has its length and no body, and the connection goes on", async () => {
    const { sockets } = await endpoint((path) =>
      path === "/304"
        ? "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"
        : "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
    );
    expect(await stand.get("/", { method: "HEAD" })).toMatchObject({
      status: 200,
      headers: { "content-length": "7" },
      body: "",
    });
    expect(await stand.get("/304")).toMatchObject({ status: 304, headers: { "content-length": "7" }, body: "" });
    expect(sockets.size).toBe(1);
  });

  test("is not mixed up with what the endpoint sends unasked", async () => {
    const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    const { heads } = await endpoint((path, socket, count) => {
      if (path === "/behind") return `${ok("good")}${poison}`;
      if (path === "/later") setTimeout(() => socket.write(poison), 20);
      return ok(`good ${count}`);
    });
    expect((await stand.get("/behind")).body).toBe("good");
    expect((await stand.get("/1")).body).toBe("good 2");
    expect((await stand.get("/later")).body).toBe("good 3");
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect((await stand.get("/2")).body).toBe("good 4");
    expect(heads).toHaveLength(4);
  });

  test("that says Connection: close is the last one on its connection", async () => {
    const { sockets } = await endpoint(() => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    expect((await stand.get("/")).body).toBe("ok");
    await expect.poll(() => sockets.size).toBe(0);
  });
});

describe("connections to an endpoint", () => {
  test("are closed when idle for a while, and all at once when the endpoint goes", async () => {
    const { sockets } = await endpoint(() => ok("x"));
    await Promise.all([stand.get("/1"), stand.get("/2"), stand.get("/3")]);
    expect(sockets.size).toBe(3);
    await clock.advance(IDLE_CONNECTION_MS - 500);
    await stand.get("/4");
    await clock.advance(1_000);
    await expect.poll(() => sockets.size).toBe(1);
    stand.service("web", []);
    await expect.poll(() => sockets.size).toBe(0);
  });

  test("are bounded: the request beyond waits for one that gets free", async () => {
    const waiting: Socket[] = [];
    const { heads } = await endpoint((_path, socket) => {
      waiting.push(socket);
      return undefined;
    });
    const all = Array.from({ length: MAX_ENDPOINT_CONNECTIONS + 1 }, (_, at) => stand.get(`/${at}`));
    await expect.poll(() => heads.length, { timeout: 10_000 }).toBe(MAX_ENDPOINT_CONNECTIONS);
    waiting[0]?.write(ok("free"));
    await expect.poll(() => heads.length, { timeout: 10_000 }).toBe(MAX_ENDPOINT_CONNECTIONS + 1);
    for (const socket of waiting.slice(1)) socket.write(ok("free"));
    const replies = await Promise.all(all);
    expect(replies.every(({ body }) => body === "free")).toBe(true);
  });

  test("silence is 504 after the read timeout, and a request that waits for a connect has its own", async () => {
    const { heads, sockets } = await endpoint(() => undefined);
    const reply = stand.get("/");
    await expect.poll(() => heads.length).toBe(1);
    await clock.advance(700);
    expect((await reply).status).toBe(504);
    await expect.poll(() => sockets.size).toBe(0);
  });

  test("a client that stops in its body is told so", async () => {
    await endpoint(() => undefined);
    const reply = stand.raw("POST / HTTP/1.1\r\nHost: a.example.org\r\nContent-Length: 9\r\n\r\nhalf", 3_000);
    await expect.poll(() => stand.gateway.active).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await clock.advance(700);
    expect(await reply).toMatch(/^HTTP\/1\.1 408 /);
  });

  test("a client that goes away takes its request with it", async () => {
    const { heads, sockets } = await endpoint(() => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nstart");
    const socket = connect(stand.port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: a.example.org\r\n\r\n");
    socket.on("error", () => {});
    await expect.poll(() => heads.length).toBe(1);
    await new Promise((resolve) => socket.once("data", resolve));
    socket.resetAndDestroy();
    await expect.poll(() => sockets.size).toBe(0);
    await expect.poll(() => stand.gateway.active).toBe(0);
  });
});

describe("a WebSocket", () => {
  const open =
    "GET /ws HTTP/1.1\r\nHost: a.example.org\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n";

  test("that the endpoint does not want is answered, and what follows it is no request", async () => {
    const { heads } = await endpoint(() => ok("no"));
    const text = await stand.raw(`${open}GET /smuggled HTTP/1.1\r\nHost: a.example.org\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 200 [^]*\r\nconnection: close\r\n[^]*no$/);
    expect(heads.map((head) => head.split(" ")[1])).toEqual(["/ws"]);
    expect(heads[0]).toMatch(/\r\nconnection: Upgrade\r\nupgrade: websocket$/);
  });

  test("carries bytes both ways until either side ends", async () => {
    const { sockets } = await endpoint((_path, socket) => {
      socket.on("data", (chunk: Buffer) => void (chunk.toString() === "bye" && socket.end("ended")));
      return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello";
    });
    const socket = connect(stand.port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.write(open);
    await expect.poll(() => text).toMatch(/^HTTP\/1\.1 101 [^]*\r\n\r\nhello$/);
    expect(stand.gateway.active).toBe(0);
    socket.write("bye");
    await expect.poll(() => text).toMatch(/helloended$/);
    await expect.poll(() => sockets.size).toBe(0);
    await expect.poll(() => socket.destroyed).toBe(true);
  });

  test("to another protocol than was asked for is 502", async () => {
    await endpoint(() => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n");
    expect(await stand.raw(open)).toMatch(/^HTTP\/1\.1 502 /);
  });
});
