import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { eventually, FakeClock, launch } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  adding,
  ask,
  endpointAt,
  entryOf,
  frontendAt,
  outcome,
  RecordingObserver,
  removing,
  TcpBackend,
  updating,
} from "../src/testing.ts";
import type { At } from "../src/testing.ts";
import { bindProblem } from "../src/userspace/bind-problem.ts";
import { BUSY_RETRIES, BUSY_RETRY_MS, SLOW_RETRY_MS } from "@fairlead/relay";
import type { UserspacePlane, UserspacePlaneOptions } from "../src/userspace/userspace-plane.ts";
import { loopback, makeUserspacePlane } from "./support/userspace.ts";

let cleanups: AsyncDisposableStack;
let observer: RecordingObserver;

beforeEach(() => {
  cleanups = new AsyncDisposableStack();
  observer = new RecordingObserver();
});

afterEach(() => cleanups.disposeAsync());

async function plane(options: Partial<UserspacePlaneOptions> = {}): Promise<UserspacePlane> {
  const made = makeUserspacePlane({ observer, ...options });
  await made.start();
  cleanups.defer(() => made.stop());
  return made;
}

const place = (): At => ({ address: loopback(96), port: randomInt(20_000, 30_000) });
const naming = async (name: string): Promise<TcpBackend> => cleanups.use(await TcpBackend.naming(loopback(244), name));

describe("an address that another process holds", () => {
  it("is tried quickly for a while, so that it changes hands between agents without a report", async () => {
    const at = place();
    const clock = new FakeClock();
    const backend = await naming("x");
    const [old, next] = [await plane(), await plane({ clock })];
    const entry = entryOf({ name: "web", frontends: [frontendAt(at)], endpoints: [endpointAt(backend)] });
    await old.apply(adding(entry));
    await next.apply(adding(entry));
    expect(await next.inspect()).toEqual([]);
    await old.apply(removing(entry));
    await clock.advance(BUSY_RETRY_MS);
    await eventually(async () => expect(await next.inspect()).toHaveLength(1));
    expect(await ask(at)).toBe("x");
    expect(observer.problems).toEqual([]);
  });

  it("is reported with address and port when it stays taken, once, and served when it comes free", async () => {
    const clock = new FakeClock();
    const foreign = await naming("foreign");
    const at = { address: foreign.address, port: foreign.port };
    const backend = await naming("ours");
    const used = await plane({ clock });
    await used.apply(adding(entryOf({ name: "web", frontends: [frontendAt(at)], endpoints: [endpointAt(backend)] })));
    for (let time = 0; time <= BUSY_RETRIES; time++) await clock.advance(BUSY_RETRY_MS);
    await clock.advance(SLOW_RETRY_MS);
    await clock.advance(SLOW_RETRY_MS);
    expect(observer.problems).toHaveLength(1);
    expect(observer.problems[0]).toContain(`FailedToBindPort web ${at.address}:${at.port}`);
    expect(observer.problems[0]).toContain("another process listens there");
    await foreign.stop();
    await clock.advance(SLOW_RETRY_MS);
    await eventually(async () => expect(await ask(at)).toBe("ours"));
    expect(observer.served).toEqual([`web ${at.address}:${at.port}`]);
  });

  it("is not tried any more once nobody wants it", async () => {
    const clock = new FakeClock();
    const foreign = await naming("foreign");
    const used = await plane({ clock });
    const entry = entryOf({ name: "web", frontends: [frontendAt(foreign)], endpoints: [endpointAt(foreign)] });
    await used.apply(adding(entry));
    expect(clock.pending).toBe(1);
    await used.apply(removing(entry));
    expect(clock.pending).toBe(0);
  });
});

describe("an address that is not on this machine", () => {
  it("is reported with what to do, and the Service's other addresses work", async () => {
    // TEST-NET-1: on no machine.
    const absent = { address: "192.0.2.1", port: 20_080 };
    const at = place();
    const backend = await naming("x");
    const used = await plane();
    await used.apply(
      adding(
        entryOf({
          name: "web",
          frontends: [frontendAt(absent, { kind: "ExternalIP" }), frontendAt(at)],
          endpoints: [endpointAt(backend)],
        }),
      ),
    );
    expect(await ask(at)).toBe("x");
    expect(observer.problems).toHaveLength(1);
    expect(observer.problems[0]).toMatch(/^FailedToBindAddress web 192\.0\.2\.1:20080 .*ip address add 192\.0\.2\.1/);
  });
});

describe("two Services that name the same address and port", () => {
  it("leave it to the first by name, and the second gets it when the first goes", async () => {
    const at = place();
    const [a, b] = [await naming("a"), await naming("b")];
    const used = await plane();
    const [first, second] = [
      entryOf({ name: "alpha", frontends: [frontendAt(at)], endpoints: [endpointAt(a)] }),
      entryOf({ name: "beta", frontends: [frontendAt(at)], endpoints: [endpointAt(b)] }),
    ];
    await used.apply(adding(second));
    expect(await ask(at)).toBe("b");
    await used.apply(adding(first));
    expect(await ask(at)).toBe("a");
    expect(observer.problems).toHaveLength(1);
    expect(observer.problems[0]).toMatch(/^AddressConflict beta .*default\/alpha/);
    await used.apply(removing(first));
    expect(await ask(at)).toBe("b");
  });
});

describe("SCTP", () => {
  it("is reported as something that this plane cannot do", async () => {
    const at = place();
    const used = await plane();
    const entry = entryOf({ name: "sig", protocol: "SCTP", frontends: [frontendAt(at)], endpoints: [] });
    await used.apply(adding(entry));
    expect(observer.problems[0]).toMatch(/^ProtocolNotSupported sig /);
    await used.apply(updating(entry, { ...entry, hasAnyEndpoints: true }));
    expect(await used.inspect()).toEqual([]);
  });
});

describe("a port below 1024 without privileges", () => {
  it("is reported with what to do, and the Service's other ports work", async () => {
    const child = await launch({
      command: process.execPath,
      args: [fileURLToPath(new URL("support/unprivileged-plane.ts", import.meta.url)), loopback(96), loopback(244)],
      ready: /^done/m,
    });
    cleanups.defer(() => child.stop());
    const said = JSON.parse(child.stdout().split("\n")[0] ?? "") as { problems: string[]; answer: string };
    expect(said.answer).toBe("from the high port");
    // Some container engines let everybody bind every port.
    const free = Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8")) <= 81;
    const reports = said.problems.map((problem) => problem.replace(/^(\S+ \S+ )\S+:81 .*/, "$1:81"));
    expect(reports).toEqual(free ? [] : ["FailedToBindPort low :81"]);
  });

  it("is reported in words that say what to do", () => {
    const at = { address: "127.96.0.1", port: 81 };
    const entry = entryOf({ name: "low", frontends: [frontendAt(at)], endpoints: [] });
    const refused = Object.assign(new Error("bind EACCES"), { code: "EACCES" });
    const { reason, message } = bindProblem(entry, frontendAt(at), refused);
    expect(reason).toBe("FailedToBindPort");
    expect(message).toMatch(/^127\.96\.0\.1:81\/TCP .*1024 or above.*as root.*ip_unprivileged_port_start=81.*setcap/);
  });
});

describe("many Services", () => {
  it("are all served after one change, and none after it is taken back", async () => {
    const backend = await naming("x");
    const used = await plane();
    const address = loopback(96);
    const entries = Array.from({ length: 300 }, (_, index) =>
      entryOf({
        name: `service-${index}`,
        frontends: [frontendAt({ address, port: 31_000 + index })],
        endpoints: [endpointAt(backend)],
      }),
    );
    await used.apply(adding(...entries));
    expect(await used.inspect()).toHaveLength(300);
    expect(await ask({ address, port: 31_299 })).toBe("x");
    await used.apply(removing(...entries));
    expect(await used.inspect()).toEqual([]);
    expect(await outcome({ address, port: 31_299 })).toBe("ECONNREFUSED");
  });
});
