import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createNatsPublisher, DEFAULT_BUCKET, feedReaderPermissions, podBucket } from "@fairlead/bus/nats";
import type { NatsPublisher } from "@fairlead/bus/nats";
import { silentLogger, systemClock } from "@fairlead/host";
import {
  eventually,
  freePort,
  launch,
  launchService,
  needs,
  seededRandom,
  startNats,
  temporaryDirectory,
} from "@fairlead/testkit";
import type { Launched } from "@fairlead/testkit";
import { feedKeyOf, ipAddress, podFeedKey } from "@fairlead/types";
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

describe("dns as a process that is told to stop", () => {
  it("answers for the lame duck time, though no longer ready, and then ends well", async () => {
    const [at, health] = [await freePort(), await freePort()];
    const flags = ["--resolv-conf=/dev/null", "--ready-address=none", "--metrics-address=none", "--lameduck=4s"];
    const places = [`--listen=127.0.0.1:${at}`, `--health-address=127.0.0.1:${health}`];
    // Nobody is there: what it does without a state is enough.
    const bus = `--nats-url=nats://127.0.0.1:${await freePort()}`;
    await using dns = disposable(await launchService("dns", ...flags, ...places, bus));
    dns.it.signal("SIGTERM");
    const ready = async (): Promise<string> => (await fetch(`http://127.0.0.1:${health}/readyz`)).text();
    await eventually(async () => expect(await ready()).toContain("lameduck: about to stop"));
    expect((await fetch(`http://127.0.0.1:${health}/health`)).status).toBe(200);
    expect((await ask(at, web, "A")).rcode).toBe("SERVFAIL");
    expect(await dns.it.exited).toEqual({ code: 0, signal: null });
  });
});

describe.skipIf(needs("nats-server"))("dns that verifies pods, over a bus", () => {
  const name = "10-244-0-1.default.pod.cluster.local.";
  const flags = ["--resolv-conf=/dev/null", "--ready-address=none", "--metrics-address=none", "--pod-records=verified"];

  it("follows the feed of pods, outlives it, and starts again from a copy of its own", async () => {
    await using folder = await temporaryDirectory();
    await using nats = disposable(await startNats({ storeDir: join(folder.path, "nats") }));
    const [main, pods] = [DEFAULT_BUCKET, podBucket(DEFAULT_BUCKET)].map((bucket) => publisherTo(nats.it.url, bucket));
    await main?.start();
    await pods?.start();
    await main?.takeOver(stateOf(asValue.namespace("default")));
    await pods?.takeOver(stateOf(asValue.pod("web-1", "10.244.0.1")));
    const at = await freePort();
    const more = [`--listen=127.0.0.1:${at}`, `--feed-copy=${join(folder.path, "copy")}`, `--nats-url=${nats.it.url}`];
    const start = async () => disposable(await launchService("dns", ...flags, ...more));
    const rcode = async (): Promise<string> => (await ask(at, name, "A")).rcode;
    await using first = await start();
    await eventually(async () => expect((await ask(at, name, "A")).answers).toEqual([`${name} A 10.244.0.1`]));
    await pods?.publish([{ key: podFeedKey("default", "web-1"), value: undefined }]);
    await eventually(async () => expect(await rcode()).toBe("NXDOMAIN"));
    const back = asValue.pod("web-2", "10.244.0.1");
    await pods?.publish([{ key: feedKeyOf(back), value: back }]);
    await eventually(async () => expect(await rcode()).toBe("NOERROR"));
    await Promise.all([main?.stop(), pods?.stop()]);
    await nats.it.stop();
    first.it.signal("SIGTERM");
    expect(await first.it.exited).toEqual({ code: 0, signal: null });
    await using _second = await start();
    await eventually(async () => expect(await rcode()).toBe("NOERROR"));
  });

  it("says what it lacks where its credentials are for the main feed alone, and answers all else", async () => {
    await using folder = await temporaryDirectory();
    const node = JSON.stringify(feedReaderPermissions());
    const config = `authorization { users: [
      { user: "w", password: "w" }
      { user: "n", password: "n", permissions: ${node} }
    ] }`;
    await using nats = disposable(await startNats({ storeDir: join(folder.path, "nats"), config }));
    const main = publisherTo(nats.it.url, DEFAULT_BUCKET, { user: "w", password: "w" });
    await main.start();
    await main.takeOver(stateOf(asValue.namespace("default")));
    const [at, health] = [await freePort(), await freePort()];
    const more = [`--listen=127.0.0.1:${at}`, `--health-address=127.0.0.1:${health}`, `--nats-url=${nats.it.url}`];
    const user = ["--nats-user=n", "--nats-password=n"];
    await using dns = disposable(await launchService("dns", ...flags, ...more, ...user));
    await eventually(async () => expect((await ask(at, "default.svc.cluster.local.", "A")).rcode).toBe("NOERROR"));
    expect((await ask(at, name, "A")).rcode).toBe("SERVFAIL");
    const ready = await fetch(`http://127.0.0.1:${health}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringMatching(/^pods: the feed of pods/)]);
    await eventually(() => expect(dns.it.stdout()).toMatch(/[Pp]ermissions Violation.*fairlead-pods/));
    await main.stop();
  });
});

function publisherTo(
  servers: string,
  bucket: string,
  credentials: { user?: string; password?: string } = {},
): NatsPublisher {
  const given = { clock: systemClock, random: seededRandom(1), log: silentLogger };
  return createNatsPublisher({ servers, bucket, ...credentials, ...given });
}

/** A process that ends with the block, whatever happens in it. */
function disposable<T extends Launched>(it: T): AsyncDisposable & { readonly it: T } {
  return { it, [Symbol.asyncDispose]: () => it.stop() };
}
