/**
 * The ingress beside nginx and HAProxy as plain HTTP proxies: each alone on the first core, with one backend (nginx) and the load
 * (wrk, 50 connections, 100 B bodies) on the second; over plain HTTP and over TLS, connections kept. `npm run bench -- ingress`; needs nginx
 * and wrk, HAProxy and openssl if there.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
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

const [key, cert, both] = ["key", "crt", "pem"].map((kind) => `${directory.path}/tls.${kind}`) as [
  string,
  string,
  string,
];
const hasTls = has("openssl");
if (hasTls) {
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench -keyout ${key} -out ${cert}`;
  execFileSync("openssl", args.split(" "), { stdio: "pipe" });
  writeFileSync(both, `${readFileSync(cert, "utf8")}${readFileSync(key, "utf8")}`);
}

function nginx(name: string, ports: readonly number[], location: string): string[] {
  const file = `${directory.path}/${name}.conf`;
  const [http, https] = ports;
  const tls =
    https === undefined ? "" : `listen 127.0.0.1:${https} ssl; ssl_certificate ${cert}; ssl_certificate_key ${key};`;
  const listens = `listen 127.0.0.1:${http}; ${tls}`;
  writeFileSync(
    file,
    `daemon off; worker_processes 1; master_process off; pid ${directory.path}/${name}.pid; error_log stderr crit;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000000; upstream up { server 127.0.0.1:${backendPort}; keepalive 128; }
server { ${listens} ${location} } }`,
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

function load(url: string, time: number): { rate: number; p50: string; p99: string; errors: string; count: number } {
  const args = ["-c", "1", "wrk", "-t1", "-c50", `-d${time}s`, "--latency", url];
  const text = spawnSync("taskset", args, { encoding: "utf8" }).stdout;
  const find = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? "-";
  const count = Number(find(/(\d+) requests in/));
  const errors = /(Socket errors.*|Non-2xx.*)/.exec(text)?.[1] ?? "none";
  return { rate: count / time, p50: find(/^\s+50%\s+(\d\S*)/m), p99: find(/^\s+99%\s+(\d\S*)/m), errors, count };
}

const backendPort = await freePort();
const body = "x".repeat(100);

try {
  start(1, nginx("backend", [backendPort], `location / { return 200 "${body}"; }`));
  const peers: [name: string, command: (http: number, https?: number) => string[]][] = [
    [
      "fairlead",
      (http, https) => [
        process.execPath,
        fileURLToPath(new URL("workers/ingress-worker.ts", import.meta.url)),
        `127.0.0.1:${http}`,
        "127.0.0.1",
        String(backendPort),
        ...(https === undefined ? [] : [`127.0.0.1:${https}`, key, cert]),
      ],
    ],
    [
      "nginx",
      (http, https) =>
        nginx(
          "proxy",
          https === undefined ? [http] : [http, https],
          'location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }',
        ),
    ],
  ];
  if (has("haproxy")) {
    peers.push([
      "haproxy",
      (http, https) => {
        const file = `${directory.path}/haproxy.cfg`;
        const timeouts = "timeout connect 5s\n timeout client 60s\n timeout server 60s";
        writeFileSync(
          file,
          `global\n nbthread 1\n maxconn 4096\ndefaults\n mode http\n ${timeouts}\n option forwardfor\n http-reuse always
frontend f\n bind 127.0.0.1:${http}\n${https === undefined ? "" : ` bind 127.0.0.1:${https} ssl crt ${both}\n`} default_backend b\nbackend b\n server s 127.0.0.1:${backendPort}\n`,
        );
        return ["haproxy", "-db", "-f", file];
      },
    ]);
  }
  const rows: Record<string, unknown>[] = [];
  for (const [name, command] of peers) {
    const http = await freePort();
    const https = hasTls ? await freePort() : undefined;
    const child = start(0, command(http, https));
    await eventually(
      async () => {
        const { status } = await fetch(`http://127.0.0.1:${http}/`);
        if (status !== 200) throw new Error(`${name} answers ${status}`);
      },
      { timeoutMs: 10_000 },
    );
    const urls = [`http://127.0.0.1:${http}/`, ...(https === undefined ? [] : [`https://127.0.0.1:${https}/`])];
    for (const url of urls) {
      // Warm means compiled, which takes requests rather than seconds.
      for (let seen = 0, round = 0; seen < 50_000 && round < 8; round += 1) seen += load(url, 2).count;
      const before = cpu(child.pid ?? 0);
      const { rate, p50, p99, errors, count } = load(url, seconds);
      const used = cpu(child.pid ?? 0) - before;
      rows.push({
        proxy: name,
        over: url.split(":")[0],
        "requests/s": Math.round(rate),
        "CPU µs/request": Number(((used / count) * 1e6).toFixed(1)),
        p50,
        p99,
        errors,
      });
    }
    child.kill();
  }
  console.table(rows);
} finally {
  for (const child of children) child.kill("SIGKILL");
}
