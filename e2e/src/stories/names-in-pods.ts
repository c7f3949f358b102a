/** A pod finds a Service of its namespace by the short name, through the resolv.conf that it was given. */
import { eventually } from "@fairlead/testkit";
import { afterAll, describe, expect, test } from "vitest";
import { list, pod, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, patienceMs, untilEndpoints, useNamespace } from "./story.ts";

/** The image `fairlead/fetch`, which ends when it has fetched its URLs. */
function fetcher(namespace: string, name: string, urls: readonly string[]): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name },
    spec: { restartPolicy: "Never", containers: [{ name: "main", image: "fairlead/fetch", args: urls }] },
  };
}

/** Fetches from pods, by names that get longer. */
export function namesInPodsStory(stack: () => Stack): void {
  describe("a pod that uses its resolv.conf", () => {
    const elsewhere = useNamespace(stack, "elsewhere");
    afterAll(async () => {
      await stack().kubectl("delete pod/kubia-in-pods pod/client service/kubia -n default");
    });

    test("reaches kubia, kubia.default and kubia.default.svc.cluster.local", async () => {
      const ofKubia = service("default", "kubia", { selector: { app: "kubia-in-pods" } });
      await apply(stack(), list(pod("default", "kubia-in-pods", "kubia-in-pods"), ofKubia));
      await untilEndpoints(stack(), "default", "kubia", 1);
      const address = await clusterIP(stack(), "default", "kubia");
      const full = "kubia.default.svc.cluster.local";
      const line = (name: string): string => `http://${name}/ -> ${full} ${address}: You've hit kubia-in-pods`;

      const names = ["kubia", "kubia.default", "kubia.default.svc", full];
      await apply(
        stack(),
        fetcher(
          "default",
          "client",
          names.map((name) => `http://${name}/`),
        ),
      );
      expect(await logOf(stack(), "default", "client")).toEqual(names.map(line));

      // From another namespace the first name means nothing.
      await apply(stack(), fetcher(elsewhere, "stranger", ["http://kubia.default/", `http://${full}./`]));
      expect(await logOf(stack(), elsewhere, "stranger")).toEqual([
        line("kubia.default"),
        `http://${full}./ -> ${full}. ${address}: You've hit kubia-in-pods`,
      ]);
    });
  });
}

/** The lines that a pod printed until its end, which is to be a good one. */
async function logOf({ kubectl }: Stack, namespace: string, name: string): Promise<string[]> {
  await eventually(
    async () => {
      const phase = await kubectl(["get", "pod", name, "-n", namespace, "-o", "jsonpath={.status.phase}"]);
      if (!["Succeeded", "Failed"].includes(phase)) throw new Error(`${name} is ${phase}`);
    },
    { timeoutMs: patienceMs, intervalMs: 100 },
  );
  return (await kubectl(`logs ${name} -n ${namespace}`)).trim().split("\n");
}
