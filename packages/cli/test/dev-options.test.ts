import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "@fairlead/host";
import { temporaryDirectory } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { readDevOptions, wantsJson } from "../src/options/dev-options.ts";

const read = (line = "", env: Record<string, string> = {}) =>
  readDevOptions({ argv: line.split(" ").filter((word) => word !== ""), env });

/** Everything that is wrong with a command line, as `field: reason`. */
function issues(line: string): readonly string[] {
  try {
    read(line);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map(({ field, reason }) => `${field}: ${reason}`);
  }
  return [];
}

describe("the options of fairlead dev", () => {
  test("have the defaults of the design", () => {
    expect(read()).toEqual({
      stateDir: join(process.cwd(), ".fairlead"),
      nodes: 2,
      serviceCidr: "127.96.0.0/16",
      podCidr: "127.244.0.0/16",
      nodeCidr: "127.64.0.0/24",
      lbPool: "127.200.0.0/24",
      dnsPort: undefined,
      resolvConf: "/etc/resolv.conf",
      httpPort: undefined,
      httpsPort: undefined,
      apiPort: 6443,
      plane: "userspace",
      distributed: false,
      natsUrl: undefined,
      images: undefined,
      log: "text",
    });
  });

  test.each(["nftables", "ipvs"])("have ranges that are routed with the plane %s, unless they are told", (plane) => {
    expect(read(`--plane ${plane} --lb-pool 172.30.0.0/24`)).toMatchObject({
      plane,
      serviceCidr: "10.96.0.0/12",
      podCidr: "10.244.0.0/16",
      nodeCidr: "10.64.0.0/24",
      lbPool: "172.30.0.0/24",
    });
  });

  test("come from flags, the environment and a file, in this order", async () => {
    await using folder = await temporaryDirectory();
    const file = join(folder.path, "dev.yaml");
    writeFileSync(file, "nodes: 3\napiPort: 7000\nlog: json\n");
    const options = read(`--config ${file} --nodes 5`, { FAIRLEAD_NODES: "4", FAIRLEAD_API_PORT: "7001" });
    expect(options).toMatchObject({ nodes: 5, apiPort: 7001, log: "json" });
  });

  test.each([
    ["--nodes 0", "nodes: must be from 1 to 16, not 0"],
    ["--nodes 17", "nodes: must be from 1 to 16, not 17"],
    ["--service-cidr 10.96.0.0/16", "serviceCidr: must lie in 127.0.0.0/8: the userspace plane"],
    ["--pod-cidr fd00::/64", "podCidr: must lie in 127.0.0.0/8: the userspace plane"],
    ["--pod-cidr 126.0.0.0/7", "podCidr: must lie in 127.0.0.0/8: the userspace plane"],
    ["--lb-pool 127.200.0.1/24", "lbPool: 127.200.0.1/24 has host bits set: the range is 127.200.0.0/24"],
    ["--node-cidr 127.0.0.0/24", "nodeCidr: must not hold 127.0.0.1, where the API listens"],
    ["--node-cidr 127.96.4.0/24", "nodeCidr: 127.96.4.0/24 overlaps serviceCidr, which is 127.96.0.0/16"],
    ["--pod-cidr 127.244.0.0/24", "podCidr: 127.244.0.0/24 has room for 1 nodes (a /24 each), not for 2"],
    [
      "--node-cidr 127.64.0.0/27",
      "nodeCidr: 127.64.0.0/27 is too small: a /26 is the least, its address 53 is the DNS's",
    ],
    ["--dns-port 65536", "dnsPort: "],
    ["--plane kernel", 'plane: must be one of userspace, nftables, ipvs, not "kernel"'],
    [
      "--plane nftables --pod-cidr 127.244.0.0/16",
      "podCidr: must lie outside 127.0.0.0/8: the plane nftables routes it",
    ],
    ["--plane ipvs --lb-pool 230.0.0.0/24", "lbPool: must lie outside 224.0.0.0/3: the plane ipvs routes it"],
    ["--plane ipvs --service-cidr fd00:96::/112", "serviceCidr: must be an IPv4 range, not fd00:96::/112"],
    [
      "--plane nftables --node-cidr 10.100.0.0/24",
      "nodeCidr: 10.100.0.0/24 overlaps serviceCidr, which is 10.96.0.0/12",
    ],
    ["--nats-url nats://127.0.0.1:4222", "natsUrl: goes with --distributed"],
    ["--distributed --nats-url http://127.0.0.1", "natsUrl: must be nats://HOST:PORT or tls://HOST:PORT"],
    ["--log yaml", 'log: must be one of text, json, not "yaml"'],
    ["--state-dirr x", "--state-dirr: unknown flag, did you mean --state-dir?"],
  ])("refuse %s", (line, reason) => {
    const found = issues(line);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(reason);
  });

  test.each([
    ["fits exactly", "--nodes 2 --node-cidr 127.64.0.0/26 --pod-cidr 127.244.0.0/23"],
    ["lies beside another", "--service-cidr 127.96.0.0/16 --pod-cidr 127.97.0.0/16"],
  ])("take a range that %s", (_case, line) => {
    expect(issues(line)).toEqual([]);
  });

  test("are refused all at once, each with its reason", () => {
    const each = "--plane kernel --api-port 70000 --pod-cidr 10.0.0.0";
    expect(issues(each).map((issue) => issue.split(":")[0])).toEqual(["podCidr", "apiPort", "plane"]);
    const elsewhere = "--pod-cidr 10.244.0.0/16 --service-cidr 10.96.0.0/12";
    expect(issues(elsewhere).map((issue) => issue.split(":")[0])).toEqual(["serviceCidr", "podCidr"]);
    const together = "--nodes 9 --pod-cidr 127.244.0.0/21 --lb-pool 127.64.0.0/24 --nats-url nats://localhost:4222";
    expect(issues(together).map((issue) => issue.split(":")[0])).toEqual(["lbPool", "podCidr", "natsUrl"]);
  });

  test.each([
    ["--http-port 6443", "httpPort: 6443 is apiPort already, on the same address"],
    ["--http-port 8443 --https-port 8443", "httpsPort: 8443 is httpPort already, on the same address"],
  ])("are refused where one port would be two doors: %s", (line, issue) => {
    expect(issues(line)).toEqual([issue]);
  });

  test("may leave the choice of several ports to us", () => {
    expect(read("--api-port 0 --http-port 0 --https-port 0")).toMatchObject({ apiPort: 0, httpPort: 0, httpsPort: 0 });
  });

  test.each([
    ["--log json", {}, true],
    ["--nodes x --log=json", {}, true],
    ["--nodes x", { FAIRLEAD_LOG: "json" }, true],
    ["--log text", { FAIRLEAD_LOG: "json" }, false],
    ["--nodes x", {}, false],
  ])("say by %s and %o whether JSON is wanted, also where they are wrong", (line, env, wanted) => {
    expect(wantsJson({ argv: line.split(" "), env })).toBe(wanted);
  });
});
