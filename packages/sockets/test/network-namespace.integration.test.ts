import { needs } from "@fairlead/testkit";
import { networkInterfaces } from "node:os";
import { existsSync, readlinkSync } from "node:fs";
import { createServer, Socket } from "node:net";
import { once } from "node:events";
import { ipAddress } from "@fairlead/types";
import { launch, type Launched } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  enterNewNetworkNamespace,
  Family,
  holdNewNetworkNamespace,
  networkNamespaceAt,
  openSocket,
  socketAddress,
  SocketType,
  SystemCallError,
  thisNetworkNamespace,
} from "../src/index.ts";

const here = (): string => readlinkSync("/proc/thread-self/ns/net");

describe.skipIf(needs("root", "unshare"))("network namespaces", () => {
  let other: Launched;

  beforeEach(async () => {
    other = await launch({
      command: "unshare",
      args: ["--net", "sh", "-c", "echo here; exec sleep 600"],
      ready: /here/,
    });
  });

  afterEach(() => other.stop());

  const path = (): string => `/proc/${other.pid}/ns/net`;

  it("are where an action runs, and are left when it returns or throws", () => {
    const before = here();
    const there = networkNamespaceAt(path());
    expect(there.run(here)).toBe(readlinkSync(path()));
    expect(there.run(() => networkInterfaces())).toEqual({});
    expect(() =>
      there.run(() => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(here()).toBe(before);
    expect(thisNetworkNamespace.run(here)).toBe(before);
  });

  it("say so where the file does not stand for one", () => {
    expect(() => networkNamespaceAt("/proc/self/ns/none").run(here)).toThrow("ENOENT");
    expect(() => networkNamespaceAt("/dev/null").run(here)).toThrow("EINVAL");
  });

  it("can be new ones for this thread, with a way back", () => {
    const before = here();
    const leave = enterNewNetworkNamespace();
    expect(here()).not.toBe(before);
    leave();
    expect(here()).toBe(before);
  });

  it("can be held without a process, worked in, entered and let go", () => {
    const before = here();
    const held = holdNewNetworkNamespace();
    const there = held.run(here);
    expect([here(), there]).toEqual([before, networkNamespaceAt(held.path).run(here)]);
    expect(there).not.toBe(before);
    const leave = held.enter();
    expect(here()).toBe(there);
    leave();
    expect(here()).toBe(before);
    held.close();
    expect(existsSync(held.path)).toBe(false);
  });

  it("take streams of Node by descriptors that were opened there", async () => {
    const held = holdNewNetworkNamespace();
    const stream = (): number => held.run(() => openSocket({ family: Family.INET, type: SocketType.STREAM })).detach();
    const at = { host: "127.0.0.1", port: 8_080 };
    const client = new Socket({ fd: stream() });
    client.connect(at);
    // Its loopback interface is down: this is not the machine's own.
    await expect(once(client, "connect")).rejects.toMatchObject({ code: "ENETUNREACH" });
    const listening = held.run(() => openSocket({ family: Family.INET, type: SocketType.STREAM }));
    listening.bind(socketAddress(ipAddress("0.0.0.0"), at.port));
    const server = createServer().listen({ fd: listening.detach() });
    await once(server, "listening");
    expect(server.address()).toMatchObject({ port: at.port });
    expect(() => listening.localAddress()).toThrow(SystemCallError);
    server.close();
    held.close();
  });
});
