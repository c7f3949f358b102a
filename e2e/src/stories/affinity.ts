/** Story 4: a client stays with its pod, for as long as asked. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { get, podOf } from "../http-load.ts";
import { list, replicaSet, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, untilEndpoints, useNamespace } from "./story.ts";

/** Numbers of clients. */
const numbers = [11, 12, 13, 14, 15, 16];

export function affinityStory(stack: () => Stack): void {
  describe("session affinity by client address", () => {
    const namespace = useNamespace(stack, "affinity");

    test("keeps a client at one pod, spreads clients, and lets go after the timeout", async () => {
      const affinity = { sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } } };
      await apply(
        stack(),
        list(
          replicaSet(namespace, "sticky", 3),
          service(namespace, "sticky", {
            selector: { app: "sticky" },
            ...affinity,
          }),
        ),
      );
      await untilEndpoints(stack(), namespace, "sticky", 3);
      const clients = numbers.map((number) => stack().plan.client(number));
      const url = `http://${await clusterIP(stack(), namespace, "sticky")}/`;
      await expect.poll(async () => await get(url)).toContain("You've hit");
      const choose = async (from: string): Promise<string> => podOf(await get(url, { from }));
      const first = new Map<string, string>();
      for (const client of clients) first.set(client, await choose(client));
      expect(new Set(first.values()).size).toBe(3);
      // 8 s of use, never 10 s of silence: the timeout counts from the last use, not from the first.
      for (let round = 0; round < 4; round += 1) {
        await sleep(2000);
        for (const client of clients) expect(await choose(client), client).toBe(first.get(client));
      }
      // IPVS knows a client for as long as one of its connections, which it forgets two minutes after their end.
      if (stack().plan.plane === "ipvs") return;
      await sleep(10_500);
      // One more client takes a turn, so that round robin gives each of the others its next pod.
      await choose(stack().plan.client(17));
      const second = new Map<string, string>();
      for (const client of clients) second.set(client, await choose(client));
      for (const client of clients) expect(second.get(client), client).not.toBe(first.get(client));
    });
  });
}
