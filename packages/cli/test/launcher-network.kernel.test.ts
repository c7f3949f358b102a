import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { enterNewNetworkNamespace } from "@fairlead/sockets";
import { needs } from "@fairlead/testkit";
import type { Launched } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { networkNames } from "../src/network/network-names.ts";
import { whyNoNetworks } from "../src/network/node-network.ts";
import type { DevFacts } from "../src/state/dev-file.ts";
import { stateFolder } from "./support/launcher.ts";
import type { StateFolder } from "./support/launcher.ts";

const ready = /fairlead is ready/;

/** The launcher's flags for a plane in the kernel, on ranges of a number. */
const kernel = (number = 0): readonly string[] =>
  Object.entries({
    "--plane": "nftables",
    "--service-cidr": `10.${96 + number}.0.0/16`,
    "--pod-cidr": `10.${240 + number}.0.0/16`,
    "--node-cidr": `10.64.${number}.0/24`,
    "--lb-pool": `10.200.${number}.0/24`,
  }).flat();

// What it says on standard error is of namespaces that are about to go.
const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8", stdio: "pipe" });

/** What a stack on this folder has in the kernel: namespaces and links, without their mark, and routes beyond the machine's own. */
function inKernel({ path }: StateFolder): { namespaces: string[]; links: string[]; routes: string[] } {
  const { namespacePrefix, linkPrefix, bridge } = networkNames(path);
  const mark = basename(namespacePrefix);
  const words = (text: string): string[] => text.split(/\s+/);
  return {
    namespaces: words(ip("netns", "list"))
      .filter((name) => name.startsWith(mark))
      .map((name) => name.slice(mark.length))
      .sort(),
    links: words(ip("-brief", "link"))
      .map((name) => name.replace(/@.*/, ""))
      .filter((name) => name === bridge || name.startsWith(linkPrefix))
      .map((name) => name.replace(linkPrefix, "link "))
      .map((name) => (name === bridge ? "bridge" : name))
      .sort(),
    routes: ip("route")
      .split("\n")
      .filter((line) => line.includes(bridge))
      .map((line) => line.replace(/ dev .*/, "")),
  };
}

const nothing = { namespaces: [], links: [], routes: [] };

async function terminate(process: Launched): Promise<void> {
  process.signal("SIGTERM");
  expect(await process.exited).toEqual({ code: 0, signal: null });
}

describe.skipIf(needs("root", "ip", "unshare", "mount"))("fairlead dev with a plane in the kernel", () => {
  let leave = (): void => undefined;
  beforeAll(() => {
    leave = enterNewNetworkNamespace();
    ip("link", "set", "lo", "up");
  });
  afterAll(() => leave());

  test("gives each node a network, says how to get there, and leaves nothing of it", async () => {
    await using folder = await stateFolder();
    const process = await folder.dev(kernel(), ready);
    const { bridge, namespacePrefix } = networkNames(folder.path);
    const lines = process.stdout().split("\n");
    expect(lines.slice(0, 2)).toEqual([
      "starting network",
      expect.stringMatching(`^network is ready after [\\d.]+ s: ${bridge}, 10\\.64\\.0\\.254$`) as string,
    ]);
    const prefix = basename(namespacePrefix);
    expect(lines).toContain(`  networks        ip netns exec ${prefix}node-1 …, and ${prefix}<address> for a pod`);
    const facts = JSON.parse(readFileSync(join(folder.path, "dev.json"), "utf8")) as DevFacts;
    expect(facts).toMatchObject({
      plane: "nftables",
      dns: { address: "10.64.0.53", port: expect.any(Number) as number },
      nodes: [
        { name: "node-1", address: "10.64.0.1", networkNamespace: `${namespacePrefix}node-1` },
        { name: "node-2", address: "10.64.0.2", networkNamespace: `${namespacePrefix}node-2` },
      ],
    });
    expect(inKernel(folder)).toEqual({
      namespaces: ["node-1", "node-2"],
      links: ["bridge", "link 1", "link 2"],
      routes: [
        "10.64.0.0/24",
        "10.96.0.0/16 via 10.64.0.1",
        "10.200.0.0/24 via 10.64.0.1",
        "10.240.1.0/24 via 10.64.0.1",
        "10.240.2.0/24 via 10.64.0.2",
      ],
    });
    await terminate(process);
    expect(inKernel(folder)).toEqual(nothing);
    expect(existsSync(join(folder.path, "network.json"))).toBe(false);
    expect(process.stderr()).toBe("");
  });

  test("stands beside another, unless their ranges meet: then it names the options, and touches nothing", async () => {
    await using first = await stateFolder();
    await using second = await stateFolder();
    const one = await first.dev([...kernel(), "--nodes", "1"], ready);
    const before = inKernel(first);
    const refused = await second.dev(kernel());
    expect(await refused.exited).toEqual({ code: 1, signal: null });
    const by = networkNames(first.path).bridge;
    expect(refused.stderr()).toBe(
      `fairlead: this machine has such addresses already: --service-cidr 10.96.0.0/16 (10.96.0.0/16 by ${by}), ` +
        `--pod-cidr 10.240.0.0/16 (10.240.1.0/24 by ${by}), --node-cidr 10.64.0.0/24 (10.64.0.0/24 by ${by}), ` +
        `--lb-pool 10.200.0.0/24 (10.200.0.0/24 by ${by}); choose other ranges\n`,
    );
    expect(inKernel(second)).toEqual(nothing);
    const two = await second.dev([...kernel(1), "--nodes", "1"], ready);
    expect(inKernel(first)).toEqual(before);
    await terminate(one);
    expect(inKernel(first)).toEqual(nothing);
    expect(inKernel(second).namespaces).toEqual(["node-1"]);
    await terminate(two);
  });

  test("that was killed is cleared away by the next start, also by one in user space", async () => {
    await using folder = await stateFolder();
    const kill = async (process: Launched): Promise<void> => {
      globalThis.process.kill(process.pid, "SIGKILL");
      await process.exited;
      expect(inKernel(folder).namespaces).not.toEqual([]);
    };
    await kill(await folder.dev([...kernel(), "--nodes", "3"], ready));
    const next = await folder.dev([...kernel(), "--nodes", "1"], ready);
    expect(inKernel(folder)).toMatchObject({ namespaces: ["node-1"], links: ["bridge", "link 1"] });
    await kill(next);
    const last = await folder.dev(["--nodes", "1"], ready);
    expect(last.stdout()).toMatch(/^fairlead: the network that an earlier run left was removed$/m);
    expect(inKernel(folder)).toEqual(nothing);
    await terminate(last);
  });
});

describe("a plane in the kernel", () => {
  test("is for root alone, and says what to do", () => {
    expect(whyNoNetworks(1000)).toMatch(/^needs root, .* start it with sudo, or leave --plane out$/);
    expect(whyNoNetworks(0)).toBeUndefined();
  });
});
