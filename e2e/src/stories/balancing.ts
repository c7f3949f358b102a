/** Story 1: a Service leads to its pods, and kubectl reads as on a real cluster. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { countByPod } from "../http-load.ts";
import { repository } from "../stack.ts";
import type { Stack } from "../stack.ts";
import { clusterIP, curl, untilEndpoints, untilReady, useNamespace } from "./story.ts";

export function balancingStory(stack: () => Stack): void {
  describe("a Service of three pods", () => {
    const namespace = useNamespace(stack, "balancing");

    test("kubectl shows its objects as a real cluster does", async () => {
      const { kubectl, plan } = stack();
      const applied = await kubectl(["apply", "-n", namespace, "-f", join(repository, "examples/kubia.yaml")]);
      expect(applied).toBe("replicaset.apps/kubia created\nservice/kubia created\n");
      await untilReady(stack(), namespace, "kubia", 3);
      await untilEndpoints(stack(), namespace, "kubia", 3);
      const get = async (what: string): Promise<string> => await kubectl(`get ${what} -n ${namespace}`);
      const { services, pods } = plan;
      expect(await get("svc")).toMatch(
        new RegExp(
          `^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\\(S\\) +AGE\nkubia +ClusterIP +${services} +<none> +80/TCP +\\d+s\n$`,
        ),
      );
      expect(await get("pods")).toMatch(
        /^NAME +READY +STATUS +RESTARTS +AGE\n(kubia-\w{5} +1\/1 +Running +0 +\d+s\n){3}$/,
      );
      expect(await get("endpointslices")).toMatch(
        new RegExp(
          `^NAME +ADDRESSTYPE +PORTS +ENDPOINTS +AGE\nkubia-\\w{5} +IPv4 +8080 +${pods},${pods},${pods} +\\d+s\n$`,
        ),
      );
      expect(await get("endpoints")).toMatch(new RegExp(`^NAME +ENDPOINTS +AGE\nkubia +(${pods}:8080,?){3} +\\d+s\n$`));
      expect(await get("rs")).toMatch(/^NAME +DESIRED +CURRENT +READY +AGE\nkubia +3 +3 +3 +\d+s\n$/);
      expect(await kubectl(`describe service kubia -n ${namespace}`)).toMatch(
        new RegExp(`Endpoints: +${pods}:8080,${pods}:8080,${pods}:8080\n`),
      );
    });

    test("300 requests reach all three pods in equal parts, and none fails", async () => {
      const address = await clusterIP(stack(), namespace, "kubia");
      const answers = await curl("-H", "Connection: close", `http://${address}/?[1-300]`);
      const counts = countByPod(answers.trim().split("\n"));
      expect(counts.size).toBe(3);
      for (const [pod, count] of counts) {
        expect(count, pod).toBeGreaterThanOrEqual(80);
        expect(count, pod).toBeLessThanOrEqual(120);
      }
      expect([...counts.values()].reduce((sum, count) => sum + count)).toBe(300);
    });

    test("an annotation chooses another algorithm: a source hash keeps each client at one pod", async () => {
      const { kubectl, plan } = stack();
      const address = await clusterIP(stack(), namespace, "kubia");
      await kubectl(`annotate service kubia -n ${namespace} fairlead.dev/scheduler=sh`);
      for (const client of [1, 2, 3].map((number) => plan.client(number))) {
        await expect
          .poll(
            async () =>
              countByPod(
                (await curl("--interface", client, "-H", "Connection: close", `http://${address}/?[1-12]`))
                  .trim()
                  .split("\n"),
              ).size,
          )
          .toBe(1);
      }
      await kubectl(`annotate service kubia -n ${namespace} fairlead.dev/scheduler-`);
    });
  });
}
