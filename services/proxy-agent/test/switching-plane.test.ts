import { RecordingLogger } from "@fairlead/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { readProxyAgentConfig } from "../src/config.ts";
import type { PlaneChoice } from "../src/config.ts";
import type { PlaneMode, PlaneSettings } from "../src/plane-factory.ts";
import { SwitchingPlane } from "../src/switching-plane.ts";
import { adding, endpointAt, entryOf, frontendAt } from "../src/testing.ts";
import { FakePlanes } from "./support/fake-planes.ts";

const settings: PlaneSettings = readProxyAgentConfig({ argv: ["--node-name", "node-1"], env: {} });
const other: PlaneSettings = { ...settings, scheduler: "lc" };

let planes: FakePlanes;
let log: RecordingLogger;
let failed: PlaneMode[];

beforeEach(() => {
  planes = new FakePlanes();
  log = new RecordingLogger();
  failed = [];
});

async function started(
  choice: PlaneChoice,
  options: { ownsKernel?: boolean; kernelOnly?: boolean; inForce?: () => void } = {},
): Promise<SwitchingPlane> {
  const plane = new SwitchingPlane({
    factory: planes,
    choice,
    settings,
    ownsKernel: true,
    kernelOnly: false,
    log,
    retirementFailed: (mode) => failed.push(mode),
    ...options,
  });
  await plane.start();
  return plane;
}

const web = entryOf({
  name: "web",
  frontends: [frontendAt({ address: "127.96.0.1", port: 80 })],
  endpoints: [endpointAt({ address: "127.244.0.1", port: 80 })],
});
const api = entryOf({
  name: "api",
  frontends: [frontendAt({ address: "127.96.0.2", port: 80 })],
  endpoints: [endpointAt({ address: "127.244.0.1", port: 80 })],
});
const notices = (): string[] => log.records.filter(({ level }) => level === "notice").map(({ message }) => message);

describe("the choice of a plane", () => {
  it("is what was asked for, and an error where the kernel cannot carry it", async () => {
    expect((await started("ipvs")).mode).toBe("ipvs");
    planes.refusals.set("nftables", "no nf_tables");
    await expect(started("nftables")).rejects.toMatchObject({
      code: "PLANE_UNAVAILABLE",
      message: "plane: nftables cannot be had here: no nf_tables",
    });
  });

  it("is with auto nftables, else userspace with a notice, and never ipvs", async () => {
    expect((await started("auto")).mode).toBe("nftables");
    expect(notices()).toEqual([]);
    planes.refusals.set("nftables", "no nf_tables");
    expect((await started("auto")).mode).toBe("userspace");
    expect(notices()).toEqual(["the plane is userspace: no nf_tables"]);
    await expect(started("auto", { kernelOnly: true })).rejects.toMatchObject({ code: "PLANE_UNAVAILABLE" });
  });

  it("is undecided before the start", () => {
    const plane = new SwitchingPlane({
      factory: planes,
      choice: "auto",
      settings,
      ownsKernel: true,
      kernelOnly: false,
      log,
    });
    expect([plane.mode, plane.counts]).toEqual(["undecided", undefined]);
  });
});

describe("what an earlier run left of another plane", () => {
  it("gives way once the first state is in force, not before", async () => {
    planes.left.add("ipvs");
    const plane = await started("nftables");
    expect(planes.told()).toEqual(["nftables start"]);
    await plane.apply(adding(web));
    expect(planes.told()).toEqual(["nftables apply +1 ~0 -0", "ipvs start", "ipvs retire"]);
    await plane.apply(adding(api));
    expect(planes.told()).toEqual(["nftables apply +1 ~0 -0"]);
    // Until then it looks after the connections that it still carries.
    await plane.stop();
    expect(planes.told().toSorted()).toEqual(["ipvs stop", "nftables stop"]);
  });

  it("gives way to the userspace plane as well, but not where several nodes share the machine", async () => {
    planes.left.add("nftables").add("ipvs");
    const own = await started("userspace");
    await own.apply(adding(web));
    expect(planes.told().filter((call) => call.endsWith("retire"))).toEqual(["nftables retire", "ipvs retire"]);
    const shared = await started("userspace", { ownsKernel: false });
    await shared.apply(adding(web));
    expect(planes.told()).toEqual(["userspace start", "userspace apply +1 ~0 -0"]);
  });

  it("is tried again with the next change where it would not, and traffic does not wait for it", async () => {
    planes.left.add("ipvs");
    planes.prepare = (plane) => plane.mode === "ipvs" && plane.failing.set("retire", new Error("busy"));
    const plane = await started("nftables");
    await plane.apply(adding(web));
    expect(failed).toEqual(["ipvs"]);
    planes.prepare = () => undefined;
    planes.told();
    await plane.apply(adding(api));
    expect(planes.told()).toEqual(["nftables apply +1 ~0 -0", "ipvs start", "ipvs retire"]);
  });
});

describe("a change of plane", () => {
  it("puts the whole state in force in the new one before the old one lets go", async () => {
    const plane = await started("userspace");
    await plane.apply(adding(web));
    await plane.apply(adding(api));
    planes.told();
    await plane.switchTo("nftables", other);
    expect(planes.told()).toEqual(["nftables start", "nftables apply +2 ~0 -0", "userspace retire"]);
    expect([plane.mode, plane.settings.scheduler, plane.counts?.mode]).toEqual(["nftables", "lc", "nftables"]);
    expect(notices()).toEqual(["traffic is led by the plane nftables now"]);
    await plane.apply({ added: [], updated: [], removed: [web] });
    expect(planes.told()).toEqual(["nftables apply +0 ~0 -1"]);
    await plane.switchTo("ipvs", settings);
    expect(planes.told()).toEqual(["ipvs start", "ipvs apply +1 ~0 -0", "nftables retire"]);
    await plane.stop();
    expect(planes.told().toSorted()).toEqual(["ipvs stop", "nftables stop", "userspace stop"]);
  });

  it("waits for a change that is under way, and changes wait for it", async () => {
    const plane = await started("userspace");
    await Promise.all([plane.apply(adding(web)), plane.switchTo("nftables", settings), plane.apply(adding(api))]);
    expect(planes.told()).toEqual([
      "userspace start",
      "userspace apply +1 ~0 -0",
      "nftables start",
      "nftables apply +1 ~0 -0",
      "userspace retire",
      "nftables apply +1 ~0 -0",
    ]);
  });

  it("to the same one does nothing", async () => {
    const plane = await started("auto");
    await plane.apply(adding(web));
    planes.told();
    await plane.switchTo("nftables", other);
    expect(planes.told()).toEqual([]);
  });

  it("takes the retired userspace plane again, with its connections, and makes planes of the kernel anew", async () => {
    const plane = await started("userspace");
    await plane.apply(adding(web));
    await plane.switchTo("nftables", settings);
    await plane.switchTo("userspace", settings);
    planes.told();
    await plane.switchTo("nftables", settings);
    // The retired one lets go of its sockets before another takes the kernel's table for its own.
    expect(planes.told()).toEqual(["nftables stop", "nftables start", "nftables apply +1 ~0 -0", "userspace retire"]);
    expect(planes.made.map(({ mode }) => mode)).toEqual(["userspace", "nftables", "nftables"]);
  });

  it("that fails leaves the old one as it was", async () => {
    const plane = await started("userspace");
    await plane.apply(adding(web));
    planes.refusals.set("ipvs", "no ip_vs");
    await expect(plane.switchTo("ipvs", settings)).rejects.toMatchObject({ code: "PLANE_UNAVAILABLE" });
    planes.prepare = (made) => made.failing.set("apply", new Error("the kernel said no"));
    planes.left.add("nftables");
    planes.told();
    await expect(plane.switchTo("nftables", other)).rejects.toThrow("the kernel said no");
    expect(planes.told()).toEqual([
      "nftables start",
      "nftables apply +1 ~0 -0",
      "nftables stop",
      // What it may have programmed takes no connection.
      "nftables start",
      "nftables retire",
    ]);
    expect([plane.mode, plane.settings.scheduler, planes.last("userspace").held.size]).toEqual([
      "userspace",
      undefined,
      1,
    ]);
    await plane.apply(adding(api));
    expect(planes.told()).toEqual(["userspace apply +1 ~0 -0"]);
  });

  it("to a userspace plane that can listen nowhere is refused: nothing would be served", async () => {
    const plane = await started("nftables");
    await plane.apply(adding(web));
    planes.prepare = (made) => (made.servesNothing = true);
    await expect(plane.switchTo("userspace", settings)).rejects.toThrow("it can serve no address of 1 Service ports");
    expect(plane.mode).toBe("nftables");
    expect(planes.last("nftables").held.size).toBe(1);
  });

  it("before anything is in force leaves what the kernel holds until it is", async () => {
    const plane = await started("ipvs");
    planes.left.add("ipvs");
    await plane.switchTo("nftables", settings);
    expect(planes.told()).toEqual(["ipvs start", "nftables start", "ipvs stop"]);
    await plane.apply(adding(web));
    expect(planes.told()).toEqual(["nftables apply +1 ~0 -0", "ipvs start", "ipvs retire"]);
  });

  it("that an old one does not give way to is in force all the same, and the old one is asked again", async () => {
    const plane = await started("ipvs");
    await plane.apply(adding(web));
    planes.last("ipvs").failing.set("retire", new Error("busy"));
    await plane.switchTo("nftables", settings);
    expect([plane.mode, failed]).toEqual(["nftables", ["ipvs"]]);
    planes.told();
    await plane.apply(adding(api));
    expect(planes.told()).toEqual(["nftables apply +1 ~0 -0", "ipvs retire"]);
  });
});

describe("a plane that lost track", () => {
  it("is started again without removing anything, and knows nothing until everything is added", async () => {
    let times = 0;
    const plane = await started("nftables", { inForce: () => times++ });
    await plane.apply(adding(web));
    planes.told();
    await plane.resume();
    expect(planes.told()).toEqual(["nftables stop", "nftables start"]);
    // Asked for in between, another plane does not take an empty state for the whole.
    await plane.switchTo("ipvs", settings);
    expect(planes.told()).toEqual(["ipvs start", "nftables stop"]);
    await plane.apply(adding(web, api));
    expect(planes.told()[0]).toBe("ipvs apply +2 ~0 -0");
    expect(times).toBe(1);
  });
});
