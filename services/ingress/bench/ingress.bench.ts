/**
 * The ingress beside nginx and HAProxy as plain HTTP proxies: each alone on the first core, with one backend (nginx) and the load
 * (wrk, 50 connections, 100 B bodies) on the second. `npm run bench -- ingress`; needs nginx and wrk, HAProxy if there.
 */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { eventually, freePort, temporaryDirectory } from "@fairlead/testkit";

const seconds = 6;
const has = (program: string): boolean => spawnSync("which", [program]).status === 0;
if (!has("nginx") || !has("wrk")) {
  process.stderr.write("the ingress bench needs nginx and wrk on PATH\n");
  process.exit(1);
}

await using directory = await temporaryDirectory();
const children: ChildProcess[] = [];

function nginx(name: string, port: number, location: string): string[] {
  const file = `${directory.path}/${name}.conf`;
  writeFileSync(
    file,
    `daemon off; worker_processes 1; master_process off; pid ${directory.path}/${name}.pid; error_log stderr crit;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000000; upstream up { server 127.0.0.1:${backendPort}; keepalive 128; }
server { listen 127.0.0.1:${port}; ${location} } }`,
  );
  return ["nginx", "-e", "stderr", "-c", file];
}

function start(core: number, command: readonly string[]): ChildProcess {
  const child = spawn("taskset", ["-c", String(core), ...command], { stdio: ["ignore", "ignore", "inherit"] });
  children.push(child);
  return child;
}

/** CPU seconds that a process has used (proc(5), fields 14 and 15, in ticks of 10 ms). */
function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function load(port: number, time: number): { rate: number; p50: string; p99: string; errors: string; count: number } {
  const args = ["-c", "1", "wrk", "-t1", "-c50", `-d${time}s`, "--latency", `http://127.0.0.1:${port}/`];
  const text = spawnSync("taskset", args, { encoding: "utf8" }).stdout;
  const find = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? "-";
  const count = Number(find(/(\d+) requests in/));
  const errors = /(Socket errors.*|Non-2xx.*)/.exec(text)?.[1] ?? "none";
  return { rate: count / time, p50: find(/50%\s+(\S+)/), p99: find(/99%\s+(\S+)/), errors, count };
}

const backendPort = await freePort();
const body = "x".repeat(100);

try {
  start(1, nginx("backend", backendPort, `location / { return 200 "${body}"; }`));
  const peers: [name: string, command: (port: number) => string[]][] = [
    [
      "fairlead",
      (port) => [
        process.execPath,
        fileURLToPath(new URL("workers/ingress-worker.ts", import.meta.url)),
        `127.0.0.1:${port}`,
        "127.0.0.1",
        String(backendPort),
      ],
    ],
    [
      "nginx",
      (port) =>
        nginx(
          "proxy",
          port,
          'location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }',
        ),
    ],
  ];
  if (has("haproxy")) {
    peers.push([
      "haproxy",
      (port) => {
        const file = `${directory.path}/haproxy.cfg`;
        const timeouts = "timeout connect 5s\n timeout client 60s\n timeout server 60s";
        writeFileSync(
          file,
          `global\n nbthread 1\n maxconn 4096\ndefaults\n mode http\n ${timeouts}\n option forwardfor\n http-reuse always
frontend f\n bind 127.0.0.1:${port}\n default_backend b\nbackend b\n server s 127.0.0.1:${backendPort}\n`,
        );
        return ["haproxy", "-db", "-f", file];
      },
    ]);
  }
  const rows: Record<string, unknown>[] = [];
  for (const [name, command] of peers) {
    const port = await freePort();
    const child = start(0, command(port));
    await eventually(
      async () => {
        const { status } = await fetch(`http://127.0.0.1:${port}/`);
        if (status !== 200) throw new Error(`${name} answers ${status}`);
      },
      { timeoutMs: 10_000 },
    );
    load(port, 2);
    const before = cpu(child.pid ?? 0);
    const { rate, p50, p99, errors, count } = load(port, seconds);
    const used = cpu(child.pid ?? 0) - before;
    rows.push({
      proxy: name,
      "requests/s": Math.round(rate),
      "CPU µs/request": Number(((used / count) * 1e6).toFixed(1)),
      p50,
      p99,
      errors,
    });
    child.kill();
  }
  console.table(rows);
} finally {
  for (const child of children) child.kill("SIGKILL");
}
