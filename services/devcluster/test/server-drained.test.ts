import { once } from "node:events";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { drained } from "../src/server/drained.ts";

test("waiting for a slow client leaves no listener behind, and ends when the client goes", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  client.on("error", () => {});
  client.write("GET / HTTP/1.1\r\nhost: example.org\r\n\r\n");
  const [, response] = (await once(server, "request")) as [unknown, ServerResponse];
  const listeners = (): number => response.listenerCount("drain") + response.listenerCount("close");
  const before = listeners();
  client.resume();
  for (let round = 0; round < 20; round += 1) {
    if (!response.write(Buffer.alloc(1024 * 1024))) await drained(response);
  }
  expect(listeners()).toBe(before);
  client.pause();
  while (response.write(Buffer.alloc(1024 * 1024)));
  const waiting = drained(response);
  client.destroy();
  await waiting;
  expect(listeners()).toBeLessThanOrEqual(before);
  server.close();
});
