import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { temporaryDirectory } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { ApiServer } from "../src/server/api-server.ts";
import { adminName, certificateLifeMs, loadCertificates, renewBeforeMs } from "../src/server/certificates.ts";
import { kubeconfigText } from "../src/server/kubeconfig.ts";
import { openServer, type ServerFixture } from "./server-fixture.ts";

let fixture: ServerFixture;

beforeAll(async () => {
  fixture = await openServer();
});

afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe("who may come in", () => {
  test("a client with the cluster's certificate", async () => {
    expect((await fixture.call("/api/v1/namespaces/default")).code).toBe(200);
  });

  test.each(["/api/v1/secrets", "/api", "/openapi/v3", "/apis/apps/v1/deployments?watch=true", "/nowhere"])(
    "nobody else, for %s",
    async (path) => {
      const answer = await fixture.call(path, { anonymous: true });
      expect(answer.json).toMatchObject({ kind: "Status", code: 401, reason: "Unauthorized" });
    },
  );

  test("anybody may ask whether the server lives", async () => {
    for (const path of ["/healthz", "/livez", "/readyz"]) {
      expect(await fixture.call(path, { anonymous: true })).toMatchObject({ code: 200, text: "ok" });
    }
    expect((await fixture.call("/version", { anonymous: true })).json).toMatchObject({ major: "1", minor: "32" });
  });

  test("a client with a certificate of another authority is nobody", async () => {
    await using directory = await temporaryDirectory();
    const options = { directory: directory.path, hosts: ["127.0.0.1"], now: Date.now() };
    const { client } = await loadCertificates(options);
    const agent = new Agent({ ca: fixture.certificates.ca, cert: client.certificate, key: client.key });
    const sent = request({ host: "127.0.0.1", port: fixture.server.port, path: "/api/v1/secrets", agent }).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(401);
    agent.destroy();
  });

  test("plain HTTP is not spoken", async () => {
    const socket = connect(fixture.server.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("GET /version HTTP/1.1\r\nhost: a\r\n\r\n");
    const pieces: Buffer[] = [];
    socket.on("data", (piece: Buffer) => pieces.push(piece));
    await once(socket, "close");
    expect(Buffer.concat(pieces).toString()).not.toContain("gitVersion");
  });
});

describe("the port", () => {
  test("answers 503 until the server is opened", async () => {
    await using other = await openServer();
    await other.server.stop();
    await other.server.start();
    expect((await other.call("/version")).json).toMatchObject({ code: 503, reason: "ServiceUnavailable" });
    other.server.open();
    expect((await other.call("/version")).code).toBe(200);
  });

  test("in use is an error that names the option", async () => {
    const second = new ApiServer({
      addresses: ["127.0.0.1"],
      port: fixture.server.port,
      credentials: () => fixture.certificates,
      parts: { clock: fixture.clock } as never,
      observe: () => undefined,
      log: fixture.log,
    });
    await expect(second.start()).rejects.toMatchObject({
      code: "API_PORT_IN_USE",
      message: expect.stringContaining("--api-port") as string,
    });
  });
});

describe("certificates", () => {
  const now = Date.parse("2026-05-01T00:00:00Z");

  test("are kept, private, from one start to the next", async () => {
    await using directory = await temporaryDirectory();
    const options = { directory: directory.path, hosts: ["127.0.0.1", "kubernetes.default.svc"], now };
    const first = await loadCertificates(options);
    expect(await loadCertificates(options)).toEqual(first);
    expect(statSync(join(directory.path, "client.key")).mode & 0o077).toBe(0);
    const server = new X509Certificate(first.server.certificate);
    expect(server.checkHost("kubernetes.default.svc")).toBe("kubernetes.default.svc");
    expect(server.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(new X509Certificate(first.client.certificate).subject).toContain(`CN=${adminName}`);
  });

  test.each([
    ["near their end", { later: certificateLifeMs - renewBeforeMs + 1000, hosts: ["127.0.0.1"] }],
    ["for a host they do not name", { later: 0, hosts: ["127.0.0.1", "127.0.0.9"] }],
    ["from a clock that was set back", { later: -10 * 24 * 3600 * 1000, hosts: ["127.0.0.1"] }],
  ])("are made anew %s", async (_why, { later, hosts }) => {
    await using directory = await temporaryDirectory();
    const first = await loadCertificates({ directory: directory.path, hosts: ["127.0.0.1"], now });
    const second = await loadCertificates({ directory: directory.path, hosts, now: now + later });
    expect(second.ca).not.toBe(first.ca);
  });

  test("are made anew where a file is damaged or another's", async () => {
    await using directory = await temporaryDirectory();
    await using elsewhere = await temporaryDirectory();
    const options = { directory: directory.path, hosts: ["127.0.0.1"], now };
    const first = await loadCertificates(options);
    writeFileSync(join(directory.path, "server.key"), "damaged");
    const second = await loadCertificates(options);
    expect(second.ca).not.toBe(first.ca);
    const other = await loadCertificates({ ...options, directory: elsewhere.path });
    writeFileSync(join(directory.path, "client.crt"), other.client.certificate);
    expect((await loadCertificates(options)).ca).not.toBe(second.ca);
  });

  test("stand in the kubeconfig", async () => {
    const config = parse(kubeconfigText("https://127.0.0.1:6443", fixture.certificates)) as {
      clusters: { cluster: Record<string, string> }[];
      "current-context": string;
    };
    expect(config).toMatchObject({ kind: "Config", "current-context": "fairlead" });
    const data = config.clusters[0]?.cluster["certificate-authority-data"] ?? "";
    expect(Buffer.from(data, "base64").toString()).toBe(fixture.certificates.ca);
  });
});
