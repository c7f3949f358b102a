/** Story 5: several ports, by name, and a name that means another number in another pod. */
import { describe, expect, test } from "vitest";
import { list, pod, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, curl, untilEndpoints, useNamespace } from "./story.ts";

export function portsStory(stack: () => Stack): void {
  describe("named ports", () => {
    const namespace = useNamespace(stack, "ports");

    test("lead to the number that each pod gives the name", async () => {
      const member = (name: string, http: number, https: number): object =>
        pod(namespace, name, "named", {
          env: { PORT: String(http), EXTRA_PORTS: String(https) },
          ports: [
            { name: "http", containerPort: http },
            { name: "https", containerPort: https },
          ],
          readinessProbe: { httpGet: { path: "/healthz", port: "https" }, periodSeconds: 1 },
        });
      const ports = [
        { name: "http", port: 80, targetPort: "http" },
        { name: "https", port: 443, targetPort: "https" },
      ];
      await apply(
        stack(),
        list(member("one", 8080, 8443), member("two", 9090, 9443), service(namespace, "named", { ports })),
      );
      // Each pod is in a slice of its own, since they resolve the names differently.
      await untilEndpoints(stack(), namespace, "named", 2);
      expect(await stack().kubectl(`get endpointslices -n ${namespace} -l kubernetes.io/service-name=named`)).toMatch(
        /\n.*8080,8443.*\n.*9090,9443|\n.*9090,9443.*\n.*8080,8443/,
      );
      const address = await clusterIP(stack(), namespace, "named");
      const portsSeen = async (port: number): Promise<string[]> => {
        const headers = await curl(
          "-H",
          "Connection: close",
          "-D",
          "-",
          "-o",
          "/dev/null",
          `http://${address}:${port}/?[1-8]`,
        );
        return [...new Set([...headers.matchAll(/^X-Port: (\d+)/gm)].map((match) => match[1] ?? ""))].sort();
      };
      await expect.poll(() => portsSeen(80)).toEqual(["8080", "9090"]);
      expect(await portsSeen(443)).toEqual(["8443", "9443"]);
    });
  });
}
