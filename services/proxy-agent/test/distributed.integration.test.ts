import { randomInt } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createNatsPublisher } from "@fairlead/bus/nats";
import { silentLogger, systemClock } from "@fairlead/host";
import { eventually, launch, needs, seededRandom, startNats, temporaryDirectory } from "@fairlead/testkit";
import type { Launched } from "@fairlead/testkit";
import { feedKeyOf, ipAddress, port } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { ask, TcpBackend } from "../src/testing.ts";
import { asValue, endpoint, node, service, servicePort, slice, slicePort, stateOf } from "./support/objects.ts";
import { loopback } from "./support/userspace.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

describe.skipIf(needs("nats-server"))("the agent as a process, over a bus", () => {
  it("follows the bus, outlives it, starts again from its copy while the bus is away, and stops within 5 s", async () => {
    await using folder = await temporaryDirectory();
    await using backend = await TcpBackend.naming(loopback(244), "pod");
    const storeDir = join(folder.path, "nats");
    await using nats = disposable(await startNats({ storeDir }));
    const at = { address: loopback(96), port: randomInt(20_000, 30_000) };
    const publisher = createNatsPublisher({
      servers: nats.it.url,
      clock: systemClock,
      random: seededRandom(1),
      log: silentLogger,
    });
    await publisher.start();
    const slices = slice([endpoint(backend.address)], { ports: [slicePort({ port: port(backend.port) })] });
    await publisher.takeOver(
      stateOf(
        asValue.node(node("node-1", loopback(64))),
        asValue.service(
          service({ clusterIPs: [ipAddress(at.address)], ports: [servicePort({ port: port(at.port) })] }),
        ),
        asValue.slice(slices),
      ),
    );
    const flags = ["--node-name", "node-1", "--nats-url", nats.it.url, "--feed-copy", join(folder.path, "copy.json")];
    const start = async (): Promise<Launched> =>
      launch({
        command: process.execPath,
        args: [main, ...flags, "--health-address", "127.0.0.1:0"],
        ready: /"started"/,
      });
    await using first = disposable(await start());
    await eventually(async () => expect(await ask(at)).toBe("pod"));
    await using other = await TcpBackend.naming(loopback(244), "other");
    const moved = asValue.slice(slice([endpoint(other.address)], { ports: [slicePort({ port: port(other.port) })] }));
    await publisher.publish([{ key: feedKeyOf(moved), value: moved }]);
    await eventually(async () => expect(await ask(at)).toBe("other"));
    await publisher.stop();
    await nats.it.stop();
    expect(await ask(at)).toBe("other");
    first.it.signal("SIGTERM");
    expect(await first.it.exited).toEqual({ code: 0, signal: null });
    await using _second = disposable(await start());
    await eventually(async () => expect(await ask(at)).toBe("other"));
  });
});

/** A process that ends with the block, whatever happens in it. */
function disposable<T extends Launched>(it: T): AsyncDisposable & { readonly it: T } {
  return { it, [Symbol.asyncDispose]: () => it.stop() };
}
