// The launcher as its user sees it: what it prints, how it ends, and what it leaves behind.
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { eventually, launch, needs } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { leftoversIn } from "../src/state/run-record.ts";
import { main, stateFolder } from "./support/launcher.ts";

const ready = /fairlead is ready/;
const modes = [
  { mode: "embedded", flags: [], missing: undefined },
  { mode: "distributed", flags: ["--distributed"], missing: needs("nats-server") },
] as const;

/** What differs from run to run, out of the way. */
function steady(text: string, path: string): readonly string[] {
  return text
    .replaceAll(path, "STATE")
    .replaceAll(/after \d+\.\d s/g, "after N s")
    .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT")
    .replaceAll(/127\.66\.0\.53:\d+/g, "127.66.0.53:PORT")
    .replaceAll(/-p \d+/g, "-p PORT")
    .replaceAll(/\(\d+\)/g, "(PID)")
    .trimEnd()
    .split("\n");
}

const summary = [
  "  kubectl         export KUBECONFIG=STATE/kubeconfig",
  "  services        127.98.0.0/16",
  "  pods            127.246.0.0/16",
  "  node ports      30000-32767 on 127.66.0.1, 127.66.0.2",
  "  names           dig @127.66.0.53 -p PORT kubernetes.default.svc.cluster.local",
  "  ingress         http://127.0.0.1:PORT, https://127.0.0.1:PORT",
  "  load balancers  127.202.0.0/24",
  "  state           STATE",
  "fairlead is ready",
];

describe("fairlead dev, embedded", () => {
  test("prints plain lines when piped, from the first step to the last, and dev.json while it runs", async () => {
    await using folder = await stateFolder();
    const process = await folder.dev([], ready);
    const dev = JSON.parse(readFileSync(join(folder.path, "dev.json"), "utf8")) as Record<string, unknown>;
    const url = expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/) as string;
    expect(dev).toEqual({
      kubeconfig: join(folder.path, "kubeconfig"),
      api: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/) as string,
      dns: { address: "127.66.0.53", port: expect.any(Number) as number },
      ingress: {
        http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
        https: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/) as string,
      },
      plane: "userspace",
      nodes: [
        { name: "node-1", address: "127.66.0.1" },
        { name: "node-2", address: "127.66.0.2" },
      ],
      lbPool: "127.202.0.0/24",
      metrics: {
        devcluster: url,
        "endpoint-controller": url,
        dns: url,
        ingress: url,
        "cloud-lb": url,
        "proxy-agent/node-1": url,
        "proxy-agent/node-2": url,
      },
    });
    process.signal("SIGTERM");
    expect(await process.exited).toEqual({ code: 0, signal: null });
    expect(existsSync(join(folder.path, "dev.json"))).toBe(false);
    const lines = steady(process.stdout(), folder.path);
    // What the services tell of comes in between.
    expect(lines.filter((line) => !/^[a-z]+-?[a-z]*( node-\d)?: /.test(line))).toEqual([
      "starting devcluster",
      "devcluster is ready after N s: https://127.0.0.1:PORT",
      "starting endpoint-controller",
      "endpoint-controller is ready after N s",
      "starting dns",
      "dns is ready after N s: 127.66.0.53:PORT",
      "starting ingress",
      "ingress is ready after N s: http://127.0.0.1:PORT, https://127.0.0.1:PORT",
      "starting cloud-lb",
      "cloud-lb is ready after N s: 127.202.0.0/24",
      "starting proxy-agent node-1",
      "proxy-agent node-1 is ready after N s: 127.66.0.1",
      "starting proxy-agent node-2",
      "proxy-agent node-2 is ready after N s: 127.66.0.2",
      ...summary,
      "stopping",
      "stopped",
    ]);
    expect(process.stderr()).toBe("");
  });

  test("speaks JSON only, one object a line, with --log json", async () => {
    await using folder = await stateFolder();
    const process = await folder.dev(["--log", "json", "--nodes", "1"], ready);
    process.signal("SIGINT");
    expect(await process.exited).toEqual({ code: 0, signal: null });
    const records = process
      .stdout()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; time: string; service?: string; message?: string });
    for (const { time } of records) expect(new Date(time).toISOString()).toBe(time);
    const started = ["starting", "started"];
    const own = records.filter(({ type, service }) => !/event|warning/.test(type) || service === "fairlead");
    const types = own.map(({ type }) => type);
    expect(types).toEqual([
      ...Array.from({ length: 6 }, () => started).flat(),
      "summary",
      "ready",
      "stopping",
      "stopped",
    ]);
    expect(records.find(({ type }) => type === "ready")?.message).toBe("fairlead is ready");
    expect(process.stderr()).toBe("");
  });

  test("ends with code 1 where the DNS cannot have the port that it was told, naming the option", async () => {
    await using folder = await stateFolder();
    const occupant = createServer().listen(0, "127.66.0.53");
    await once(occupant, "listening");
    const { port } = occupant.address() as AddressInfo;
    try {
      const process = await folder.dev(["--dns-port", String(port)]);
      expect(await process.exited).toEqual({ code: 1, signal: null });
      expect(process.stderr()).toBe(`fairlead: 127.66.0.53:${port} is in use; --dns-port takes another one\n`);
      expect(process.stdout()).toBe("");
    } finally {
      occupant.close();
    }
  });

  test("ends with code 1 where the ingress cannot have a port that it was told, naming the option", async () => {
    await using folder = await stateFolder();
    const occupant = createServer().listen(0, "127.0.0.1");
    await once(occupant, "listening");
    const { port } = occupant.address() as AddressInfo;
    try {
      const process = await folder.dev(["--https-port", String(port)]);
      expect(await process.exited).toEqual({ code: 1, signal: null });
      expect(process.stderr()).toBe(`fairlead: 127.0.0.1:${port} is in use; --https-port takes another one\n`);
    } finally {
      occupant.close();
    }
  });

  test("ends with code 1 and the reason where it cannot start, and with nothing left running", async () => {
    await using folder = await stateFolder();
    const occupant = createServer().listen(0, "127.0.0.1");
    await once(occupant, "listening");
    const { port } = occupant.address() as AddressInfo;
    try {
      const text = await folder.dev(["--api-port", String(port)]);
      expect(await text.exited).toEqual({ code: 1, signal: null });
      expect(text.stderr()).toMatch(new RegExp(`^fairlead: .*127\\.0\\.0\\.1:${port} is in use.*\n$`));
      const json = await folder.dev(["--api-port", String(port), "--log", "json"]);
      expect(await json.exited).toEqual({ code: 1, signal: null });
      expect(json.stderr()).toBe("");
      const last = JSON.parse(json.stdout().trimEnd().split("\n").at(-1) ?? "") as Record<string, string>;
      expect(last).toMatchObject({ type: "error", message: expect.stringContaining("is in use") as string });
      expect(folder.processes()).toEqual([]);
    } finally {
      occupant.close();
    }
  });

  test.each([
    ["no command", [], 2, /^$/, /^usage: fairlead dev \[options\]/],
    ["--help", ["--help"], 0, /^usage: fairlead dev/, /^$/],
    ["dev --help", ["dev", "--help"], 0, /--state-dir[^]*default: \.fairlead/, /^$/],
    [
      "everything wrong at once",
      ["dev", "--plane", "kernel", "--nodes", "0"],
      2,
      /^$/,
      /nodes \(from --nodes\): [^]*plane \(from --plane\): must be one of [^]*fairlead dev --help lists the options\n$/,
    ],
    ["errors as JSON", ["dev", "--nodes", "0", "--log=json"], 2, /^\{"time":.*"type":"error".*\}\n$/, /^$/],
  ])("given %s ends with its code and its words", async (_case, args, code, stdout, stderr) => {
    await using process = await launch({ command: globalThis.process.execPath, args: [main, ...args] });
    expect(await process.exited).toEqual({ code, signal: null });
    expect(process.stdout()).toMatch(stdout);
    expect(process.stderr()).toMatch(stderr);
  });
});

describe.each(modes)("fairlead dev, $mode,", ({ mode, flags, missing }) => {
  test.skipIf(missing)("that is asked to stop while it is starting stops all of it, with code 0", async () => {
    await using folder = await stateFolder();
    // At the first step, and with the API up but the rest not yet.
    for (const moment of [/starting devcluster/, /starting endpoint-controller/]) {
      const process = await folder.dev(flags, moment);
      process.signal("SIGTERM");
      // Also that it was in time: after its deadline of 5 s the code would be 1.
      expect(await process.exited).toEqual({ code: 0, signal: null });
      expect(process.stdout()).toMatch(/stopping\nstopped\n$/);
      expect(process.stderr()).toBe("");
      expect(folder.processes()).toEqual([]);
    }
  });

  test.skipIf(missing)("ends by itself when nobody reads its output any more, and leaves nothing running", async () => {
    await using folder = await stateFolder();
    const words = [globalThis.process.execPath, ...folder.args(...flags)].map((word) => `'${word}'`).join(" ");
    await using shell = await launch({ command: "sh", args: ["-c", `(${words}; echo "code $?" >&2) | head -1`] });
    expect(await shell.exited).toEqual({ code: 0, signal: null });
    expect(shell.stdout()).toMatch(/^starting [a-z-]+\n$/);
    expect(shell.stderr()).toBe("code 0\n");
    expect(folder.processes(), mode).toEqual([]);
  });
});

describe.skipIf(needs("nats-server"))("fairlead dev, distributed,", () => {
  test("keeps others off its state folder, and what a killed one left is ended by the next", async () => {
    await using folder = await stateFolder();
    const first = await folder.dev(["--distributed", "--nodes", "1"], ready);
    const parts = leftoversIn(folder.path);
    expect(parts.map(({ name }) => name).toSorted()).toEqual([
      "cloud-lb",
      "devcluster",
      "dns",
      "endpoint-controller",
      "ingress",
      "nats-server",
      "proxy-agent node-1",
    ]);

    const others = await Promise.all([folder.dev([]), folder.dev(["--distributed"])]);
    for (const other of others) {
      expect(await other.exited).toEqual({ code: 1, signal: null });
      expect(other.stdout()).toBe("");
      expect(other.stderr()).toContain(`${folder.path} is in use by process ${first.pid}`);
    }
    expect(leftoversIn(folder.path)).toEqual(parts);
    expect(existsSync(join(folder.path, "dev.json"))).toBe(true);

    process.kill(first.pid, "SIGKILL");
    await first.exited;
    // The services notice by themselves; the server cannot.
    await eventually(() => expect(leftoversIn(folder.path).map(({ name }) => name)).toEqual(["nats-server"]));
    const second = await folder.dev(["--distributed", "--nodes", "1"], ready);
    expect(leftoversIn(folder.path).filter(({ pid }) => parts.some((part) => part.pid === pid))).toEqual([]);
    second.signal("SIGTERM");
    expect(await second.exited).toEqual({ code: 0, signal: null });
    const lines = steady(second.stdout(), folder.path);
    expect(lines[0]).toBe("fairlead: waiting for processes of an earlier run to end: nats-server (PID)");
    expect(lines.filter((line) => /^starting | is ready/.test(line)).toSorted()).toEqual([
      "cloud-lb is ready after N s: 127.202.0.0/24",
      "devcluster is ready after N s: https://127.0.0.1:PORT",
      "dns is ready after N s: 127.66.0.53:PORT",
      "endpoint-controller is ready after N s",
      "fairlead is ready",
      "ingress is ready after N s: http://127.0.0.1:PORT, https://127.0.0.1:PORT",
      "nats-server is ready after N s: nats://127.0.0.1:PORT",
      "proxy-agent node-1 is ready after N s: 127.66.0.1",
      "starting cloud-lb",
      "starting devcluster",
      "starting dns",
      "starting endpoint-controller",
      "starting ingress",
      "starting nats-server",
      "starting proxy-agent node-1",
    ]);
    expect(lines.slice(-2)).toEqual(["stopping", "stopped"]);
    expect(folder.processes()).toEqual([]);
  });
});
