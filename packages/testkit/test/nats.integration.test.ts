import { once } from "node:events";
import { access } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually, needs, startNats, temporaryDirectory, type NatsOptions, type NatsServer } from "../src/index.ts";

interface ServerInfo {
  readonly jetstream?: boolean;
  readonly max_payload: number;
  readonly port: number;
}

/** What the server says of itself in the first line of every connection. */
async function infoOf(server: NatsServer): Promise<ServerInfo> {
  const socket = connect(server.port, "127.0.0.1");
  const [line] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return JSON.parse(
    line
      .toString("utf8")
      .replace(/^INFO /, "")
      .split("\r\n")[0] ?? "",
  ) as ServerInfo;
}

async function start(options: Partial<NatsOptions> = {}): Promise<NatsServer> {
  const directory = await temporaryDirectory();
  const server = await startNats({ storeDir: directory.path, ...options });
  onTestFinished(async () => {
    await server.stop();
    await directory.remove();
  });
  return server;
}

describe.skipIf(needs("nats-server"))("nats-server", () => {
  test("serves JetStream from the given folder", async () => {
    const directory = await temporaryDirectory();
    const server = await start({ storeDir: directory.path });
    onTestFinished(() => directory.remove());
    expect(await infoOf(server)).toMatchObject({ jetstream: true, max_payload: 1_048_576, port: server.port });
    expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
    await access(join(directory.path, "jetstream"));
  });

  test("starts again at its address after it was killed", async () => {
    const directory = await temporaryDirectory();
    onTestFinished(() => directory.remove());
    const first = await start({ storeDir: directory.path });
    first.signal("SIGKILL");
    await first.exited;
    const second = await start({ storeDir: directory.path, port: first.port });
    expect(second.url).toBe(first.url);
    await eventually(() => infoOf(second));
  });

  test("takes a payload limit, no JetStream and further configuration", async () => {
    const server = await start({ jetstream: false, maxPayload: 65_536, config: 'server_name: "named-by-test"' });
    const info = await infoOf(server);
    expect(info.jetstream ?? false).toBe(false);
    expect(info).toMatchObject({ max_payload: 65_536, server_name: "named-by-test" });
  });
});
