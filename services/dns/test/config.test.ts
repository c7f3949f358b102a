import { createMemoryFeed } from "@fairlead/bus";
import { silentLogger, systemClock } from "@fairlead/host";
import { seededRandom } from "@fairlead/testkit";
import { describe, expect, it } from "vitest";
import { composeDns, parts, wireDns } from "../src/compose.ts";
import { readDnsConfig } from "../src/config.ts";
import { nameServersOf } from "../src/forward/server-address.ts";

const given = { log: silentLogger, clock: systemClock, random: seededRandom(1) };

describe("the configuration", () => {
  it("has CoreDNS' ports and TTL unless told", () => {
    expect(readDnsConfig({ argv: [], env: {} })).toMatchObject({
      listen: ["127.0.0.1:53"],
      clusterDomain: "cluster.local",
      ttl: 5,
      podRecords: "disabled",
      ignoreEmptyServices: false,
      lameduck: 0,
      upstreams: undefined,
      healthAddress: "127.0.0.1:8080",
      readyAddress: "127.0.0.1:8181",
      metricsAddress: "127.0.0.1:9153",
    });
  });

  it("reads servers and stub domains", () => {
    const argv = ["--upstreams", "10.0.0.1,[fd00::1]:5353", "--stub-domains", "Corp.example=10.1.0.1|10.1.0.2:54"];
    expect(readDnsConfig({ argv, env: {} })).toMatchObject({
      upstreams: [
        { host: "10.0.0.1", port: 53 },
        { host: "fd00::1", port: 5353 },
      ],
      stubDomains: [
        {
          zone: ["corp", "example"],
          servers: [
            { host: "10.1.0.1", port: 53 },
            { host: "10.1.0.2", port: 54 },
          ],
        },
      ],
    });
  });

  it.each([
    ["--upstreams", "example.org:53"],
    ["--stub-domains", "example.org"],
    ["--stub-domains", "a..b=10.0.0.1"],
    ["--cluster-domain", "."],
    ["--ready-address", "nowhere"],
    ["--ttl", "3601"],
    ["--listen", "127.0.0.1"],
    ["--lameduck", "5s"],
    ["--pod-records", "all"],
  ])("refuses %s %s", (...argv) => {
    expect(() => readDnsConfig({ argv, env: {} })).toThrow(expect.objectContaining({ code: "CONFIG" }));
  });

  it("takes name servers from resolv.conf and passes over what is none", () => {
    expect(nameServersOf("# x\nnameserver 10.0.0.1\nnameserver x\n nameserver fd00::1\nsearch a\n")).toEqual([
      { host: "10.0.0.1", port: 53 },
      { host: "fd00::1", port: 53 },
    ]);
  });
});

describe("the composition", () => {
  it("makes every part", () => {
    const { feed } = createMemoryFeed({ clock: systemClock });
    const { resolve } = wireDns(readDnsConfig({ argv: [], env: {} }), { ...given, feed, podFeed: feed });
    for (const part of Object.values(parts)) expect(resolve<unknown>(part)).toBeDefined();
  });

  it("throws where there is nothing to follow", () => {
    expect(() => composeDns(readDnsConfig({ argv: [], env: {} }), given)).toThrow(/natsUrl/);
    const { feed } = createMemoryFeed({ clock: systemClock });
    const verified = readDnsConfig({ argv: ["--pod-records", "verified"], env: {} });
    expect(() => composeDns(verified, { ...given, feed })).toThrow(
      expect.objectContaining({ code: "INVALID_INPUT", field: "podRecords" }),
    );
  });
});
