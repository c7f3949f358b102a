/** Story 6: node ports. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { countByPod } from "../http-load.ts";
import { list, replicaSet, service } from "../manifests.ts";
import { repository } from "../stack.ts";
import type { Stack } from "../stack.ts";
import { apply, curl, untilEndpoints, useNamespace } from "./story.ts";

/** End of the band that is kept for chosen numbers: numbers given out begin after it. */
const firstDynamicPort = 30_086;

export function nodePortsStory(stack: () => Stack): void {
  describe("a Service of type NodePort", () => {
    const namespace = useNamespace(stack, "node-ports");

    test("answers on every node's address, whichever node its pods run on", async () => {
      const { kubectl, dev } = stack();
      await apply(stack(), replicaSet(namespace, "kubia", 2));
      await kubectl(["apply", "-n", namespace, "-f", join(repository, "examples/kubia-nodeport.yaml")]);
      await untilEndpoints(stack(), namespace, "kubia-nodeport", 2);
      expect(await kubectl(`get service kubia-nodeport -n ${namespace}`)).toMatch(/NodePort .* 80:30123\/TCP/);
      for (const { address } of dev.nodes) {
        const fetchAll = async (): Promise<number> =>
          countByPod((await curl("-H", "Connection: close", `http://${address}:30123/?[1-10]`)).trim().split("\n"))
            .size;
        await expect.poll(fetchAll).toBe(2);
      }
    });

    test("without a number gets one of the dynamic band", async () => {
      const { kubectl } = stack();
      await apply(stack(), list(service(namespace, "chosen", { type: "NodePort" })));
      const port = Number(
        await kubectl(["get", "svc", "chosen", "-n", namespace, "-o", "jsonpath={.spec.ports[0].nodePort}"]),
      );
      expect(port).toBeGreaterThanOrEqual(firstDynamicPort);
      expect(port).toBeLessThanOrEqual(32_767);
    });

    test("with a number that is taken is refused, and kubectl prints why", async () => {
      const { kubectl } = stack();
      const twice = service(namespace, "twice", { type: "NodePort", ports: [{ port: 80, nodePort: 30_123 }] });
      const { code, stderr } = await kubectl.try("create -f -", twice);
      expect(code).toBe(1);
      expect(stderr).toContain(
        'The Service "twice" is invalid: spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated',
      );
      expect((await kubectl.try(`get service twice -n ${namespace}`)).stderr).toContain('services "twice" not found');
    });
  });
}
