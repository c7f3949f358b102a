/**
 * The userspace TCP relay against a direct connection and, where it is installed, HAProxy in TCP mode: requests on standing
 * connections, and a new connection for each request. Load generator, relay and endpoint are processes of their own; all run
 * in the same minute on the same machine. Rounds alternate between the ways, and the middle one counts.
 *
 *     node services/proxy-agent/bench/relay.bench.ts [seconds per round] [rounds]
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { cpus, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** What a load generator found; latencies in microseconds. */
interface LoadResult {
  readonly perSecond: number;
  /** Requests in all, also those that are not counted in `perSecond` because code was still warming up. */
  readonly all: number;
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
}

/** A result with what the relay's process spent on each request, in microseconds of CPU; undefined where there is no relay. */
interface Measured extends LoadResult {
  readonly cpuMicros: number | undefined;
}

interface Way {
  readonly name: string;
  readonly port: number;
  readonly pid?: number | undefined;
}

const seconds = Number(process.argv[2] ?? 1.5);
const rounds = Number(process.argv[3] ?? 3);
const connections = 32;
const requestBytes = 128;
const host = "127.0.0.1";
const running: ChildProcess[] = [];
const folder = mkdtempSync(join(tmpdir(), "fairlead-relay-bench-"));

function start(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  running.push(child);
  return child;
}

function worker(name: string, ...args: readonly (string | number)[]): ChildProcess {
  return start(process.execPath, [fileURLToPath(new URL(`workers/${name}.ts`, import.meta.url)), ...args.map(String)]);
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("the process has no output");
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error("the process ended without a word");
}

/** A free port below the range that outgoing connections take theirs from: one of those may hold any port of it. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000);
    const server = createServer();
    server.listen(port, host);
    const free = await once(server, "listening").then(
      () => true,
      () => false,
    );
    server.close();
    if (free) return port;
  }
}

function findHaproxy(): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((one) => join(one, "haproxy")).find((path) => existsSync(path));
}

async function startHaproxy(path: string, backendPort: number): Promise<Way> {
  const port = await freePort();
  const file = join(folder, "haproxy.cfg");
  writeFileSync(
    file,
    [
      "global",
      "  maxconn 4096",
      // One thread, as the relay has one: the question is what a core does.
      "  nbthread 1",
      "defaults",
      "  mode tcp",
      "  timeout connect 2s",
      "  timeout client 60s",
      "  timeout server 60s",
      "frontend in",
      `  bind ${host}:${port}`,
      "  default_backend out",
      "backend out",
      "  balance roundrobin",
      `  server one ${host}:${backendPort}`,
      "",
    ].join("\n"),
  );
  const child = start(path, ["-db", "-f", file]);
  await listening(port);
  return { name: "haproxy", port, pid: child.pid };
}

async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect({ host, port });
    const up = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (up) return;
    await sleep(50);
  }
  throw new Error(`nobody listens on port ${port}`);
}

async function load({ port, pid }: Way, mode: "steady" | "fresh", forSeconds = seconds): Promise<Measured> {
  const before = cpuMicros(pid);
  const child = worker("load-generator", host, port, forSeconds, connections, requestBytes, mode);
  const result = JSON.parse(await firstLine(child)) as LoadResult;
  const after = cpuMicros(pid);
  const spent = before === undefined || after === undefined ? undefined : (after - before) / result.all;
  return { ...result, cpuMicros: spent };
}

/** User and system time of a process so far, in microseconds; undefined where the system does not tell. */
function cpuMicros(pid: number | undefined): number | undefined {
  if (pid === undefined || !existsSync(`/proc/${pid}/stat`)) return undefined;
  // The name in parentheses may hold spaces; the 12th and 13th fields after it are times in hundredths of a second.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function middle(results: readonly Measured[]): Measured {
  const sorted = results.toSorted((a, b) => a.perSecond - b.perSecond);
  const result = sorted[Math.floor(sorted.length / 2)];
  if (result === undefined) throw new Error("no rounds");
  return { ...result, failed: results.reduce((sum, one) => sum + one.failed, 0) };
}

async function measure(ways: readonly Way[], mode: "steady" | "fresh"): Promise<ReadonlyMap<string, Measured>> {
  // Once through uncounted: a process that has just started compiles while it works.
  for (const way of ways) await load(way, mode, 1);
  const results = new Map<string, Measured[]>(ways.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) results.get(way.name)?.push(await load(way, mode));
  }
  return new Map([...results].map(([name, all]) => [name, middle(all)]));
}

function print(title: string, unit: string, results: ReadonlyMap<string, Measured>): void {
  const direct = results.get("direct");
  const peer = results.get("haproxy");
  const columns = (cells: readonly string[]): string =>
    cells.map((cell, index) => (index === 0 ? cell.padEnd(22) : cell.padStart(14))).join("");
  process.stdout.write(
    `\n${title}\n${columns(["", unit, "p50 µs", "p99 µs", "added p50 µs", "added p99 µs", "cpu µs each", "x haproxy", "failed"])}\n`,
  );
  for (const [name, { perSecond, p50, p99, failed, cpuMicros: cpu }] of results) {
    const added = (own: number, other: number | undefined): string =>
      name === "direct" || other === undefined ? "-" : String(own - other);
    process.stdout.write(
      `${columns([
        name,
        String(Math.round(perSecond)),
        String(p50),
        String(p99),
        added(p50, direct?.p50),
        added(p99, direct?.p99),
        cpu === undefined ? "-" : cpu.toFixed(1),
        peer === undefined || name === "direct" ? "-" : (perSecond / peer.perSecond).toFixed(2),
        String(failed),
      ])}\n`,
    );
  }
}

try {
  const backendPort = Number(await firstLine(worker("echo-backend", host, requestBytes)));
  const relayPort = await freePort();
  const relay = worker("relay-process", host, relayPort, host, backendPort);
  await firstLine(relay);
  const ways: Way[] = [
    { name: "direct", port: backendPort },
    { name: "fairlead userspace", port: relayPort, pid: relay.pid },
  ];
  const haproxy = findHaproxy();
  if (haproxy === undefined) process.stdout.write("haproxy is not installed: no peer in this run\n");
  else ways.push(await startHaproxy(haproxy, backendPort));
  process.stdout.write(
    `${cpus().length} cores, ${connections} clients, ${requestBytes} bytes each way, middle of ${rounds} rounds of ${seconds} s\n`,
  );
  print("Requests on standing connections", "requests/s", await measure(ways, "steady"));
  print("A new connection for each request", "connections/s", await measure(ways, "fresh"));
} finally {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
