import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo } from "node:net";
import type { Probe } from "@fairlead/kube/objects";
import { systemClock } from "@fairlead/host";
import { freePort } from "@fairlead/testkit";
import { afterEach, describe, expect, test } from "vitest";
import { probeOnce } from "../src/node-agent/probe/probe-handlers.ts";
import type { ProbeOutcome } from "../src/node-agent/probe/probe-handlers.ts";
import { machineNetwork } from "../src/node-agent/network/machine-network.ts";
import { runCommand } from "../src/node-agent/process/command.ts";

const host = "127.244.255.7";
const open: { close(): unknown }[] = [];

afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function serve(listener: RequestListener): Promise<number> {
  const server: Server = createServer(listener);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

async function ask(probe: Probe, ports: { name: string; containerPort: number }[] = []): Promise<ProbeOutcome> {
  const target = {
    podIp: host,
    ports,
    run: async ([program = "", ...args]: readonly string[], timeoutMs: number, signal: AbortSignal) => {
      const env = { PATH: process.env["PATH"] ?? "", WORD: "yes" };
      const command = { argv: [program, ...args] as const, env, cwd: "/", resolvConf: "/etc/resolv.conf" };
      return await runCommand({ program: command, network, timeoutMs, clock: systemClock, signal });
    },
  };
  const network = await machineNetwork.attach({ node: "node-1", address: host, hostNetwork: false });
  return await probeOnce(probe, target, systemClock, new AbortController().signal);
}

describe("httpGet", () => {
  test.for([
    [200, "success", ""],
    [204, "success", ""],
    [304, "success", ""],
    [399, "success", ""],
    [400, "failure", "HTTP probe failed with statuscode: 400"],
    [503, "failure", "HTTP probe failed with statuscode: 503"],
  ] as const)("takes %i for %s", async ([status, result, message]) => {
    const port = await serve((_, response) => response.writeHead(status).end());
    expect(await ask({ httpGet: { port } })).toEqual({ result, message });
  });

  test("sends path, query and headers, to a named port", async () => {
    let seen = "";
    const port = await serve((request, response) => {
      const { host: name, "x-word": word, "user-agent": agent } = request.headers;
      seen = [request.url, name, word, agent].join(" ");
      response.end();
    });
    const httpHeaders = [
      { name: "host", value: "shop.example.org" },
      { name: "X-Word", value: "yes" },
    ];
    await ask({ httpGet: { port: "web", path: "/health?full=1", httpHeaders } }, [
      { name: "web", containerPort: port },
    ]);
    expect(seen).toBe("/health?full=1 shop.example.org yes kube-probe/1.32");
  });

  test("follows a redirect on its host, and warns of one to another", async () => {
    const port = await serve((request, response) => {
      if (request.url === "/there") response.writeHead(500).end();
      else response.writeHead(302, { location: request.url === "/away" ? "http://example.org/" : "/there" }).end();
    });
    expect((await ask({ httpGet: { port, path: "/" } })).result).toBe("failure");
    expect(await ask({ httpGet: { port, path: "/away" } })).toMatchObject({ result: "success", warning: true });
  });

  test("gives up on a redirect in circles", async () => {
    const port = await serve((_, response) => response.writeHead(302, { location: "/" }).end());
    expect(await ask({ httpGet: { port } })).toMatchObject({
      result: "failure",
      message: "stopped after 10 redirects",
    });
  });

  test("fails when nobody listens and when the answer is late, in a kubelet's words", async () => {
    const closed = await freePort(host);
    expect((await ask({ httpGet: { port: closed, path: "/ready" } })).message).toBe(
      `Get "http://${host}:${closed}/ready": dial tcp ${host}:${closed}: connect: connection refused`,
    );
    const silent = await serve(() => undefined);
    const late = await ask({ httpGet: { port: silent }, timeoutSeconds: 0.05 });
    expect(late).toMatchObject({ result: "failure" });
    expect(late.message).toContain("context deadline exceeded");
  });

  test("takes an unknown port name for an error of the manifest, not of the pod", async () => {
    expect((await ask({ httpGet: { port: "nope" } })).result).toBe("error");
  });
});

describe("tcpSocket", () => {
  test("passes when a connection is accepted, and fails when it is refused", async () => {
    const server = createTcpServer((socket) => socket.destroy());
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const { port } = server.address() as AddressInfo;
    expect((await ask({ tcpSocket: { port } })).result).toBe("success");
    const closed = await freePort(host);
    expect(await ask({ tcpSocket: { port: closed } })).toEqual({
      result: "failure",
      message: `dial tcp ${host}:${closed}: connect: connection refused`,
    });
  });
});

describe("exec", () => {
  test("passes on exit 0 with the container's variables, and fails with the output", async () => {
    expect((await ask({ exec: { command: ["sh", "-c", "test $WORD = yes"] } })).result).toBe("success");
    expect(await ask({ exec: { command: ["sh", "-c", "echo broken >&2; exit 2"] } })).toEqual({
      result: "failure",
      message: "broken",
    });
  });

  test("is killed with all it started when it takes too long", async () => {
    const outcome = await ask({ exec: { command: ["sh", "-c", "sleep 30 & wait"] }, timeoutSeconds: 0.1 });
    expect(outcome).toMatchObject({
      result: "failure",
      message: 'command "sh -c sleep 30 & wait" timed out after 0.1s',
    });
  });

  test("that cannot be started says nothing about the container", async () => {
    expect((await ask({ exec: { command: ["/no/such/program"] } })).result).toBe("error");
  });

  test("keeps a bounded part of the output", async () => {
    const { message } = await ask({ exec: { command: ["sh", "-c", "yes | head -c 100000; exit 1"] } });
    expect(message.length).toBeLessThanOrEqual(10 * 1024);
  });
});

test("a grpc probe is refused in words", async () => {
  expect(await ask({ grpc: { port: 1 } })).toEqual({
    result: "error",
    message: "grpc probes are not supported by the development node agent",
  });
});
