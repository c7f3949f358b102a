import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FakeClock, RecordingLogger, temporaryDirectory } from "@fairlead/testkit";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { createEventRecorder } from "../src/events.ts";
import { connect } from "../src/index.ts";
import { endpointFromFile, endpointInCluster } from "../src/kubeconfig-file.ts";
import type { Credentials } from "../src/index.ts";

const server = "https://127.0.0.1:6443";

interface Parts {
  readonly cluster?: object;
  readonly user?: object;
  readonly current?: string;
}

/** A kubeconfig in a directory of its own, with what a test wants to differ. */
async function kubeconfig({
  cluster = { server },
  user = {},
  current = "dev",
}: Parts): Promise<AsyncDisposable & { path: string; directory: string }> {
  const directory = await temporaryDirectory();
  const path = join(directory.path, "kubeconfig");
  const context = { cluster: "c", user: "u" };
  const content = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": current,
    contexts: [
      { name: "other", context: { cluster: "nowhere", user: "u" } },
      { name: "dev", context },
    ],
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user }],
  };
  await writeFile(path, stringify(content));
  return { path, directory: directory.path, [Symbol.asyncDispose]: () => directory.remove() };
}

async function credentialsOf(path: string): Promise<Credentials> {
  const request: Credentials = { headers: {} };
  await endpointFromFile(path).authorize(request);
  return request;
}

test("reads certificates from the file itself", async () => {
  const data = (text: string): string => Buffer.from(text).toString("base64");
  await using file = await kubeconfig({
    cluster: { server, "certificate-authority-data": data("ca"), "tls-server-name": "kubernetes" },
    user: { "client-certificate-data": data("cert"), "client-key-data": data("key") },
  });
  expect(endpointFromFile(file.path).server).toBe(server);
  const { ca, cert, key, servername, rejectUnauthorized } = await credentialsOf(file.path);
  expect([ca, cert, key].map(String)).toEqual(["ca", "cert", "key"]);
  expect(servername).toBe("kubernetes");
  expect(rejectUnauthorized).toBeUndefined();
});

test("reads certificates from files beside it", async () => {
  await using file = await kubeconfig({
    cluster: { server, "certificate-authority": "ca.crt" },
    user: { "client-certificate": "./client.crt", "client-key": "client.key" },
  });
  for (const name of ["ca.crt", "client.crt", "client.key"]) await writeFile(join(file.directory, name), name);
  const { ca, cert, key } = await credentialsOf(file.path);
  expect([ca, cert, key].map(String)).toEqual(["ca.crt", "client.crt", "client.key"]);
});

test("sends a token, and one from a file as it is now", async () => {
  await using fixed = await kubeconfig({ user: { token: "secret" } });
  expect((await credentialsOf(fixed.path)).headers["authorization"]).toBe("Bearer secret");
  await using rotated = await kubeconfig({ user: { token: "secret", tokenFile: "token" } });
  const endpoint = endpointFromFile(rotated.path);
  for (const token of ["one", "two"]) {
    await writeFile(join(rotated.directory, "token"), `${token}\n`);
    const request: Credentials = { headers: {} };
    await endpoint.authorize(request);
    expect(request.headers["authorization"]).toBe(`Bearer ${token}`);
  }
});

test("does without a check of the server only where it is told to", async () => {
  await using file = await kubeconfig({ cluster: { server, "insecure-skip-tls-verify": true } });
  expect((await credentialsOf(file.path)).rejectUnauthorized).toBe(false);
});

test.for<[string, Parts]>([
  ["current-context that is not there", { current: "nowhere" }],
  ["context whose cluster is not there", { current: "other" }],
  ["cluster without a server", { cluster: {} }],
  ["server that is no URL", { cluster: { server: "127.0.0.1:6443" } }],
  ["server by another protocol", { cluster: { server: "ftp://127.0.0.1" } }],
  ["a certificate that is not there", { user: { "client-certificate": "missing.crt" } }],
  ["credentials by a program", { user: { exec: { command: "aws" } } }],
  ["credentials by a plugin", { user: { "auth-provider": { name: "gcp" } } }],
  ["a password", { user: { username: "admin", password: "secret" } }],
  ["impersonation", { user: { token: "secret", as: "somebody" } }],
  ["a proxy", { cluster: { server, "proxy-url": "http://127.0.0.1:3128" } }],
])("refuses %s", async ([, parts]) => {
  await using file = await kubeconfig(parts);
  expect(() => endpointFromFile(file.path)).toThrow(
    expect.objectContaining({ code: "INVALID_INPUT", field: "kubeconfig" }),
  );
});

test.for(["", "just text", "[]", "{ unclosed", "contexts: 7\nclusters: {}", "current-context: a\ncontexts: [null]"])(
  "refuses a file with %j",
  async (content) => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "kubeconfig");
    await writeFile(path, content);
    expect(() => endpointFromFile(path)).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
    expect(() => connect({ kubeconfig: path, clock: new FakeClock() })).toThrow(
      expect.objectContaining({ code: "INVALID_INPUT" }),
    );
  },
);

test("refuses a file that is not there", () => {
  expect(() => endpointFromFile("/nonexistent")).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
  expect(() => connect({ kubeconfig: "/nonexistent", clock: new FakeClock() })).toThrow(
    expect.objectContaining({ code: "INVALID_INPUT" }),
  );
});

test("connects with a kubeconfig, and refuses one whose server is no URL", async () => {
  await using file = await kubeconfig({ user: { token: "secret" } });
  connect({ kubeconfig: file.path, clock: new FakeClock() }).transport.close();
  await using wrong = await kubeconfig({ cluster: { server: "nowhere" } });
  expect(() => connect({ kubeconfig: wrong.path, clock: new FakeClock() })).toThrow(
    expect.objectContaining({ code: "INVALID_INPUT" }),
  );
});

test("finds the cluster that a Pod runs in, with its token as it is now", async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, "ca.crt"), "ca");
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
  expect(endpointInCluster(env, directory.path)).toBeUndefined();
  for (const token of ["one", "two"]) {
    await writeFile(join(directory.path, "token"), token);
    const endpoint = endpointInCluster(env, directory.path);
    expect(endpoint?.server).toBe("https://[fd00::1]:443");
    const request: Credentials = { headers: {} };
    await endpoint?.authorize(request);
    expect(request.headers["authorization"]).toBe(`Bearer ${token}`);
    expect(String(request.ca)).toBe("ca");
  }
  expect(endpointInCluster({}, directory.path)).toBeUndefined();
});

test("makes no recorder that leads nowhere", () => {
  const options = { component: "proxy-agent", clock: new FakeClock(), log: new RecordingLogger() };
  expect(() => createEventRecorder(options)).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
});
