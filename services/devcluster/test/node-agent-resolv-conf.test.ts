import { readFileSync } from "node:fs";
import type { Pod } from "@fairlead/kube/objects";
import { eventually } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { resolvConf } from "../src/node-agent/environment/resolv-conf.ts";
import { shell, startHarness } from "./node-agent-harness.ts";

const host =
  "nameserver 192.0.2.1\nsearch old.example.org\nsearch example.org svc.cluster.local.\noptions timeout:1 rotate # x\n";
const surroundings = { clusterDns: ["10.96.0.10"], clusterDomain: "cluster.local", host };
const machine = "nameserver 192.0.2.1\nsearch example.org svc.cluster.local\noptions timeout:1 rotate\n";
const cluster =
  "nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local example.org\noptions ndots:5\n";

function pod(spec: Partial<NonNullable<Pod["spec"]>>): Pod {
  return { metadata: { namespace: "shop", name: "web" }, spec: { containers: [], ...spec } };
}

describe("a pod's resolv.conf", () => {
  test.for([
    ["no policy", {}, cluster],
    ["ClusterFirst", { dnsPolicy: "ClusterFirst" }, cluster],
    ["ClusterFirst in the host's network", { dnsPolicy: "ClusterFirst", hostNetwork: true }, machine],
    ["ClusterFirstWithHostNet", { dnsPolicy: "ClusterFirstWithHostNet", hostNetwork: true }, cluster],
    ["Default", { dnsPolicy: "Default" }, machine],
    ["None", { dnsPolicy: "None", dnsConfig: { nameservers: ["192.0.2.9"] } }, "nameserver 192.0.2.9\n"],
  ] as const)("follows the policy: %s", ([, spec, expected]) => {
    expect(resolvConf(pod(spec as NonNullable<Pod["spec"]>), surroundings)).toEqual({ text: expected, warnings: [] });
  });

  test("has what dnsConfig adds, once each, and its options win by name", () => {
    const dnsConfig = {
      nameservers: ["10.96.0.10", "192.0.2.9"],
      searches: ["cluster.local.", "more.example.org"],
      options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
    };
    expect(resolvConf(pod({ dnsConfig }), surroundings).text).toBe(
      "nameserver 10.96.0.10\nnameserver 192.0.2.9\n" +
        "search shop.svc.cluster.local svc.cluster.local cluster.local example.org more.example.org\noptions ndots:2 edns0\n",
    );
  });

  test("falls back to the machine's where the cluster has no name server, and says so", () => {
    const { text, warnings } = resolvConf(pod({}), { ...surroundings, clusterDns: [] });
    expect(text).toBe(machine);
    expect(warnings.map(({ reason }) => reason)).toEqual(["MissingClusterDNS"]);
  });

  test("is cut to what resolvers read, and says so", () => {
    const nameservers = ["192.0.2.2", "192.0.2.3", "192.0.2.4"];
    const searches = [...Array.from({ length: 40 }, (_, index) => `d${index}.example.org`), "x".repeat(254)];
    const { text, warnings } = resolvConf(pod({ dnsConfig: { nameservers, searches } }), surroundings);
    expect(text.match(/^nameserver /gm)).toHaveLength(3);
    expect(/^search (.*)$/m.exec(text)?.[1]?.split(" ")).toHaveLength(32);
    expect(warnings.map(({ reason }) => reason)).toEqual(["DNSConfigForming", "DNSConfigForming"]);
    const long = Array.from({ length: 20 }, (_, index) => `${index}${"y".repeat(150)}`);
    const line =
      /^search (.*)$/m.exec(resolvConf(pod({ dnsConfig: { searches: long } }), surroundings).text)?.[1] ?? "";
    expect(line.length).toBeLessThanOrEqual(2048);
    expect(line.length).toBeGreaterThan(1800);
  });

  test("is a file that the pod's environment names", async () => {
    await using harness = await startHarness({ slot: 5 });
    harness.run("named", {
      dnsPolicy: "None",
      dnsConfig: { nameservers: ["192.0.2.9"], searches: ["example.org"] },
      containers: [shell('cat "$FAIRLEAD_RESOLV_CONF"; echo "at $FAIRLEAD_RESOLV_CONF"; sleep 60')],
    });
    await harness.until("named", (found) => expect(found.status?.phase).toBe("Running"));
    const log = await eventually(async () => {
      const text = await harness.log("named");
      expect(text).toMatch(/at .*\n/);
      return text;
    });
    expect(log).toContain("nameserver 192.0.2.9\nsearch example.org\n");
    const path = /at (.*)/.exec(log)?.[1] ?? "";
    expect(readFileSync(path, "utf8")).toBe("nameserver 192.0.2.9\nsearch example.org\n");
    expect(path.startsWith(harness.stateDir)).toBe(true);
  });
});
