import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { eventually, startTcpRelay, type TcpRelay } from "../src/index.ts";

let relay: TcpRelay;
let served: Socket[];
let server: Server;

beforeEach(async () => {
  served = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    served.push(socket);
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  relay = await startTcpRelay({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  onTestFinished(async () => {
    await relay.stop();
    for (const socket of served) socket.destroy();
    server.close();
  });
});

async function dial(): Promise<{ socket: Socket; received: () => string }> {
  const socket = connect({ port: relay.port, host: "127.0.0.1", allowHalfOpen: true });
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return { socket, received: () => text };
}

test("carries bytes both ways, whole and in order, and the end of each side for itself", async () => {
  const socket = connect({ port: relay.port, host: "127.0.0.1", allowHalfOpen: true });
  const sent = Buffer.alloc(8_000_000, "0123456789");
  const answered = buffer(socket);
  socket.end(sent);
  expect((await answered).equals(sent)).toBe(true);
});

test("keeps the order when the delay becomes shorter on the way", async () => {
  const { socket, received } = await dial();
  relay.delay(80);
  socket.write("first ");
  await sleep(20);
  relay.delay(0);
  socket.write("second");
  await eventually(() => expect(received()).toBe("first second"));
});

test("holds bytes back for the delay", async () => {
  const { socket, received } = await dial();
  relay.delay(60_000);
  socket.write("late");
  await sleep(100);
  expect(received()).toBe("");
});

test("swallows what flows while it drops, keeps the connection, and carries what follows", async () => {
  const { socket, received } = await dial();
  socket.write("before ");
  await eventually(() => expect(received()).toBe("before "));
  relay.drop(true);
  socket.write("lost ");
  await sleep(50);
  relay.drop(false);
  socket.write("after");
  await eventually(() => expect(received()).toBe("before after"));
});

test("hides the death of the server while it drops, and tells of it afterwards", async () => {
  const { socket } = await dial();
  await eventually(() => expect(served).toHaveLength(1));
  let ended = false;
  socket.on("end", () => void (ended = true)).on("close", () => void (ended = true));
  relay.drop(true);
  served[0]?.resetAndDestroy();
  await sleep(50);
  expect(ended).toBe(false);
  relay.drop(false);
  await eventually(() => expect(ended).toBe(true));
});

test("cuts what is connected, and takes new connections", async () => {
  const { socket } = await dial();
  const closed = once(socket, "close");
  relay.cut();
  socket.end();
  await closed;
  const again = await dial();
  again.socket.write("again");
  await eventually(() => expect(again.received()).toBe("again"));
});

test("breaks the client's connection when the server takes none", async () => {
  server.close();
  const socket = connect({ port: relay.port, host: "127.0.0.1" });
  await expect(once(socket, "close")).rejects.toMatchObject({ code: "ECONNRESET" });
});

test("frees its port when it stops", async () => {
  await relay.stop();
  const socket = connect({ port: relay.port, host: "127.0.0.1" });
  await expect(once(socket, "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
});
