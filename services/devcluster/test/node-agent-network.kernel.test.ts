import { execFile } from "node:child_process";
import { mkdirSync, rmdirSync } from "node:fs";
import { get } from "node:http";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Pod } from "@fairlead/kube/objects";
import { enterNewNetworkNamespace } from "@fairlead/sockets";
import { eventually, launch, needs, temporaryDirectory } from "@fairlead/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isReady, shell, startHarness } from "./node-agent-harness.ts";
import type { Harness } from "./node-agent-harness.ts";
import { inNamespace, inNode, makeTwoNodes, namespaces, networkConfig, removeTwoNodes } from "./two-node-network.ts";

const crashVictim = fileURLToPath(new URL("node-agent-crash-victim.ts", import.meta.url));
const bothNodes = ["node-1", "node-2"];

/** Answers with its name and the address of whoever asks. */
const web = `require("http").createServer((request, response) => response.end(process.env.HOSTNAME + " " + request.socket.remoteAddress)).listen(8080, process.env.POD_IP)`;
const webPod: Partial<NonNullable<Pod["spec"]>> = {
  terminationGracePeriodSeconds: 0,
  containers: [
    {
      name: "app",
      image: "example/app",
      command: ["node", "-e", web],
      readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
    },
  ],
};

describe.skipIf(needs("root", "unshare", "mount", "ip", "curl"))("pods with networks of their own", () => {
  let leave = (): void => undefined;
  let harness: Harness;

  beforeAll(() => {
    leave = enterNewNetworkNamespace();
    makeTwoNodes();
  });
  afterAll(() => {
    removeTwoNodes();
    leave();
  });
  beforeEach(async () => {
    harness = await startHarness({
      slot: 0,
      config: { ...networkConfig, clusterDns: ["10.64.0.53"], clusterDomain: "cluster.local" },
    });
  });
  afterEach(async () => {
    await harness[Symbol.asyncDispose]();
    const left = namespaces().filter((name) => !bothNodes.includes(name));
    if (left.length > 0) throw new Error(`networks of pods are left: ${left.join(", ")}`);
  });

  const ready = (name: string): Promise<Pod> => harness.until(name, (pod) => expect(isReady(pod)).toBe(true));
  const addressOf = async (name: string): Promise<string> => (await ready(name)).status?.podIP ?? "";

  test("reach each other and are reached from the machine, each seeing the other's own address", async () => {
    harness.run("one", webPod);
    harness.run("two", { ...webPod, nodeName: "node-2" });
    harness.run("near", webPod);
    const [one, two, near] = [await addressOf("one"), await addressOf("two"), await addressOf("near")];
    expect([one, two, near].map((address) => address.split(".").slice(0, 3).join("."))).toEqual([
      "10.244.1",
      "10.244.2",
      "10.244.1",
    ]);
    expect(await fetchText(`http://${two}:8080/`)).toBe("two 10.64.0.254");
    expect(namespaces()).toEqual([one, near, two, ...bothNodes].sort());
    for (const [from, to, name] of [
      [one, two, "two"],
      [two, one, "one"],
      [one, near, "near"],
      [near, near, "near"],
    ] as const) {
      expect(inNamespace(from, "curl", "-s", `http://${to}:8080/`)).toBe(`${name} ${from}`);
    }
    // Its node calls by the address that its pods know it by.
    expect(inNode(1, "curl", "-s", `http://${one}:8080/`)).toBe("one 10.64.0.1");
  });

  test("have their own resolv.conf where resolvers look, in hooks and probes as well, and exactly the environment of others", async () => {
    const say = `console.log(JSON.stringify([fs.readFileSync("/etc/resolv.conf", "utf8"), process.env])); setInterval(() => {}, 1e6)`;
    const hook = ["sh", "-c", "cat /etc/resolv.conf > hook"];
    const probe = ["sh", "-c", "grep -q 10.64.0.53 /etc/resolv.conf && grep -q 10.64.0.53 hook"];
    const env = [
      { name: "odd.name-1", value: "as it is: $HOME 'x'\nend" },
      { name: "PLAIN", value: "yes" },
    ];
    harness.run("conf", {
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: "app",
          image: "example/app",
          command: ["node", "-e", say],
          env,
          lifecycle: { postStart: { exec: { command: hook } } },
          readinessProbe: { exec: { command: probe }, periodSeconds: 1 },
        },
      ],
    });
    const address = await addressOf("conf");
    const said = await eventually(async () => JSON.parse(await harness.log("conf")) as unknown);
    const [conf, seen] = said as [string, Record<string, string>];
    const lines = conf.split("\n");
    expect(lines.slice(0, 2)).toEqual([
      "nameserver 10.64.0.53",
      expect.stringMatching(/^search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/) as string,
    ]);
    expect(conf).toMatch(/^options .*ndots:5/m);
    const names = Object.keys(seen).filter((name) => !/^(LANG|LC_ALL|TZ)$/.test(name));
    expect(names.sort()).toEqual([
      "FAIRLEAD_CONTAINER",
      "FAIRLEAD_POD_UID",
      "FAIRLEAD_STATE_ID",
      "HOME",
      "HOSTNAME",
      "PATH",
      "PLAIN",
      "POD_IP",
      "TMPDIR",
      "odd.name-1",
    ]);
    expect(seen).toMatchObject({ "odd.name-1": env[0]?.value, PLAIN: "yes", POD_IP: address });
    // The machine's is as it was.
    expect(await catHere("/etc/resolv.conf")).not.toContain("10.64.0.53");
  });

  test("are told of a program that is not there as others are", async () => {
    harness.run("typo", { containers: [{ name: "app", image: "x", command: ["no-such-program"] }] });
    const pod = await harness.until("typo", ({ status }) =>
      expect(status?.containerStatuses?.[0]?.restartCount).toBe(1),
    );
    expect(pod.status?.containerStatuses?.[0]?.lastState?.terminated ?? {}).toMatchObject({
      exitCode: 128,
      reason: "StartError",
      message: 'exec "no-such-program": spawn no-such-program ENOENT',
    });
    harness.api.delete("pods", "default", "typo", { gracePeriodSeconds: 0 });
  });

  test("share their node's network where they ask for that", async () => {
    harness.run("host", { ...webPod, hostNetwork: true, nodeName: "node-2" });
    expect(await addressOf("host")).toBe("10.64.0.2");
    expect(await fetchText("http://10.64.0.2:8080/")).toBe("host 10.64.0.254");
    expect(namespaces()).toEqual(bothNodes);
    harness.api.delete("pods", "default", "host", { gracePeriodSeconds: 0 });
  });

  test("leave nothing behind: not when they are done, nor when they are deleted, or by force", async () => {
    harness.run("kind", webPod);
    harness.run("done", { restartPolicy: "Never", containers: [shell("exit 0")] });
    await harness.until("done", (pod) => expect(pod.status?.phase).toBe("Succeeded"));
    harness.run("stubborn", {
      terminationGracePeriodSeconds: 1,
      containers: [shell("trap '' TERM; sleep 600 & wait; wait")],
    });
    await ready("kind");
    const address = await addressOf("stubborn");
    harness.api.delete("pods", "default", "kind", { gracePeriodSeconds: 0 });
    harness.api.delete("pods", "default", "stubborn");
    await eventually(() => expect(namespaces()).toEqual(bothNodes));
    await eventually(() => {
      expect(inNode(1, "ip", "-brief", "link")).not.toContain("pod-");
      expect(inNode(1, "ip", "route")).not.toContain(address);
    });
  });

  test("have the same address after a restart, in a new network", async () => {
    harness.run("stays", webPod);
    const before = await addressOf("stays");
    const link = hardwareAddress(before);
    await harness.restart();
    expect(await addressOf("stays")).toBe(before);
    expect(await fetchText(`http://${before}:8080/`)).toBe("stays 10.64.0.254");
    expect(hardwareAddress(before)).not.toBe(link);
  });

  test("of an agent that was killed are gone after the next start, and made anew", async () => {
    await using directory = await temporaryDirectory();
    const args = [directory.path, "0", JSON.stringify(networkConfig)];
    await using victim = await launch({
      command: process.execPath,
      args: [crashVictim, ...args],
      ready: /victim is ready/,
    });
    const left = namespaces().filter((name) => !bothNodes.includes(name));
    expect(left).toHaveLength(3);
    const links = new Set(left.map(hardwareAddress));
    victim.signal("SIGKILL");
    await victim.exited;
    await using next = await startHarness({ slot: 0, stateDir: directory.path, config: networkConfig });
    const again = await next.until("stubborn", (pod) => expect(isReady(pod)).toBe(true));
    const address = again.status?.podIP ?? "";
    expect(left).toContain(address);
    // One was to be deleted, one may run but once.
    await eventually(() => expect(namespaces()).toEqual([address, ...bothNodes]));
    expect(links).not.toContain(hardwareAddress(address));
    const link = `pod-${address.split(".")[3]}`;
    await eventually(() => expect(inNode(1, "ip", "-brief", "link").match(/^pod-\d+/gm)).toEqual([link]));
    next.api.delete("pods", "default", "stubborn", { gracePeriodSeconds: 0 });
  });

  test("wait, and say why, where they cannot be had", async () => {
    // Something of that name is in the way, and stays.
    const [next] = [`${networkConfig.networkNamespaces}10.244.2.2`];
    mkdirSync(next);
    try {
      harness.run("late", { ...webPod, nodeName: "node-2" });
      await eventually(() => expect(harness.events("FailedCreatePodSandBox")).not.toEqual([]));
      expect(harness.events("FailedCreatePodSandBox")[0]).toMatch(/^Failed to create pod sandbox: .*10\.244\.2\.2/);
      expect(isReady(harness.pod("late"))).toBe(false);
    } finally {
      rmdirSync(next);
    }
    expect(await addressOf("late")).toBe("10.244.2.2");
  });
});

function hardwareAddress(pod: string): string {
  return inNamespace(pod, "cat", "/sys/class/net/eth0/address");
}

function fetchText(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });
}

async function catHere(path: string): Promise<string> {
  return (await promisify(execFile)("cat", [path])).stdout;
}
