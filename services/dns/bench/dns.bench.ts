/**
 * Answers of dns beside dnsmasq, by dnsperf, in the same run on the same machine: 5,000 Services, a mix of A, AAAA and names that do
 * not exist. Rounds alternate between the servers and the middle one counts. Then the same with a load of our own, as dnsperf takes
 * more CPU for a query than the servers do and with one core of its own cannot load them fully.
 *
 *     npm run bench -- dns [seconds per round] [rounds]
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

interface Server {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
}
interface Round {
  readonly perSecond: number;
  readonly lost: number;
  readonly cpuMicros: number;
}

const seconds = Number(process.argv[2] ?? 4);
const rounds = Number(process.argv[3] ?? 3);
const services = 5_000;
const host = "127.0.0.1";
const folder = mkdtempSync(join(tmpdir(), "fairlead-dns-bench-"));
const running: ChildProcess[] = [];

function program(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((one) => join(one, name)).find((path) => existsSync(path));
}

function addressOf(index: number): string {
  return `10.96.${index >> 8}.${index & 255}`;
}

function writeQueries(): string {
  const lines: string[] = [];
  for (let index = 0; index < services * 2; index++) {
    const name = `svc-${randomInt(services)}.ns-${index % 50}.svc.cluster.local`;
    const exact = `svc-${index % services}.ns-${(index % services) % 50}.svc.cluster.local`;
    lines.push(`${exact} A`, `${exact} AAAA`, `gone-${randomInt(20_000)}.${name} A`);
  }
  const path = join(folder, "queries");
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

async function startOurs(): Promise<Server> {
  const path = fileURLToPath(new URL("workers/dns-process.ts", import.meta.url));
  const child = spawn(process.execPath, [path, String(services)], { stdio: ["ignore", "pipe", "inherit"] });
  running.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    return { name: "dns", pid: child.pid ?? 0, port: Number(line) };
  }
  throw new Error("dns did not start");
}

async function startDnsmasq(path: string): Promise<Server> {
  const port = randomInt(20_000, 30_000);
  const hosts = join(folder, "hosts");
  const lines = Array.from(
    { length: services },
    (_, index) => `${addressOf(index)} svc-${index}.ns-${index % 50}.svc.cluster.local`,
  );
  writeFileSync(hosts, `${lines.join("\n")}\n`);
  const args = ["-k", "-C", "/dev/null", "-p", String(port), "-a", host, "--bind-interfaces", "-R", "-h", "-H", hosts];
  const child = spawn(path, [...args, "--local=/cluster.local/", "-x", "", "-u", "root"], { stdio: "ignore" });
  running.push(child);
  await sleep(700);
  if (child.exitCode !== null) throw new Error(`dnsmasq ended with ${child.exitCode}`);
  return { name: "dnsmasq", pid: child.pid ?? 0, port };
}

/** CPU time of a process so far, in microseconds. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

async function outputOf(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
  running.push(child);
  let output = "";
  for await (const piece of child.stdout) output += String(piece);
  return output;
}

type Measure = (server: Server, forSeconds: number) => Promise<Round>;

/** By dnsperf: 20 clients and 200 queries on their way. */
function byDnsperf(dnsperf: string, queries: string): Measure {
  return async (server, forSeconds) => {
    const before = cpuOf(server.pid);
    const target = ["-s", host, "-p", String(server.port), "-d", queries, "-l", String(forSeconds)];
    const output = await outputOf(dnsperf, [...target, "-c", "20", "-q", "200"]);
    const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? Number.NaN);
    return {
      perSecond: number(/Queries per second:\s+([\d.]+)/),
      lost: number(/Queries lost:\s+(\d+)/),
      cpuMicros: (cpuOf(server.pid) - before) / number(/Queries completed:\s+(\d+)/),
    };
  };
}

/** By our own load: 4 clients and 200 queries on their way. */
function byOwnLoad(queries: string): Measure {
  const path = fileURLToPath(new URL("workers/load-process.ts", import.meta.url));
  return async (server, forSeconds) => {
    const before = cpuOf(server.pid);
    const output = await outputOf(process.execPath, [path, String(server.port), queries, String(forSeconds)]);
    const [answers = 0, lost = 0] = output.split(" ").map(Number);
    return { perSecond: answers / forSeconds, lost, cpuMicros: (cpuOf(server.pid) - before) / answers };
  };
}

async function table(title: string, servers: readonly Server[], measure: Measure): Promise<void> {
  const found = new Map<Server, Round[]>();
  for (const server of servers) await measure(server, 1);
  for (let round = 0; round < rounds; round++) {
    for (const server of servers) found.set(server, [...(found.get(server) ?? []), await measure(server, seconds)]);
  }
  process.stdout.write(`\n${title}\nserver    answers/s   CPU us/answer   lost\n`);
  for (const [server, all] of found) {
    const middle = all.toSorted((one, other) => one.perSecond - other.perSecond)[Math.floor(all.length / 2)];
    if (!middle) continue;
    const columns = [
      middle.perSecond.toFixed(0).padStart(9),
      middle.cpuMicros.toFixed(2).padStart(15),
      String(middle.lost).padStart(6),
    ];
    process.stdout.write(`${server.name.padEnd(9)} ${columns.join(" ")}\n`);
  }
}

try {
  const dnsperf = program("dnsperf");
  if (dnsperf === undefined) throw new Error("dnsperf is not installed (Debian: apt-get install dnsperf)");
  const dnsmasq = program("dnsmasq");
  if (dnsmasq === undefined)
    process.stdout.write("dnsmasq is not installed (Debian: dnsmasq-base): no peer in this run\n");
  const queries = writeQueries();
  const servers = [await startOurs(), ...(dnsmasq === undefined ? [] : [await startDnsmasq(dnsmasq)])];
  process.stdout.write(
    `${services} Services; A, AAAA and NXDOMAIN in equal parts; ${cpus().length} cores shared with the load\n`,
  );
  await table("asked by dnsperf", servers, byDnsperf(dnsperf, queries));
  await table("asked as much as they answer", servers, byOwnLoad(queries));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  for (const child of running) child.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}
