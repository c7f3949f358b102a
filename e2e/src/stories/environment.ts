/** Story 8: a pod's environment names the Services that were there before it. */
import { eventually } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { list, pod, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, patienceMs, useNamespace } from "./story.ts";

export function environmentStory(stack: () => Stack): void {
  describe("a pod's environment", () => {
    const namespace = useNamespace(stack, "environment");

    test("holds the variables of every Service made before it, exactly, and of none made after", async () => {
      const { kubectl, plan } = stack();
      const ports = [
        { name: "http", port: 80 },
        { name: "admin-ui", port: 9000 },
      ];
      await apply(
        stack(),
        list(service(namespace, "web-shop", { ports }), service(namespace, "data", { clusterIP: "None" })),
      );
      const printing = { image: "fairlead/printenv", readinessProbe: undefined as unknown as object };
      await apply(
        stack(),
        pod(namespace, "printer", "printer", {
          ...printing,
          readinessProbe: { exec: { command: ["true"] }, periodSeconds: 1 },
        }),
      );
      const log = await eventually(
        async () => {
          const text = await kubectl(`logs printer -n ${namespace}`);
          if (!text.includes("POD_IP=")) throw new Error("nothing printed yet");
          return text;
        },
        { timeoutMs: patienceMs },
      );
      await apply(stack(), service(namespace, "later"));
      const ip = await clusterIP(stack(), namespace, "web-shop");
      const variables = log.split("\n").filter((line) => line.startsWith("WEB_SHOP_"));
      expect(variables.sort()).toEqual(
        [
          `WEB_SHOP_SERVICE_HOST=${ip}`,
          "WEB_SHOP_SERVICE_PORT=80",
          "WEB_SHOP_SERVICE_PORT_HTTP=80",
          "WEB_SHOP_SERVICE_PORT_ADMIN_UI=9000",
          `WEB_SHOP_PORT=tcp://${ip}:80`,
          `WEB_SHOP_PORT_80_TCP=tcp://${ip}:80`,
          "WEB_SHOP_PORT_80_TCP_PROTO=tcp",
          "WEB_SHOP_PORT_80_TCP_PORT=80",
          `WEB_SHOP_PORT_80_TCP_ADDR=${ip}`,
          `WEB_SHOP_PORT_9000_TCP=tcp://${ip}:9000`,
          "WEB_SHOP_PORT_9000_TCP_PROTO=tcp",
          "WEB_SHOP_PORT_9000_TCP_PORT=9000",
          `WEB_SHOP_PORT_9000_TCP_ADDR=${ip}`,
        ].sort(),
      );
      expect(log.split("\n")).toContain(`KUBERNETES_SERVICE_HOST=${plan.kubernetes}`);
      expect(log).toMatch(/^HOSTNAME=printer$/m);
      expect(log).not.toMatch(/^(DATA|LATER)_/m);
    });
  });
}
