/** Story 9: Services, their ports and pods go by name, and names follow what happens to them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "@fairlead/testkit";
import { afterAll, describe, expect, test } from "vitest";
import { dig, digStatus } from "../dig.ts";
import { list, pod, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, patienceMs, readyAddresses, untilEndpoints, useNamespace } from "./story.ts";

export function namesStory(stack: () => Stack): void {
  describe("names", () => {
    const namespace = useNamespace(stack, "names");
    const zone = `${namespace}.svc.cluster.local`;
    const folder = mkdtempSync(join(tmpdir(), "fairlead-names-"));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test("lead to a Service's address over UDP and TCP, to its port, and back", async () => {
      await apply(stack(), service(namespace, "shop", { ports: [{ name: "http", port: 8000 }] }));
      const address = await clusterIP(stack(), namespace, "shop");
      await untilNamed(stack(), `shop.${zone}`, address);
      expect(await dig(stack(), `shop.${zone}`, "+notcp")).toEqual([address]);
      expect(await dig(stack(), `shop.${zone}`, "+tcp")).toEqual([address]);
      expect(await dig(stack(), `_http._tcp.shop.${zone}`, "SRV")).toEqual([`0 100 8000 shop.${zone}.`]);
      expect(await dig(stack(), "-x", address)).toEqual([`shop.${zone}.`]);
    });

    test("of a headless Service lead to its ready pods, exactly", async () => {
      const marker = (name: string): string => join(folder, name);
      const probed = (name: string): object =>
        pod(namespace, name, "crew", {
          readinessProbe: { exec: { command: ["ls", marker(name)] }, periodSeconds: 1, failureThreshold: 1 },
        });
      writeFileSync(marker("one"), "");
      writeFileSync(marker("two"), "");
      const crew = service(namespace, "crew", { clusterIP: "None" });
      await apply(stack(), list(crew, probed("one"), probed("two"), probed("three")));
      // The third is never ready, the second only for a while.
      await untilCrew(stack(), namespace, 2);
      rmSync(marker("two"));
      await untilCrew(stack(), namespace, 1);
      expect(await dig(stack(), `crew.${zone}`)).toEqual([
        await stack().kubectl(["get", "pod", "one", "-n", namespace, "-o", "jsonpath={.status.podIP}"]),
      ]);
    });

    test("of a Service are there once it is, and not any more once it is deleted", async () => {
      const name = `brief.${zone}`;
      expect(await digStatus(stack(), name)).toBe("NXDOMAIN");
      await apply(stack(), service(namespace, "brief"));
      await untilNamed(stack(), name, await clusterIP(stack(), namespace, "brief"));
      expect(await digStatus(stack(), name)).toBe("NOERROR");
      await stack().kubectl(`delete service brief -n ${namespace}`);
      await eventually(async () => expect(await digStatus(stack(), name)).toBe("NXDOMAIN"), { timeoutMs: patienceMs });
      expect(await dig(stack(), name)).toEqual([]);
    });
  });
}

async function untilNamed(stack: Stack, name: string, address: string): Promise<void> {
  await eventually(async () => expect(await dig(stack, name)).toEqual([address]), { timeoutMs: patienceMs });
}

/** Waits until that many pods of the crew are ready, and the name leads to exactly those. */
async function untilCrew(stack: Stack, namespace: string, count: number): Promise<void> {
  await untilEndpoints(stack, namespace, "crew", count);
  const addresses = (await readyAddresses(stack, namespace, "crew")).sort();
  await eventually(async () => expect(await dig(stack, `crew.${namespace}.svc.cluster.local`)).toEqual(addresses), {
    timeoutMs: patienceMs,
  });
}
