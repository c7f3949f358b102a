import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FakeClock, temporaryDirectory } from "@fairlead/testkit";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { connect } from "../src/index.ts";
import { defaultKubeconfigs, endpointFromFiles, endpointInCluster } from "../src/kubeconfig-file.ts";
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
  await endpointFromFiles([path]).authorize(request);
  return request;
}

test("reads certificates from the file itself", async () => {
  const data = (text: string): string => Buffer.from(text).toString("base64");
  await using file = await kubeconfig({
    cluster: { server, "certificate-authority-data": data("ca"), "tls-server-name": "kubernetes" },
    user: { "client-certificate-data": data("cert"), "client-key-data": data("key") },
  });
  expect(endpointFromFiles([file.path]).server).toBe(server);
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
  const endpoint = endpointFromFiles([rotated.path]);
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
])("refuses %s", async ([, parts]) => {
  await using file = await kubeconfig(parts);
  expect(() => endpointFromFiles([file.path])).toThrow(
    expect.objectContaining({ code: "INVALID_INPUT", field: "kubeconfig" }),
  );
});

test.for(["", "just text", "[]", "{ unclosed", "contexts: 7\nclusters: {}", "current-context: a\ncontexts: [null]"])(
  "refuses a file with %j",
  async (content) => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "kubeconfig");
    await writeFile(path, content);
    expect(() => endpointFromFiles([path])).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
    expect(() => connect({ kubeconfig: path, clock: new FakeClock() })).toThrow(
      expect.objectContaining({ code: "INVALID_INPUT" }),
    );
  },
);

test("refuses a file that is not there", () => {
  expect(() => endpointFromFiles(["/nonexistent"])).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
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

test("takes several files together as kubectl does: of what they name alike, the first counts", async () => {
  await using one = await kubeconfig({ cluster: { server, "certificate-authority": "ca.crt" } });
  await using two = await kubeconfig({ cluster: { server: "https://127.0.0.2:1" }, user: { token: "second" } });
  await using only = await temporaryDirectory();
  const users = join(only.path, "users");
  await writeFile(users, stringify({ users: [{ name: "u", user: { "client-key": "client.key" } }] }));
  await writeFile(join(one.directory, "ca.crt"), "ca");
  await writeFile(join(only.path, "client.key"), "key");
  const request: Credentials = { headers: {} };
  const endpoint = endpointFromFiles([users, one.path, two.path]);
  await endpoint.authorize(request);
  expect(endpoint.server).toBe(server);
  // Paths are relative to the file that says them.
  expect([request.ca, request.key].map(String)).toEqual(["ca", "key"]);
  expect(request.headers["authorization"]).toBeUndefined();
});

test("looks where kubectl looks", async () => {
  await using file = await kubeconfig({});
  const missing = join(file.directory, "missing");
  expect(defaultKubeconfigs({ KUBECONFIG: `${missing}:${file.path}:`, HOME: "/nonexistent" })).toEqual([file.path]);
  await mkdir(join(file.directory, ".kube"));
  const own = join(file.directory, ".kube", "config");
  expect(defaultKubeconfigs({ HOME: file.directory })).toEqual([]);
  await writeFile(own, "");
  expect(defaultKubeconfigs({ HOME: file.directory })).toEqual([own]);
  expect(() => connect({ env: { HOME: "/nonexistent" }, clock: new FakeClock() })).toThrow(
    expect.objectContaining({ code: "INVALID_INPUT", field: "kubeconfig" }),
  );
});

test("leaves to the client library what only that knows: a program that prints a token, a password, impersonation", async () => {
  const credential = {
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    status: { token: "from-a-program" },
  };
  const exec = {
    apiVersion: credential.apiVersion,
    command: "echo",
    args: [JSON.stringify(credential)],
    interactiveMode: "Never",
  };
  await using program = await kubeconfig({ user: { exec } });
  expect((await credentialsOf(program.path)).headers["Authorization"]).toBe("Bearer from-a-program");
  await using password = await kubeconfig({ user: { username: "admin", password: "secret" } });
  expect((await credentialsOf(password.path)).auth).toBe("admin:secret");
  await using impersonation = await kubeconfig({ user: { token: "mine", as: "somebody" } });
  expect((await credentialsOf(impersonation.path)).headers).toMatchObject({ "Impersonate-User": "somebody" });
  await using proxied = await kubeconfig({ cluster: { server, "proxy-url": "http://127.0.0.1:3128" } });
  expect((await credentialsOf(proxied.path)).agent).toBeDefined();
});

test("asks the client library again where it failed: what was missing may have come", async () => {
  await using file = await kubeconfig({ user: { username: "admin", password: "secret" } });
  const endpoint = endpointFromFiles([file.path]);
  const content = await readFile(file.path, "utf8");
  await rm(file.path);
  await expect(endpoint.authorize({ headers: {} })).rejects.toThrow(file.path);
  await writeFile(file.path, content);
  const request: Credentials = { headers: {} };
  await endpoint.authorize(request);
  expect(request.auth).toBe("admin:secret");
});
