import { readFileSync } from "node:fs";
import { ConfigError } from "@fairlead/host";
import { describe, expect, it } from "vitest";
import { proxyAgentOptions, readProxyAgentConfig } from "../src/config.ts";
import type { ProxyAgentConfig } from "../src/config.ts";

function read(...flags: readonly string[]): ProxyAgentConfig {
  return readProxyAgentConfig({ argv: ["--node-name", "node-1", ...flags], env: {} });
}

function issuesOf(...flags: readonly string[]): readonly string[] {
  try {
    read(...flags);
  } catch (error) {
    if (error instanceof ConfigError) return error.issues.map(({ field, reason }) => `${field}: ${reason}`);
    throw error;
  }
  return [];
}

describe("the options of planes", () => {
  it("have kube-proxy's defaults where it has them", () => {
    expect(read("--plane", "ipvs")).toMatchObject({
      sharedHost: false,
      localTraffic: { kind: "none" },
      masqueradeAll: false,
      masqueradeBit: 14,
      trafficCounters: true,
      verifyInterval: 30_000,
      ipvsInterface: "fairlead-ipvs",
      strictArp: false,
      excludeCidrs: [],
      ipvsTcpTimeout: 0,
      ipvsTcpFinTimeout: 0,
      ipvsUdpTimeout: 0,
      drainTimeout: 3_600_000,
      scheduler: undefined,
      metricsAddress: undefined,
      cleanup: false,
    });
  });

  it("say how traffic of pods is told", () => {
    const told = (...flags: readonly string[]): unknown => read("--plane", "auto", ...flags).localTraffic;
    expect(told("--cluster-cidr", "10.244.0.0/16,fd00:244::/56")).toEqual({
      kind: "ranges",
      ranges: ["10.244.0.0/16", "fd00:244::/56"],
    });
    expect(told("--detect-local", "node-cidr")).toEqual({ kind: "node-ranges" });
    expect(told("--detect-local", "bridge-interface", "--bridge-interface", "cni0")).toEqual({
      kind: "interface",
      name: "cni0",
    });
    expect(told("--detect-local", "interface-name-prefix", "--interface-name-prefix", "veth")).toEqual({
      kind: "interface-prefix",
      prefix: "veth",
    });
    expect(told("--detect-local", "none")).toEqual({ kind: "none" });
  });

  it("are refused by name where they mean nothing to the plane", () => {
    expect(issuesOf("--masquerade-all", "--strict-arp")).toEqual([
      "masqueradeAll: means nothing to the plane userspace: leave it out, or choose another plane",
      "strictArp: means nothing to the plane userspace: leave it out, or choose another plane",
    ]);
    expect(issuesOf("--network-namespace", "/run/netns/a")).toEqual([expect.stringMatching(/^networkNamespace: /)]);
    expect(issuesOf("--plane", "nftables", "--udp-timeout", "5s", "--drain-timeout", "5s")).toEqual([
      expect.stringMatching(/^udpTimeout: /),
      expect.stringMatching(/^drainTimeout: /),
    ]);
    expect(issuesOf("--plane", "ipvs", "--connect-timeout", "5s")).toHaveLength(1);
    expect(issuesOf("--plane", "auto", "--udp-timeout", "5s", "--masquerade-bit", "3")).toEqual([]);
    expect(issuesOf("--plane", "auto", "--ipvs-interface", "dummy0")).toHaveLength(1);
  });

  it("are refused by name where they contradict each other", () => {
    expect(issuesOf("--plane", "nftables", "--shared-host")).toEqual([expect.stringMatching(/^sharedHost: /)]);
    expect(issuesOf("--plane", "nftables", "--verify-interval", "10ms")).toEqual([
      "verifyInterval: must be at least 1000 ms",
    ]);
    expect(issuesOf("--plane", "nftables", "--detect-local", "cluster-cidr")).toEqual([
      "clusterCidr: is needed with detectLocal cluster-cidr",
    ]);
    expect(issuesOf("--plane", "nftables", "--detect-local", "node-cidr", "--cluster-cidr", "10.0.0.0/8")).toEqual([
      "clusterCidr: means nothing with detectLocal node-cidr: it is for cluster-cidr",
    ]);
    expect(issuesOf("--plane", "nftables", "--bridge-interface", "cni0")).toEqual([
      "bridgeInterface: means nothing with detectLocal none: it is for bridge-interface",
    ]);
  });

  it("hold names of interfaces to what the kernel takes", () => {
    const named = (name: string): readonly string[] =>
      issuesOf("--plane", "nftables", "--detect-local", "bridge-interface", "--bridge-interface", name);
    expect(named("cni0")).toEqual([]);
    for (const name of ["a/b", "sixteen-letters-", "..", "a b", "a:1"]) expect(named(name)).toHaveLength(1);
  });

  it("tell who asks for node ports at loopback that the kernel has none there", () => {
    expect(read("--plane", "nftables", "--node-port-addresses", "primary,localhost").notices).toHaveLength(1);
    expect(read("--node-port-addresses", "localhost").notices).toEqual([]);
  });
});

describe("the README", () => {
  it("has every option", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const flags = proxyAgentOptions.help().match(/^ {2}--[a-z-]+/gm) ?? [];
    expect(flags.length).toBeGreaterThan(30);
    expect(flags.map((flag) => flag.trim()).filter((flag) => !readme.includes(`\`${flag}\``))).toEqual(["--help"]);
  });
});

describe("cleaning up", () => {
  it("takes no name of a node, and whatever the service is configured with", () => {
    const config = readProxyAgentConfig({ argv: ["--cleanup", "--plane", "ipvs", "--udp-timeout", "3s"], env: {} });
    expect(config.cleanup).toBe(true);
    expect(() => readProxyAgentConfig({ argv: ["--plane", "ipvs"], env: {} })).toThrow("--node-name");
  });
});
