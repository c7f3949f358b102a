/** Sessions that stay with a pod by a cookie, and a share of the requests for a canary. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "@fairlead/testkit";
import { afterAll, describe, expect, test } from "vitest";
import { ingress, visit } from "../doors.ts";
import { podOf } from "../http-load.ts";
import { list, pod, replicaSet, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, patienceMs, readyPods, untilEndpoints, useNamespace } from "./story.ts";

const patience = { timeoutMs: patienceMs };
/** Between two requests of a session, in milliseconds. */
const pauseMs = 30;

/** Browses with curl's cookie jar, and counts. */
export function ingressSessionsStory(stack: () => Stack): void {
  describe("behind an Ingress", () => {
    const namespace = useNamespace(stack, "sessions");
    const folder = mkdtempSync(join(tmpdir(), "fairlead-sessions-"));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test("a session stays on its pod through a scale-up, and moves once when the pod is deleted, without a failure", async () => {
      const { kubectl } = stack();
      const url = "http://sticky.example.com/";
      const annotations = { affinity: "cookie", "affinity-mode": "persistent", "session-cookie-name": "route" };
      const routes = [{ host: "sticky.example.com", service: "sticky" }];
      await apply(
        stack(),
        list(
          replicaSet(namespace, "sticky", 2),
          service(namespace, "sticky"),
          ingress(namespace, "sticky", routes, { annotations }),
        ),
      );
      await untilEndpoints(stack(), namespace, "sticky", 2);
      await eventually(async () => expect(await visit(stack(), url)).toMatchObject({ status: 200 }), patience);

      const session = startSession(stack(), url, join(folder, "jar"));
      try {
        await eventually(() => expect(session.pods.length).toBeGreaterThan(5), patience);
        expect(readFileSync(join(folder, "jar"), "utf8")).toMatch(/sticky\.example\.com\s.*\sroute\s/);
        await kubectl(`scale rs sticky -n ${namespace} --replicas=5`);
        await untilEndpoints(stack(), namespace, "sticky", 5);
        // Whoever comes without a cookie is spread over all, the new ones among them.
        await eventually(async () => {
          const all = await Promise.all(Array.from({ length: 10 }, () => visit(stack(), url)));
          expect(new Set(all.map(({ body }) => podOf(body))).size).toBe(5);
        }, patience);
        const [home = ""] = session.pods;
        const since = session.pods.length;
        await eventually(() => expect(session.pods.length).toBeGreaterThan(since + 20), patience);
        expect(new Set(session.pods)).toEqual(new Set([home]));

        await kubectl(`delete pod ${home} -n ${namespace}`);
        expect(await readyPods(stack(), namespace, "sticky")).not.toContain(home);
        await untilEndpoints(stack(), namespace, "sticky", 5);
        const moved = session.pods.length;
        await eventually(() => expect(session.pods.length).toBeGreaterThan(moved + 20), patience);
      } finally {
        await session.stop();
      }
      expect(session.failures).toEqual([]);
      const moves = session.pods.filter((pod, index) => index > 0 && pod !== session.pods[index - 1]);
      expect(moves).toHaveLength(1);
    });

    test("a canary of weight 20 takes 20 % of 2,000 requests, give or take 3", async () => {
      const host = "canary.example.com";
      const annotations = { canary: "true", "canary-weight": "20" };
      await apply(
        stack(),
        list(
          ...["stable", "canary"].flatMap((app) => [pod(namespace, app, app), service(namespace, app)]),
          ingress(namespace, "stable", [{ host, service: "stable" }]),
          ingress(namespace, "canary", [{ host, service: "canary" }], { annotations }),
        ),
      );
      for (const app of ["stable", "canary"]) await untilEndpoints(stack(), namespace, app, 1);
      await eventually(async () => {
        const { body } = await visit(stack(), `http://${host}/?[1-50]`);
        expect(body).toContain("You've hit stable");
        expect(body).toContain("You've hit canary");
      }, patience);
      const { code, body } = await visit(stack(), `http://${host}/?[1-2000]`, "--fail");
      expect(code).toBe(0);
      const answers = body.split("\n").filter((line) => line.startsWith("You've hit"));
      expect(answers).toHaveLength(2000);
      const share = answers.filter((line) => podOf(line) === "canary").length / answers.length;
      console.log(`${stack().mode}: the canary took ${(share * 100).toFixed(1)} %`);
      // Each request is a chance of its own: beyond 3 % lie 3.4 standard deviations, once in 1,300 runs.
      expect(Math.abs(share - 0.2)).toBeLessThanOrEqual(0.03);
    });
  });
}

/** One browser: request after request with curl and a jar of its own. */
function startSession(
  stack: Stack,
  url: string,
  jar: string,
): { readonly pods: readonly string[]; readonly failures: readonly unknown[]; stop(): Promise<void> } {
  const pods: string[] = [];
  const failures: unknown[] = [];
  const stopped = new AbortController();
  const browse = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const seen = await visit(stack, url, "--cookie", jar, "--cookie-jar", jar);
      if (seen.code === 0 && seen.status === 200) pods.push(podOf(seen.body));
      else failures.push(seen);
      await sleep(pauseMs);
    }
  };
  const browsing = browse();
  return {
    pods,
    failures,
    async stop() {
      stopped.abort();
      await browsing;
    },
  };
}
