import { thisNetworkNamespace } from "@fairlead/sockets";
import { describe, expect, it } from "vitest";
import { setSysctls, wantedSysctls } from "../src/ipvs/sysctls.ts";

const valueOf = (name: string, options: Partial<Parameters<typeof wantedSysctls>[0]> = {}): string | undefined =>
  wantedSysctls({ strictArp: false, trafficCounters: true, release: "6.1.0-57-amd64", ...options }).find(
    (one) => one.name === name,
  )?.value;

describe("the kernel's settings for IPVS", () => {
  it.each([
    ["4.19.0-27-amd64", "0"],
    ["5.8.18", "0"],
    ["5.9.0", "1"],
    ["5.10.0-35-amd64", "1"],
    ["6.1.0-57-amd64", "1"],
    ["10.0-rc1", "1"],
  ])("let ports be used again without a delay on Linux %s", (release, value) => {
    expect(valueOf("net.ipv4.vs.conn_reuse_mode", { release })).toBe(value);
  });

  it("answer for addresses strictly only if asked to", () => {
    expect(valueOf("net.ipv4.conf.all.arp_ignore")).toBeUndefined();
    expect(valueOf("net.ipv4.conf.all.arp_ignore", { strictArp: true })).toBe("1");
    expect(valueOf("net.ipv4.conf.all.arp_announce", { strictArp: true })).toBe("2");
  });

  it("estimate rates only where somebody counts", () => {
    expect(valueOf("net.ipv4.vs.run_estimation")).toBe("1");
    expect(valueOf("net.ipv4.vs.run_estimation", { trafficCounters: false })).toBe("0");
  });

  it("are refused in words that say what to do", () => {
    const none = { name: "net.ipv4.vs.no_such_setting", value: "1" };
    expect(() => setSysctls(thisNetworkNamespace, [none])).toThrow(/modprobe ip_vs/);
    expect(setSysctls(thisNetworkNamespace, [{ ...none, optional: true }])).toBe(0);
  });
});
