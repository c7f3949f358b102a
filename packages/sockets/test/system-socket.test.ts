import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { ipAddress } from "@fairlead/types";
import { afterEach, describe, expect, test } from "vitest";
import {
  Family,
  Ipv6Option,
  Level,
  openSocket,
  OutgoingDatagrams,
  readSocketAddress,
  ReceivedDatagrams,
  socketAddress,
  SocketOption,
  SocketType,
  SystemCallError,
  whyNoSystemCalls,
} from "../src/index.ts";
import type { SystemSocket } from "../src/index.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

/** A bound UDP socket, closed after the test. */
function udp(host = "127.32.0.1"): { socket: SystemSocket; port: number } {
  const socket = openSocket({ family: host.includes(":") ? Family.INET6 : Family.INET, type: SocketType.DGRAM });
  undo.push(() => socket.close());
  socket.bind(socketAddress(ipAddress(host), 0));
  return { socket, port: readSocketAddress(socket.localAddress()).port };
}

/** A client of Node's own. */
async function client(host = "127.32.0.2"): Promise<Socket> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  undo.push(() => socket.close());
  socket.bind(0, host);
  await once(socket, "listening");
  return socket;
}

async function sendTo(from: Socket, bytes: Uint8Array, port: number, host = "127.32.0.1"): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    from.send(bytes, port, host, (error) => (error ? reject(error) : resolve()));
  });
}

const descriptors = (): number => readdirSync("/proc/self/fd").length;
const codeOf = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    return error instanceof SystemCallError ? `${error.syscall} ${error.code} ${error.errno}` : error;
  }
  return undefined;
};

describe("many datagrams", () => {
  test.each(["127.32.0.1", "::1"])("at %s are received and answered by a few calls", async (host) => {
    const { socket, port } = udp(host);
    const from = await client(host);
    const answers: string[] = [];
    from.on("message", (bytes) => answers.push(bytes.toString()));
    for (let index = 0; index < 100; index++) await sendTo(from, Buffer.from(`query ${index}`), port, host);
    const received = new ReceivedDatagrams({ count: 64, bytes: 512 });
    const outgoing = new OutgoingDatagrams({ count: 64, bytes: 512 });
    const counts: number[] = [];
    for (let count = socket.receiveMany(received); count > 0; count = socket.receiveMany(received)) {
      counts.push(count);
      for (let index = 0; index < count; index++) {
        expect(readSocketAddress(received.sender(index))).toEqual({ address: host, port: from.address().port });
        outgoing.reply(outgoing.slot().write(`answer to ${received.bytes(index).toString()}`), received, index);
      }
      expect(socket.sendMany(outgoing)).toEqual({ sent: count, lost: 0 });
      expect(outgoing.length).toBe(0);
    }
    expect(counts).toEqual([64, 36]);
    await expect.poll(() => answers.length).toBe(100);
    expect(answers).toEqual(Array.from({ length: 100 }, (_, index) => `answer to query ${index}`));
  });

  test("of every size arrive whole, and longer ones are cut off at the room and say so", async () => {
    const { socket, port } = udp();
    const from = await client();
    const sizes = [0, 1, 99, 100, 101, 60_000];
    for (const size of sizes) await sendTo(from, Buffer.alloc(size, size & 255), port);
    const received = new ReceivedDatagrams({ count: 10, bytes: 100 });
    expect(socket.receiveMany(received)).toBe(sizes.length);
    const found = sizes.map((_, index) => [received.bytes(index).length, received.truncated(index)]);
    expect(found).toEqual([[0, false], [1, false], [99, false], [100, false], [100, true], [100, true]]); // prettier-ignore
    for (const [index, size] of sizes.entries()) {
      expect(received.bytes(index).every((byte) => byte === (size & 255))).toBe(true);
    }
    // The next call does not see what the last one left.
    await sendTo(from, Buffer.from("x"), port);
    expect(socket.receiveMany(received)).toBe(1);
    expect([received.bytes(0).toString(), received.truncated(0)]).toEqual(["x", false]);
    expect(() => received.bytes(1)).toThrow(RangeError);
  });

  test("of several clients are answered each to its own", async () => {
    const { socket, port } = udp();
    const clients = await Promise.all(["127.32.0.2", "127.32.0.3", "127.32.0.4"].map((host) => client(host)));
    const answers = clients.map((from) => once(from, "message"));
    for (const [index, from] of clients.entries()) await sendTo(from, Buffer.from([index]), port);
    const received = new ReceivedDatagrams({ count: 8, bytes: 64 });
    const outgoing = new OutgoingDatagrams({ count: 8, bytes: 64 });
    expect(socket.receiveMany(received)).toBe(3);
    expect(received.hasPort(2)).toBe(true);
    for (let index = 0; index < 3; index++) outgoing.add(received.bytes(index), received.sender(index));
    expect(socket.sendMany(outgoing).sent).toBe(3);
    const bytes = (await Promise.all(answers)).map(([message]) => [...(message as Buffer)]);
    expect(bytes).toEqual([[0], [1], [2]]);
  });

  test("that cannot go where they should do not keep the others", async () => {
    const { socket } = udp();
    const to = await client();
    const arrived: string[] = [];
    to.on("message", (bytes) => arrived.push(bytes.toString()));
    const good = socketAddress(ipAddress("127.32.0.2"), to.address().port);
    const outgoing = new OutgoingDatagrams({ count: 4, bytes: 64 });
    outgoing.add(Buffer.from("first"), good);
    // Port 0 is nobody's.
    outgoing.add(Buffer.from("lost"), socketAddress(ipAddress("127.32.0.2"), 0));
    outgoing.add(Buffer.from("last"), good);
    expect(socket.sendMany(outgoing)).toEqual({ sent: 2, lost: 1 });
    await expect.poll(() => arrived).toEqual(["first", "last"]);
  });

  test("never exceed the room that was laid out", () => {
    const outgoing = new OutgoingDatagrams({ count: 1, bytes: 4 });
    const received = new ReceivedDatagrams({ count: 1, bytes: 4 });
    const to = socketAddress(ipAddress("127.32.0.2"), 9);
    expect(() => outgoing.add(Buffer.alloc(5), to)).toThrow(RangeError);
    expect(() => outgoing.add(Buffer.alloc(1), Buffer.alloc(29))).toThrow(RangeError);
    expect(() => outgoing.reply(1, received, 0)).toThrow(RangeError);
    outgoing.add(Buffer.alloc(4), to);
    expect(() => outgoing.add(Buffer.alloc(1), to)).toThrow(RangeError);
    expect(() => outgoing.slot()).toThrow(RangeError);
    expect(() => received.sender(0)).toThrow(RangeError);
  });
});

describe("a socket", () => {
  test("that nobody answers at is not broken by sending there", async () => {
    const { socket, port } = udp();
    const gone = await client();
    const address = socketAddress(ipAddress("127.32.0.2"), gone.address().port);
    gone.close();
    undo.splice(undo.length - 1);
    expect(socket.send(Buffer.from("anyone?"), address)).toBe(true);
    expect(socket.send(Buffer.from("anyone?"), address)).toBe(true);
    const from = await client();
    await sendTo(from, Buffer.from("still here"), port);
    const received = new ReceivedDatagrams({ count: 2, bytes: 64 });
    expect(socket.receiveMany(received)).toBe(1);
  });

  test("says which call failed, and with what", () => {
    const { port } = udp();
    const other = openSocket({ family: Family.INET, type: SocketType.DGRAM });
    undo.push(() => other.close());
    expect(codeOf(() => other.bind(socketAddress(ipAddress("127.32.0.1"), port)))).toBe("bind EADDRINUSE 98");
    expect(codeOf(() => other.bind(socketAddress(ipAddress("192.0.2.1"), 0)))).toBe("bind EADDRNOTAVAIL 99");
    expect(codeOf(() => other.setOption(Level.SOCKET, 9_999, 1))).toBe("setsockopt ENOPROTOOPT 92");
    expect(codeOf(() => openSocket({ family: 255, type: SocketType.DGRAM }))).toBe("socket EAFNOSUPPORT 97");
    expect(() => other.send(Buffer.alloc(65_600), socketAddress(ipAddress("127.32.0.2"), 9))).toThrow(/EMSGSIZE/);
  });

  test("takes options and gives them back", () => {
    const socket = openSocket({ family: Family.INET6, type: SocketType.DGRAM });
    undo.push(() => socket.close());
    socket.setOption(Level.IPV6, Ipv6Option.V6ONLY, 1);
    expect(socket.option(Level.IPV6, Ipv6Option.V6ONLY)).toBe(1);
    const before = socket.option(Level.SOCKET, SocketOption.RCVBUF);
    socket.setOption(Level.SOCKET, SocketOption.RCVBUF, before / 4);
    expect(socket.option(Level.SOCKET, SocketOption.RCVBUF)).toBe(before / 2);
  });

  test("tells Node's event loop through a duplicate, and outlives it", async () => {
    const { socket, port } = udp();
    const watcher = createSocket("udp4");
    const woken = once(watcher, "message");
    watcher.bind({ fd: socket.duplicate() });
    const from = await client();
    await sendTo(from, Buffer.from("wake up"), port);
    await woken;
    watcher.close();
    await once(watcher, "close");
    await sendTo(from, Buffer.from("again"), port);
    expect(socket.receiveMany(new ReceivedDatagrams({ count: 2, bytes: 64 }))).toBe(1);
  });

  test("that was closed refuses every call, and closing gives the descriptors back", () => {
    const received = new ReceivedDatagrams({ count: 1, bytes: 64 });
    const outgoing = new OutgoingDatagrams({ count: 1, bytes: 64 });
    const before = descriptors();
    for (let round = 0; round < 50; round++) {
      const { socket } = udp();
      outgoing.add(Buffer.from("x"), socketAddress(ipAddress("127.32.0.2"), 9));
      socket.close();
      socket.close();
      expect(codeOf(() => socket.receiveMany(received))).toBe("recvmmsg EBADF 9");
      expect(codeOf(() => socket.sendMany(outgoing))).toBe("sendmmsg EBADF 9");
      expect(codeOf(() => socket.duplicate())).toBe("fcntl EBADF 9");
      outgoing.clear();
    }
    expect(codeOf(() => openSocket({ family: 255, type: SocketType.DGRAM }))).toBe("socket EAFNOSUPPORT 97");
    expect(descriptors()).toBe(before);
  });

  test("of the netlink family answers a request for the loopback interface", () => {
    const socket = openSocket({ family: Family.NETLINK, type: SocketType.RAW });
    undo.push(() => socket.close());
    const address = Buffer.alloc(12);
    address.writeUInt16LE(Family.NETLINK, 0);
    socket.bind(address);
    // nlmsghdr: length, RTM_GETLINK, request, sequence 7; ifinfomsg: interface 1.
    const request = Buffer.alloc(32);
    request.writeUInt32LE(32, 0);
    request.writeUInt16LE(18, 4);
    request.writeUInt16LE(1, 6);
    request.writeUInt32LE(7, 8);
    request.writeInt32LE(1, 20);
    expect(socket.send(request, address)).toBe(true);
    const received = new ReceivedDatagrams({ count: 4, bytes: 8_192 });
    expect(socket.receiveMany(received)).toBe(1);
    const answer = received.bytes(0);
    expect([answer.readUInt16LE(4), answer.readUInt32LE(8), answer.includes("lo\0")]).toEqual([16, 7, true]);
    expect([...received.sender(0)]).toEqual([...address]);
    expect(received.hasPort(0)).toBe(false);
  });
});

describe("where system calls cannot be made", () => {
  const script = `import { openSocket, whyNoSystemCalls } from ${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)};
    try { openSocket({ family: 2, type: 2 }).close(); } catch (error) { console.log(error.code); }
    console.log(whyNoSystemCalls());`;
  const run = (...flags: string[]): { stdout: string; stderr: string } =>
    spawnSync(process.execPath, [...flags, "--input-type=module", "-e", script], { encoding: "utf8" });

  test("the reason is told", () => {
    expect(run("--no-experimental-ffi").stdout).toBe(
      "NO_SYSTEM_CALLS\nsystem calls cannot be made: this Node has no node:ffi\n",
    );
  });

  test("here they can, and nothing is written about it", () => {
    expect(whyNoSystemCalls()).toBeUndefined();
    expect(run()).toMatchObject({ stdout: "undefined\n", stderr: "" });
  });
});
