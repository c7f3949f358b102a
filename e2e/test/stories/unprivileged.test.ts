// The main job as a user without privileges: everything but ports below 1024, and those say what to do.
import { execFileSync } from "node:child_process";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, needs } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ingress, makeCertificate, putCertificate, visit } from "../../src/doors.ts";
import { countByPod, get } from "../../src/http-load.ts";
import { list, replicaSet, service } from "../../src/manifests.ts";
import { freshStateDir, repository, startStack } from "../../src/stack.ts";
import type { Stack } from "../../src/stack.ts";
import { dig } from "../../src/dig.ts";
import { apply, clusterIP, loadBalancerIP, untilEndpoints, untilReady } from "../../src/stories/story.ts";

/** Debian's `nobody`. */
const nobody = 65_534;

/** What to put before a command so that it runs without privileges. */
function withoutPrivileges(): readonly string[] {
  if (process.geteuid?.() !== 0) return [];
  const asNobody = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", "--no-new-privs"];
  try {
    execFileSync("env", [...asNobody, "cat", join(repository, "package.json")], { stdio: "ignore" });
    return asNobody;
  } catch {
    // The checkout lies where another user cannot read it: then root, stripped of every capability, will do.
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"];
  }
}

describe.skipIf(needs("kubectl", "setpriv", "dig", "curl", "openssl"))("a user without privileges", () => {
  let stack: Stack | undefined;
  const folder = mkdtempSync(join(tmpdir(), "fairlead-unprivileged-"));
  beforeAll(async () => {
    const stateDir = freshStateDir();
    const prefix = withoutPrivileges();
    if (prefix.some((word) => word.startsWith("--reuid"))) chownSync(stateDir, nobody, nobody);
    stack = await startStack({ mode: "embedded", stateDir, prefix: ["env", `HOME=${stateDir}`, ...prefix] });
  });
  afterAll(async () => {
    await stack?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  test("has Services at ports from 1024 on, and node ports", async () => {
    if (stack === undefined) throw new Error("the stack is not running");
    const ports = [{ port: 8000, targetPort: 8080, nodePort: 30_010 }];
    await apply(
      stack,
      list(replicaSet("default", "plain", 2), service("default", "plain", { type: "NodePort", ports })),
    );
    await untilReady(stack, "default", "plain", 2);
    await untilEndpoints(stack, "default", "plain", 2);
    for (const url of [
      `http://${await clusterIP(stack, "default", "plain")}:8000/`,
      `http://${stack.dev.nodes[1]?.address}:30010/`,
    ]) {
      await eventually(() => get(url));
      const bodies = await Promise.all(Array.from({ length: 10 }, () => get(url)));
      expect([...countByPod(bodies).values()]).toEqual([5, 5]);
    }
  });

  test("has the names of the cluster at port 1053, and is told so", async () => {
    if (stack === undefined) throw new Error("the stack is not running");
    const { dns, nodes } = stack.dev;
    expect(dns.port).toBe(1053);
    expect(stack.process.stdout()).toContain(
      `fairlead: ${dns.address}:53 may not be bound without privileges: the DNS listens at port 1053 instead\n`,
    );
    expect(nodes.map(({ address }) => address)).not.toContain(dns.address);
    const address = await clusterIP(stack, "default", "kubernetes");
    expect(await dig(stack, "kubernetes.default.svc.cluster.local")).toEqual([address]);
  });

  test("has an ingress at its ports, with TLS, and addresses of load balancers at ports from 1024 on", async () => {
    if (stack === undefined) throw new Error("the stack is not running");
    const running = stack;
    const host = "plain.example.com";
    const certificate = await makeCertificate(folder, "plain", host);
    await putCertificate(stack, "default", "plain-tls", certificate);
    const ports = [{ port: 8000, targetPort: 8080 }];
    await apply(
      stack,
      list(
        service("default", "front", { type: "LoadBalancer", selector: { app: "plain" }, ports }),
        ingress("default", "plain", [{ host, service: "front", port: 8000 }], {
          tls: { [host]: "plain-tls" },
          annotations: { "ssl-redirect": "false" },
        }),
      ),
    );
    const good = { status: 200, body: expect.stringMatching(/^You've hit plain-/) as string };
    await eventually(async () => {
      expect(await visit(running, `http://${host}/`)).toMatchObject(good);
      expect(await visit(running, `https://${host}/`, "--cacert", certificate.certFile)).toMatchObject(good);
    });
    const address = await eventually(() => loadBalancerIP(running, "default", "front"));
    expect(address).toMatch(/^127\.201\.0\.\d+$/);
    expect(await eventually(() => get(`http://${address}:8000/`))).toContain("You've hit plain-");
    expect(await stack.kubectl("describe service front")).not.toContain("Warning");
  });

  test("is told by an Event what to do about a port below 1024, while the Service's other port works", async () => {
    if (stack === undefined) throw new Error("the stack is not running");
    const { kubectl } = stack;
    const ports = [
      { name: "low", port: 80, targetPort: 8080 },
      { name: "high", port: 8081, targetPort: 8080 },
    ];
    await apply(stack, service("default", "mixed", { selector: { app: "plain" }, ports }));
    const address = await clusterIP(stack, "default", "mixed");
    await eventually(() => get(`http://${address}:8081/`));
    const description = await eventually(async () => {
      const text = await kubectl("describe service mixed");
      expect(text).toMatch(/Warning/);
      return text;
    });
    expect(description).toMatch(new RegExp(`${address}:80\\b.*(1024|root|privilege)`));
  });
});
