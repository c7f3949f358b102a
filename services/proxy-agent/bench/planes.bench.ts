/**
 * The planes in the kernel: what it takes to program Services, at sizes up to the largest clusters, beside rules in kube-proxy's shape that
 * `nft` loads; and what a new connection takes with few and with many Services. Everything in network namespaces of its own; needs root.
 *
 *     npm run bench -- planes                       all of it (some minutes)
 *     npm run bench -- planes load 10000x2          one size
 *     npm run bench -- planes kube-proxy 5000x2
 *     npm run bench -- planes first-packet 44000
 *     npm run bench -- planes ipvs 1000x2           in this kernel, or in the kernel guest where it has no IPVS
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { kubeProxyTable, oneMore } from "./workers/kube-proxy-rules.ts";

const loads = ["1000x2", "10000x2", "44000x2", "5000x50"];
/** What kube-proxy's shape can stand in a time that one would wait for. */
const peerLoads = ["1000x2", "5000x2", "10000x2"];
const ipvsLoads = ["1000x2", "10000x2"];
const firstPackets = ["100", "44000"];
/** Time for one run, in ms. */
const patienceMs = 600_000;
/** Changes that are timed in the guest, where a processor is emulated. */
const guestChanges = "20";

const worker = (name: string): string => fileURLToPath(new URL(`workers/${name}.ts`, import.meta.url));

function run(command: string, args: readonly string[]): string {
  const { status, stdout, error } = spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    timeout: patienceMs,
    maxBuffer: 1 << 28,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ended with ${status}`);
  return stdout;
}

function lastLine(text: string): Record<string, number> {
  return JSON.parse(text.trim().split("\n").at(-1) ?? "{}") as Record<string, number>;
}

function table(title: string, columns: readonly string[], rows: readonly Record<string, number>[]): void {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  process.stdout.write(`\n${title.padEnd(36)}${columns.map((column) => column.padStart(14)).join("")}\n`);
  for (const name of names) {
    const cells = rows.map((row) => (row[name] === undefined ? "" : row[name].toFixed(row[name] < 10 ? 2 : 0)));
    process.stdout.write(`${name.padEnd(36)}${cells.map((cell) => cell.padStart(14)).join("")}\n`);
  }
}

function load(sizes: readonly string[]): void {
  const rows = sizes.map((size) => {
    const [services = "", endpoints = ""] = size.split("x");
    const node = [process.execPath, "--expose-gc", worker("plane-load"), "nftables", services, endpoints];
    return lastLine(run("unshare", ["--net", ...node]));
  });
  table("nftables plane, ms (memory: MB)", sizes, rows);
}

function peer(sizes: readonly string[]): void {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-planes-bench-"));
  try {
    const rows = sizes.map((size) => {
      const [services = 0, endpoints = 0] = size.split("x").map(Number);
      const [whole, more, script] = ["whole.nft", "more.nft", "run.sh"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      writeFileSync(whole, kubeProxyTable(services, endpoints));
      writeFileSync(more, oneMore(services, endpoints));
      const timed = (command: string): string =>
        `b=$(date +%s%N); ${command} || exit 1; echo $((($(date +%s%N) - b) / 1000))\n`;
      writeFileSync(
        script,
        timed(`nft -f ${whole}`) + timed(`nft -f ${more}`) + timed("nft list table ip kube-proxy >/dev/null"),
      );
      const [cold = 0, one = 0, list = 0] = run("unshare", ["--net", "sh", script])
        .trim()
        .split("\n")
        .map((micros) => Number(micros) / 1000);
      return { "cold load": cold, "one Service added": one, "listing (before each full sync)": list };
    });
    table("kube-proxy's shape by nft -f, ms", sizes, rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function firstPacket(sizes: readonly string[]): void {
  const rows = sizes.map((services) => {
    const { service, direct } = JSON.parse(
      run(process.execPath, ["--expose-gc", worker("first-packet"), services]).trim(),
    ) as Record<string, { p50: number; p99: number }>;
    return {
      "by a Service, p50": service?.p50 ?? 0,
      "by a Service, p99": service?.p99 ?? 0,
      "without a Service, p50": direct?.p50 ?? 0,
      "without a Service, p99": direct?.p99 ?? 0,
    };
  });
  table(
    "connect() from pod to pod, µs",
    sizes.map((size) => `${size} Services`),
    rows,
  );
}

function ipvs(sizes: readonly string[]): void {
  const here = existsSync("/proc/net/ip_vs");
  const rows = sizes.map((size) => {
    const [services = "", endpoints = ""] = size.split("x");
    const node = [process.execPath, "--expose-gc", worker("plane-load"), "ipvs", services, endpoints];
    if (here) return lastLine(run("unshare", ["--net", ...node]));
    const guest = fileURLToPath(new URL("../../../e2e/guest/src/main.ts", import.meta.url));
    return lastLine(run(process.execPath, [guest, "--time-limit", "580s", "--", ...node, guestChanges]));
  });
  table(`ipvs plane ${here ? "" : "in an emulated guest, "}ms (memory: MB)`, sizes, rows);
}

const kinds: Readonly<Record<string, readonly [(sizes: readonly string[]) => void, readonly string[]]>> = {
  load: [load, loads],
  "kube-proxy": [peer, peerLoads],
  "first-packet": [firstPacket, firstPackets],
  ipvs: [ipvs, ipvsLoads],
};

const [kind, ...sizes] = process.argv.slice(2);
if (kind !== undefined && kinds[kind] === undefined) {
  process.stderr.write(`usage: npm run bench -- planes [${Object.keys(kinds).join("|")} [size ...]]\n`);
  process.exit(2);
}
for (const [name, [measure, usual]] of Object.entries(kinds)) {
  if (kind === undefined || kind === name) measure(sizes.length > 0 ? sizes : usual);
}
