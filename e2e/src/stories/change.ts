/** Story 2: pods come and go under load, and not one request fails. */
import { describe, expect, test } from "vitest";
import { startLoad } from "../http-load.ts";
import type { Load } from "../http-load.ts";
import { deployment, list, replicaSet, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, readyPods, untilEndpoints, untilReady, useNamespace } from "./story.ts";

/** A new pod gets its first request within this time of being ready, in milliseconds. */
const firstRequestMs = 1000;

export function changeStory(stack: () => Stack): void {
  describe("pods that come and go under load", () => {
    const namespace = useNamespace(stack, "change");

    test("scaling up, scaling down and deleting a pod fail no request, and a new pod is used at once", async () => {
      const { kubectl } = stack();
      await apply(stack(), list(replicaSet(namespace, "kubia", 3), service(namespace, "kubia")));
      await untilReady(stack(), namespace, "kubia", 3);
      await untilEndpoints(stack(), namespace, "kubia", 3);
      const address = await clusterIP(stack(), namespace, "kubia");
      const readyAt = new Map<string, number>();
      const pods = kubectl.follow(
        [
          ...`get pods -n ${namespace} -l app=kubia -w -o`.split(" "),
          'jsonpath={.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}',
        ],
        (line) => {
          const [name = "", ready] = line.split(" ");
          if (ready === "True" && !readyAt.has(name)) readyAt.set(name, performance.now());
        },
      );
      const load = startLoad(`http://${address}/`);
      try {
        await kubectl(`scale rs kubia -n ${namespace} --replicas=6`);
        await untilReady(stack(), namespace, "kubia", 6);
        await expect.poll(() => load.first.size).toBe(6);
        for (const [pod, at] of readyAt) {
          expect(load.first.get(pod) ?? Number.NaN, pod).toBeLessThan(at + firstRequestMs);
        }
        await kubectl(`scale rs kubia -n ${namespace} --replicas=2`);
        await untilReady(stack(), namespace, "kubia", 2);
        await untilEndpoints(stack(), namespace, "kubia", 2);
        const [victim = ""] = await readyPods(stack(), namespace, "kubia");
        await kubectl(`delete pod ${victim} -n ${namespace}`);
        await untilReady(stack(), namespace, "kubia", 2);
        await expect.poll(() => load.first.size).toBe(7);
      } finally {
        await Promise.all([load.stop(), pods.stop()]);
      }
      expectNoFailure(load);
    });

    test("a rolling update fails no request and ends with the new version alone", async () => {
      const { kubectl } = stack();
      const env = { VERSION: "v1" };
      await apply(stack(), list(deployment(namespace, "rolling", 3, { env }), service(namespace, "rolling")));
      await kubectl(`rollout status deployment/rolling -n ${namespace} --timeout=30s`);
      await untilEndpoints(stack(), namespace, "rolling", 3);
      const load = startLoad(`http://${await clusterIP(stack(), namespace, "rolling")}/`);
      try {
        await apply(stack(), deployment(namespace, "rolling", 3, { env: { VERSION: "v2" } }));
        await kubectl(`rollout status deployment/rolling -n ${namespace} --timeout=60s`);
        const pods = new Set(await readyPods(stack(), namespace, "rolling"));
        expect(pods.size).toBe(3);
        // Every answer from now on is from one of the new pods.
        const since = performance.now();
        await expect
          .poll(() =>
            [...load.last]
              .filter(([, at]) => at > since + 200)
              .map(([pod]) => pod)
              .sort(),
          )
          .toEqual([...pods].sort());
      } finally {
        await load.stop();
      }
      expectNoFailure(load);
    });
  });
}

function expectNoFailure(load: Load): void {
  expect(load.failures).toEqual([]);
  expect(load.answers).toBeGreaterThan(100);
}
