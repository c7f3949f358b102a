import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createNatsPublisher } from "@fairlead/bus/nats";
import { silentLogger, systemClock } from "@fairlead/host";
import { eventually, freePort, launch, needs, seededRandom, startNats, temporaryDirectory } from "@fairlead/testkit";
import type { Launched } from "@fairlead/testkit";
import { feedKeyOf, ipAddress } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { ask } from "./support/client.ts";
import { asValue, service, stateOf } from "./support/objects.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const web = "web.default.svc.cluster.local.";

describe.skipIf(needs("nats-server"))("dns as a process, over a bus", () => {
  it("follows the bus, outlives it, and starts again from its copy, which a metric tells", async () => {
    await using folder = await temporaryDirectory();
    await using nats = disposable(await startNats({ storeDir: join(folder.path, "nats") }));
    const publisher = createNatsPublisher({
      servers: nats.it.url,
      clock: systemClock,
      random: seededRandom(1),
      log: silentLogger,
    });
    await publisher.start();
    await publisher.takeOver(stateOf(asValue.service(service("web", { clusterIPs: [ipAddress("10.96.0.1")] }))));
    const [at, health] = [await freePort(), await freePort()];
    const flags = [
      "--listen",
      `127.0.0.1:${at}`,
      "--health-address",
      `127.0.0.1:${health}`,
      "--resolv-conf",
      "/dev/null",
    ];
    const more = [
      "--ready-address",
      "none",
      "--metrics-address",
      "none",
      "--feed-copy",
      join(folder.path, "copy.json"),
    ];
    const start = async (): Promise<Launched> =>
      launch({
        command: process.execPath,
        args: [main, ...flags, ...more, "--nats-url", nats.it.url],
        ready: /"started"/,
      });
    const answers = async (): Promise<readonly string[]> => (await ask(at, web, "A")).answers;
    const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${health}/metrics`)).text();
    await using first = disposable(await start());
    await eventually(async () => expect(await answers()).toEqual([`${web} A 10.96.0.1`]));
    expect(await metrics()).toContain("fairlead_dns_answers_from_copy 0");
    const moved = asValue.service(service("web", { clusterIPs: [ipAddress("10.96.0.2")] }));
    await publisher.publish([{ key: feedKeyOf(moved), value: moved }]);
    await eventually(async () => expect(await answers()).toEqual([`${web} A 10.96.0.2`]));
    await publisher.stop();
    await nats.it.stop();
    expect(await answers()).toEqual([`${web} A 10.96.0.2`]);
    first.it.signal("SIGTERM");
    expect(await first.it.exited).toEqual({ code: 0, signal: null });
    await using _second = disposable(await start());
    await eventually(async () => expect(await answers()).toEqual([`${web} A 10.96.0.2`]));
    expect(await metrics()).toContain("fairlead_dns_answers_from_copy 1");
  });
});

/** A process that ends with the block, whatever happens in it. */
function disposable<T extends Launched>(it: T): AsyncDisposable & { readonly it: T } {
  return { it, [Symbol.asyncDispose]: () => it.stop() };
}
