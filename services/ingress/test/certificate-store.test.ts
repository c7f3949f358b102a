import { once } from "node:events";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { silentLogger, systemClock } from "@fairlead/host";
import { ApiTransport, KubeClient } from "@fairlead/kube";
import { eventually, seededRandom } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import { CertificateStore } from "../src/control/certificate-store.ts";

const ingress = { metadata: { namespace: "default", name: "shop" } };
const use = (secret: string) => ({ host: `${secret.replace("/", ".")}.example.com`, secret, ingress });

/** A store before an API that answers a read of a Secret when it is told to. */
async function store() {
  const reads = new Map<string, ServerResponse>();
  const server = createServer((request, response) => {
    if (request.url?.includes("watch=true") === true) return response.writeHead(200).flushHeaders();
    reads.set(request.url?.split("/").at(-1) ?? "", response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const endpoint = { server: `http://127.0.0.1:${port}`, authorize: () => Promise.resolve() };
  const client = new KubeClient({ transport: new ApiTransport({ endpoint, clock: systemClock }) });
  const problems: string[] = [];
  const certificates = new CertificateStore({
    client,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    onProblem: (_ingress, message) => problems.push(message),
  });
  onTestFinished(async () => {
    await certificates.stop();
    client.transport.close();
    server.closeAllConnections();
    server.close();
  });
  return { certificates, reads, problems };
}

test("it is not ready before each Secret was read, and does not wait for one that may not be read", async () => {
  const { certificates, reads, problems } = await store();
  expect(certificates.whyNotReady()).toBeUndefined();
  certificates.use([use("default/held"), use("default/absent"), use("default/forbidden")]);
  await eventually(() => expect(reads.size).toBe(3));
  expect(certificates.whyNotReady()).toBe("Secrets not read yet: 3");
  reads
    .get("absent")
    ?.writeHead(404)
    .end(JSON.stringify({ kind: "Status", code: 404, reason: "NotFound" }));
  reads
    .get("forbidden")
    ?.writeHead(403)
    .end(JSON.stringify({ kind: "Status", code: 403, reason: "Forbidden" }));
  await eventually(() => expect(certificates.whyNotReady()).toBe("Secrets not read yet: 1"));
  reads.get("held")?.end(JSON.stringify({ metadata: { name: "held", resourceVersion: "1" }, data: {} }));
  await eventually(() => expect(certificates.whyNotReady()).toBeUndefined());
  expect(problems).toEqual(["Secret default/absent does not exist", "Secret default/held lacks tls.crt or tls.key"]);
});
