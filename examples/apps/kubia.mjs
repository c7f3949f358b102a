// A small web server in the part of `luksa/kubia`: it answers who it is.
//
//   GET /          You've hit <pod name>
//   GET /healthz   ok
//   GET /client    the address of whoever connected
//   GET /env       its environment, sorted
//   GET /slow?ms=N the answer after N ms
//   PUT /ready, DELETE /ready    make and remove the file `ready` in its directory, for exec probes
//
// PORT (8080), EXTRA_PORTS (more ports, with commas), VERSION (said in the answer), START_DELAY_MS (before it listens),
// LAME_DUCK_MS (1000: how long it still accepts connections after SIGTERM), FAIL_AFTER (answers 500 after so many requests).
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const {
  HOSTNAME = "unknown",
  POD_IP = "127.0.0.1",
  PORT = "8080",
  EXTRA_PORTS = "",
  VERSION,
  FAIL_AFTER,
} = process.env;
const name = VERSION ? `${HOSTNAME} (${VERSION})` : HOSTNAME;
const lameDuckMs = Number(process.env.LAME_DUCK_MS ?? 1000);
let leaving = false;
let requests = 0;

async function answer(request, response) {
  // Who keeps a connection open is told to open the next one elsewhere.
  if (leaving) response.setHeader("Connection", "close");
  const url = new URL(request.url, "http://pod");
  switch (url.pathname) {
    case "/healthz":
      return response.end("ok\n");
    case "/client":
      return response.end(`${request.socket.remoteAddress}\n`);
    case "/env":
      return response.end(`${environment()}\n`);
    case "/ready":
      if (request.method === "DELETE") rmSync("ready", { force: true });
      else writeFileSync("ready", "");
      return response.end();
    case "/slow":
      await sleep(Number(url.searchParams.get("ms") ?? 1000));
      return response.end(`You've hit ${name}\n`);
    default:
      requests += 1;
      if (FAIL_AFTER && requests > Number(FAIL_AFTER)) {
        response.statusCode = 500;
        return response.end(`Some internal error has occurred! This is pod ${name}\n`);
      }
      response.setHeader("X-Port", request.socket.localPort);
      return response.end(`You've hit ${name}\n`);
  }
}

function environment() {
  return Object.entries(process.env)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join("\n");
}

await sleep(Number(process.env.START_DELAY_MS ?? 0));
const ports = [PORT, ...EXTRA_PORTS.split(",")].filter((port) => port !== "").map(Number);
const servers = ports.map((port) => createServer(answer).listen(port, POD_IP));
writeFileSync("ready", "");
console.log(`${name} listens on ${ports.map((port) => `${POD_IP}:${port}`).join(", ")}`);

process.once("SIGTERM", async () => {
  leaving = true;
  await sleep(lameDuckMs);
  for (const server of servers) {
    // Ends once the open requests are answered.
    server.close();
    server.closeIdleConnections();
  }
});
