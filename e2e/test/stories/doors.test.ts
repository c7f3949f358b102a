// Addresses of load balancers, and what the ingress serves: given, kept over restarts and crashes, and given back.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, needs } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ingress, makeCertificate, putCertificate, visit } from "../../src/doors.ts";
import { get } from "../../src/http-load.ts";
import { list, pod, service } from "../../src/manifests.ts";
import { processesOf } from "../../src/processes.ts";
import { freshStateDir, modes, startStack } from "../../src/stack.ts";
import type { Stack } from "../../src/stack.ts";
import { apply, clusterIP, curlCode, loadBalancerIP, patienceMs, untilEndpoints } from "../../src/stories/story.ts";

/** Three addresses: a pool leaves out its .0. */
const lbPool = "127.201.0.0/30";
const patience = { timeoutMs: patienceMs };
const connectionRefused = 7;
const finalizer = "service.kubernetes.io/load-balancer-cleanup";
const host = "secure.example.com";
const hit = "You've hit front\n";

describe.each(modes)("the doors of the stack, %s", (mode) => {
  const missing = needs("kubectl", "curl", "openssl", ...(mode === "distributed" ? ["nats-server"] : []));
  describe.skipIf(missing)("in the order of one life", () => {
    let stateDir = "";
    let folder = "";
    let running: Stack | undefined;
    const stack = (): Stack => {
      if (running === undefined) throw new Error("the stack is not running");
      return running;
    };
    const start = async (): Promise<void> => {
      running = await startStack({ mode, stateDir, lbPool });
    };

    /** Makes a Service of type LoadBalancer for the pod; settles to its address once it has one. */
    const balanced = async (name: string): Promise<string> => {
      await apply(stack(), service("default", name, { type: "LoadBalancer", selector: { app: "front" } }));
      return await addressOf(name);
    };
    const addressOf = (name: string): Promise<string> =>
      eventually(() => loadBalancerIP(stack(), "default", name), patience);
    /** Answers after a moment, in which the address is bound. */
    const answer = (address: string): Promise<string> => eventually(() => get(`http://${address}/`), patience);
    const shown = (name: string, path: string): Promise<string> =>
      stack().kubectl(["get", "service", name, "-o", `jsonpath={${path}}`]);
    const overTls = (): ReturnType<typeof visit> =>
      visit(stack(), `https://${host}/`, "--cacert", join(folder, "tls.crt"));

    beforeAll(async () => {
      stateDir = freshStateDir();
      folder = mkdtempSync(join(tmpdir(), "fairlead-doors-"));
      await start();
      await apply(stack(), list(pod("default", "front", "front"), service("default", "front")));
      await untilEndpoints(stack(), "default", "front", 1);
    });
    afterAll(async () => {
      await running?.dispose();
      rmSync(folder, { recursive: true, force: true });
    });

    test("a LoadBalancer Service gets an address and answers on it, and kubectl shows it as on a cloud", async () => {
      expect([await balanced("first"), await balanced("second")]).toEqual(["127.201.0.1", "127.201.0.2"]);
      expect(await answer("127.201.0.1")).toBe(hit);
      expect(await answer("127.201.0.2")).toBe(hit);
      expect(await shown("first", ".metadata.finalizers[*]")).toBe(finalizer);
      expect(await stack().kubectl("get service first")).toMatch(
        /^first\s+LoadBalancer\s+127\.97\.\S+\s+127\.201\.0\.1\s+80:3\d{4}\/TCP\s/m,
      );
      const description = await stack().kubectl("describe service first");
      // Newer ones of kubectl add (VIP).
      expect(description).toMatch(/^LoadBalancer Ingress:\s+127\.201\.0\.1( \(VIP\))?$/m);
      expect(description).toMatch(
        /Normal\s+EnsuringLoadBalancer\s.*service-controller\s+Ensuring load balancer\n[\s\S]*Normal\s+EnsuredLoadBalancer\s.*service-controller\s+Ensured load balancer\n/,
      );
    });

    test("both the address and an Ingress with its certificate are there again after a restart", async () => {
      await putCertificate(stack(), "default", "front-tls", await makeCertificate(folder, "tls", host));
      await apply(stack(), ingress("default", "front", [{ host, service: "front" }], { tls: { [host]: "front-tls" } }));
      await eventually(async () => expect(await overTls()).toEqual({ code: 0, status: 200, body: hit }), patience);
      // With the lower address free, only who remembers gives the second Service the same one again.
      await stack().kubectl("delete service first");
      await eventually(async () => expect(await curlCode("http://127.201.0.1/")).toBe(connectionRefused), patience);

      expect(await stack().terminate()).toEqual({ code: 0, signal: null });
      await start();
      expect(await loadBalancerIP(stack(), "default", "second")).toBe("127.201.0.2");
      await untilEndpoints(stack(), "default", "front", 1);
      expect(await answer("127.201.0.2")).toBe(hit);
      await eventually(async () => expect(await overTls()).toEqual({ code: 0, status: 200, body: hit }), patience);
      expect(await loadBalancerIP(stack(), "default", "second")).toBe("127.201.0.2");
    });

    test("with no address left a Service waits, says so, and has the next one that is given back", async () => {
      const { kubectl } = stack();
      expect([await balanced("third"), await balanced("fourth")]).toEqual(["127.201.0.1", "127.201.0.3"]);
      await apply(stack(), service("default", "late", { type: "LoadBalancer", selector: { app: "front" } }));
      await eventually(
        async () =>
          expect(await kubectl("describe service late")).toMatch(
            /Warning\s+SyncLoadBalancerFailed\s.*service-controller\s+.*(no|none).*(address|free)/i,
          ),
        patience,
      );
      expect(await kubectl("get service late")).toMatch(/^late\s+LoadBalancer\s+\S+\s+<pending>\s/m);
      await kubectl("delete service second");
      expect(await addressOf("late")).toBe("127.201.0.2");
      expect(await answer("127.201.0.2")).toBe(hit);
    });

    test("a Service that becomes ClusterIP gives its address back", async () => {
      const { kubectl } = stack();
      await kubectl(["patch", "service", "late", "-p", '{"spec":{"type":"ClusterIP"}}']);
      await eventually(async () => {
        expect(await shown("late", ".metadata.finalizers")).toBe("");
        expect(await shown("late", ".status.loadBalancer.ingress")).toBe("");
        expect(await curlCode("http://127.201.0.2/")).toBe(connectionRefused);
      }, patience);
      const description = await kubectl("describe service late");
      expect(description).not.toContain("LoadBalancer Ingress:");
      expect(description).toMatch(/Normal\s+DeletingLoadBalancer\s[\s\S]*Normal\s+DeletedLoadBalancer\s/);
      expect(await get(`http://${await clusterIP(stack(), "default", "late")}/`)).toBe(hit);
      expect(await balanced("next")).toBe("127.201.0.2");
      expect(await answer("127.201.0.2")).toBe(hit);
    });

    test("what is killed comes back, and serves as before", async () => {
      if (mode === "embedded") {
        await stack().kill();
        await start();
      } else {
        const before = ingressProcess(stateDir);
        process.kill(before, "SIGKILL");
        await eventually(() => expect(ingressProcess(stateDir)).not.toBe(before), patience);
        await eventually(() => expect(stack().process.stdout()).toMatch(/^ingress: is ready again/m), patience);
      }
      await eventually(async () => expect(await overTls()).toEqual({ code: 0, status: 200, body: hit }), patience);
      expect(await answer("127.201.0.2")).toBe(hit);
      expect(await loadBalancerIP(stack(), "default", "next")).toBe("127.201.0.2");
    });
  });
});

function ingressProcess(stateDir: string): number {
  const found = processesOf(stateDir).find(({ command }) => command.includes("services/ingress/src/main.ts"));
  if (found === undefined) throw new Error("no ingress is running");
  return found.pid;
}
