import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { get as httpGet } from "node:http";
import { get as httpsGet } from "node:https";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { createMemoryFeed } from "@fairlead/bus";
import { silentLogger, systemClock, systemRandom } from "@fairlead/host";
import { connect } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import { eventually, startDevCluster, temporaryDirectory } from "@fairlead/testkit";
import type { DevCluster } from "@fairlead/testkit";
import { feedKeyOf } from "@fairlead/types";
import { afterAll, beforeAll, expect, test } from "vitest";
import { composeIngress } from "../src/compose.ts";
import type { IngressService } from "../src/compose.ts";
import { readIngressConfig } from "../src/config.ts";
import { ingress, ingressClass } from "./support/ingress-objects.ts";
import { ProxyStand } from "./support/proxy-stand.ts";

let cluster: DevCluster;
let client: KubeClient;
let service: IngressService;
let backend: Server;

beforeAll(async () => {
  cluster = await startDevCluster(
    "--node-cidr=127.67.0.0/24",
    "--pod-cidr=127.247.0.0/16",
    "--service-cidr=127.99.0.0/16",
  );
  client = connect({ kubeconfig: cluster.kubeconfig, clock: systemClock });
  backend = createServer((request, response) => response.end(`web ${request.url}`));
  backend.listen(0, "127.14.0.1");
  await once(backend, "listening");
  const memory = createMemoryFeed({ clock: systemClock });
  // The stand only makes the feed's objects here.
  const objects = new ProxyStand();
  objects.service("web", [`127.14.0.1:${(backend.address() as AddressInfo).port}`]);
  const values = [...objects.view.values.values()];
  await memory.publisher().takeOver(new Map(values.map((value) => [feedKeyOf(value), value])));
  const flags = {
    kubeconfig: cluster.kubeconfig,
    "http-address": "127.0.0.1:0",
    "https-address": "127.0.0.1:0",
    "health-address": "127.0.0.1:0",
    "publish-address": "127.0.0.1,lb.example.org",
  };
  const argv = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  service = composeIngress(readIngressConfig({ argv, env: {} }), {
    feed: memory.feed,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
  await service.start();
  await client.apply("ingressclasses", { name: "fairlead" }, (current) => current ?? ingressClass());
});

afterAll(async () => {
  await service?.stop();
  client?.transport.close();
  backend?.closeAllConnections();
  backend?.close();
  await cluster?.[Symbol.asyncDispose]();
});

function get(path: string, host: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = httpGet(new URL(path, service.http), { headers: { host }, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode, body }));
    });
    sent.on("error", reject);
  });
}

function servedName(servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = httpsGet(
      service.https,
      { servername, headers: { host: servername }, rejectUnauthorized: false, agent: false },
      (response) => {
        resolve(String((response.socket as TLSSocket).getPeerCertificate().subject.CN));
        response.destroy();
      },
    );
    sent.on("error", reject);
  });
}

async function secretData(name: string): Promise<Record<string, string>> {
  await using directory = await temporaryDirectory();
  const [key, cert] = [`${directory.path}/tls.key`, `${directory.path}/tls.crt`];
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name} -keyout ${key} -out ${cert}`;
  execFileSync("openssl", args.split(" "), { stdio: "pipe" });
  return { "tls.crt": readFileSync(cert, "base64"), "tls.key": readFileSync(key, "base64") };
}

test("an Ingress applied is served and gets its status; changed and deleted, the routes follow", async () => {
  const target = { namespace: "default", name: "web" };
  await client.create("ingresses", ingress("web", { "a.example.org": [{ path: "/a" }] }));
  await eventually(async () => expect(await get("/a/x", "a.example.org")).toEqual({ status: 200, body: "web /a/x" }));
  await eventually(async () =>
    expect((await client.get("ingresses", target)).status?.loadBalancer?.ingress).toEqual([
      { ip: "127.0.0.1" },
      { hostname: "lb.example.org" },
    ]),
  );
  await client.apply("ingresses", target, (current) => ({
    ...current,
    spec: ingress("web", { "b.example.org": [{ path: "/" }] }).spec ?? {},
  }));
  await eventually(async () => expect((await get("/", "b.example.org")).status).toBe(200));
  expect((await get("/a", "a.example.org")).status).toBe(404);
  await client.delete("ingresses", target);
  await eventually(async () => expect((await get("/", "b.example.org")).status).toBe(404));
});

test("another class is left alone, and what is refused is told in an Event", async () => {
  await client.create("ingressclasses", ingressClass("foreign", { controller: "example.org/x" }));
  await client.create(
    "ingresses",
    ingress("foreign", { "f.example.org": [{ path: "/", service: "web" }] }, { className: "foreign" }),
  );
  const annotations = { "server-snippet": "return 200;" };
  await client.create(
    "ingresses",
    ingress("bad", { "bad.example.org": [{ path: "/", service: "web" }] }, { annotations }),
  );
  await eventually(async () => {
    const { items } = await client.list("events", { namespace: "default" });
    expect(items.filter(({ involvedObject }) => involvedObject.name === "bad")).toMatchObject([
      { type: "Warning", reason: "Rejected", message: expect.stringContaining("server-snippet") },
    ]);
  });
  expect((await get("/", "bad.example.org")).status).toBe(404);
  expect((await get("/", "f.example.org")).status).toBe(404);
  const foreign = await client.get("ingresses", { namespace: "default", name: "foreign" });
  expect(foreign.status?.loadBalancer?.ingress).toBeUndefined();
});

test("the certificate comes from the Secret, and a replaced one is served on the next connection", async () => {
  const tls = [{ hosts: ["tls.example.org"], secretName: "cert" }];
  await client.create("ingresses", ingress("tls", { "tls.example.org": [{ path: "/", service: "web" }] }, { tls }));
  const target = { namespace: "default", name: "cert" };
  await client.create("secrets", { metadata: target, type: "kubernetes.io/tls", data: await secretData("one") });
  await eventually(async () => expect(await servedName("tls.example.org")).toBe("one"), { timeoutMs: 10_000 });
  const data = await secretData("two");
  await client.apply("secrets", target, (current) => ({ ...current, data }));
  await eventually(async () => expect(await servedName("tls.example.org")).toBe("two"), { timeoutMs: 10_000 });
  await expect(servedName("other.test")).rejects.toThrow(/handshake|SSL|ECONNRESET|alert|hang up|disconnected/);
});

test("a Secret that holds no certificate is told, and takes nothing away", async () => {
  const events = async (): Promise<string[]> => {
    const { items } = await client.list("events", { namespace: "default" });
    return items.map(({ involvedObject, message }) => `${involvedObject.name}: ${message}`);
  };
  const hosts = { "bad-tls.example.org": [{ path: "/", service: "web" }] };
  const tls = [{ hosts: ["bad-tls.example.org"], secretName: "bad-cert" }];
  await client.create("ingresses", ingress("bad-tls", hosts, { tls }));
  await eventually(async () => expect(await events()).toContain("bad-tls: Secret default/bad-cert does not exist"));
  const target = { namespace: "default", name: "bad-cert" };
  const { "tls.crt": cert = "", "tls.key": key = "" } = await secretData("good");
  const put = (data: Record<string, string>): Promise<unknown> =>
    client.apply("secrets", target, (current) => ({ metadata: target, type: "Opaque", ...current, data }));
  await put({ "tls.crt": cert });
  await eventually(async () =>
    expect(await events()).toContain("bad-tls: Secret default/bad-cert lacks tls.crt or tls.key"),
  );
  await put({ "tls.crt": cert, "tls.key": key });
  await eventually(async () => expect(await servedName("bad-tls.example.org")).toBe("good"));
  const nonsense = Buffer.from("nonsense").toString("base64");
  await put({ "tls.crt": nonsense, "tls.key": nonsense });
  await eventually(async () =>
    expect(await events()).toContain("bad-tls: Secret default/bad-cert holds no certificate with its key"),
  );
  expect(await servedName("bad-tls.example.org")).toBe("good");
});

test("a class becomes the default, has parameters that are told, and goes: its Ingresses go with it", async () => {
  const made = ingressClass("ours", { isDefault: true });
  const parameters = { apiGroup: "example.org", kind: "Settings", name: "mine", scope: "Cluster" };
  await client.create("ingressclasses", { ...made, spec: { ...made.spec, parameters } });
  const hosts = { "default.example.org": [{ path: "/", service: "web" }] };
  await client.create("ingresses", ingress("by-default", hosts, { className: null }));
  await eventually(async () => expect((await get("/", "default.example.org")).status).toBe(200));
  await eventually(async () => {
    const { items } = await client.list("events", { namespace: "default" });
    expect(items.filter(({ involvedObject }) => involvedObject.kind === "IngressClass")).toMatchObject([
      { reason: "ParametersIgnored", involvedObject: { name: "ours" } },
    ]);
  });
  const target = { namespace: "default", name: "by-default" };
  const status = async (): Promise<unknown> => (await client.get("ingresses", target)).status?.loadBalancer?.ingress;
  await eventually(async () => expect(await status()).toHaveLength(2));
  await client.delete("ingressclasses", { name: "ours" });
  await eventually(async () => expect((await get("/", "default.example.org")).status).toBe(404));
  await eventually(async () => expect((await status()) ?? []).toEqual([]));
});

test("a backend that is no Service is told", async () => {
  const one = ingress("bucket", {});
  const resource = { apiGroup: "example.org", kind: "Bucket", name: "files" };
  await client.create("ingresses", { ...one, spec: { ...one.spec, rules: [], defaultBackend: { resource } } });
  await eventually(async () => {
    const { items } = await client.list("events", { namespace: "default" });
    expect(items.filter(({ involvedObject }) => involvedObject.name === "bucket")).toMatchObject([
      { reason: "Rejected", message: expect.stringContaining("spec.defaultBackend.resource") },
    ]);
  });
});

test("a manifest of before v1 is served as v1", async () => {
  const metadata = { name: "old", annotations: { "kubernetes.io/ingress.class": "fairlead" } };
  const backend = { serviceName: "web", servicePort: "http" };
  const rules = [{ host: "old.example.org", http: { paths: [{ path: "/old", backend }] } }];
  await client.transport.request({
    method: "POST",
    path: "/apis/extensions/v1beta1/namespaces/default/ingresses",
    body: { apiVersion: "extensions/v1beta1", kind: "Ingress", metadata, spec: { rules } },
  });
  await eventually(async () => expect((await get("/old/x", "old.example.org")).status).toBe(200));
});

test("ready, and measured under ingress-nginx's names", async () => {
  expect((await fetch(`${service.healthUrl}/readyz`)).status).toBe(200);
  expect((await fetch(`${service.healthUrl}/healthz`)).status).toBe(200);
  const metrics = await (await fetch(`${service.healthUrl}/metrics`)).text();
  expect(metrics).toMatch(/nginx_ingress_controller_requests\{ingress="web",namespace="default",status="200"\} \d/);
});
