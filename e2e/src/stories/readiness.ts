/** Story 3: only ready pods get requests. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { countByPod, get, startLoad } from "../http-load.ts";
import { list, pod, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, untilEndpoints, untilReady, useNamespace } from "./story.ts";

export function readinessStory(stack: () => Stack): void {
  describe("readiness", () => {
    const namespace = useNamespace(stack, "readiness");
    const folder = mkdtempSync(join(tmpdir(), "fairlead-ready-"));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test("a pod whose probe fails gets no new request until it passes again", async () => {
      const marker = (name: string): string => join(folder, name);
      const probed = (name: string): object =>
        pod(namespace, name, "marked", {
          readinessProbe: { exec: { command: ["ls", marker(name)] }, periodSeconds: 1, failureThreshold: 1 },
        });
      writeFileSync(marker("one"), "");
      writeFileSync(marker("two"), "");
      await apply(stack(), list(probed("one"), probed("two"), service(namespace, "marked")));
      await untilReady(stack(), namespace, "marked", 2);
      await untilEndpoints(stack(), namespace, "marked", 2);
      const url = `http://${await clusterIP(stack(), namespace, "marked")}/`;
      const load = startLoad(url);
      try {
        await expect.poll(() => load.first.size).toBe(2);
        rmSync(marker("one"));
        await untilEndpoints(stack(), namespace, "marked", 1);
        const without = await answers(url, 40);
        expect([...countByPod(without).keys()]).toEqual(["two"]);
        writeFileSync(marker("one"), "");
        await untilEndpoints(stack(), namespace, "marked", 2);
        await expect.poll(async () => [...countByPod(await answers(url, 10)).keys()].sort()).toEqual(["one", "two"]);
      } finally {
        await load.stop();
      }
      expect(load.failures).toEqual([]);
    });

    test("a pod that is slow to start gets no request before it is ready", async () => {
      await apply(stack(), list(pod(namespace, "quick", "mixed"), service(namespace, "mixed")));
      await untilEndpoints(stack(), namespace, "mixed", 1);
      const load = startLoad(`http://${await clusterIP(stack(), namespace, "mixed")}/`);
      try {
        await apply(stack(), pod(namespace, "slow", "mixed", { env: { START_DELAY_MS: "3000" } }));
        await untilEndpoints(stack(), namespace, "mixed", 2);
        await expect.poll(() => [...load.first.keys()].sort()).toEqual(["quick", "slow"]);
      } finally {
        await load.stop();
      }
      // A request led to the slow one before it listened would have been refused.
      expect(load.failures).toEqual([]);
    });
  });
}

async function answers(url: string, count: number): Promise<string[]> {
  const found: string[] = [];
  for (let index = 0; index < count; index += 1) found.push(await get(url));
  return found;
}
