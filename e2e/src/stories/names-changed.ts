/** Names of headless Services that publish more than is ready, and of an ExternalName that becomes a Service of this cluster. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dig, digStatus } from "../dig.ts";
import { get } from "../http-load.ts";
import { list, pod, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, patienceMs, untilEndpoints, useNamespace } from "./story.ts";
import type { PodView } from "./story.ts";

const patience = { timeoutMs: patienceMs };

/** Changes what a name leads to, and asks until it leads there. */
export function namesChangedStory(stack: () => Stack): void {
  describe("a name whose Service changes", () => {
    const namespace = useNamespace(stack, "changed");
    const zone = `${namespace}.svc.cluster.local`;
    let outside: Server | undefined;
    let port = 0;

    beforeAll(async () => {
      const listening = createServer((_request, response) => response.end("You've hit the outside\n"));
      await new Promise<void>((resolve) => listening.listen(0, stack().plan.server(3), resolve));
      port = (listening.address() as AddressInfo).port;
      outside = listening;
    });
    afterAll(() => outside?.close());

    test("headless: exactly the ready pods, and with publishNotReadyAddresses all of them", async () => {
      const { kubectl } = stack();
      const never = { readinessProbe: { exec: { command: ["false"] }, periodSeconds: 1 } };
      const headless = service(namespace, "kubia-headless", { clusterIP: "None", selector: { app: "kubia" } });
      const pods = [
        pod(namespace, "one", "kubia"),
        pod(namespace, "two", "kubia"),
        pod(namespace, "three", "kubia", never),
      ];
      await apply(stack(), list(headless, ...pods));
      await untilEndpoints(stack(), namespace, "kubia-headless", 2);
      const addresses = await podAddresses(stack(), namespace);
      const shows = async (...pods: readonly string[]): Promise<void> => {
        const expected = pods.map((name) => String(addresses.get(name))).sort();
        await eventually(async () => expect(await dig(stack(), `kubia-headless.${zone}`)).toEqual(expected), patience);
      };
      const publish = async (publishNotReadyAddresses: boolean): Promise<void> => {
        const patch = JSON.stringify({ spec: { publishNotReadyAddresses } });
        await kubectl(["patch", "service", "kubia-headless", "-n", namespace, "-p", patch]);
      };
      await shows("one", "two");
      await publish(true);
      await shows("one", "two", "three");
      await publish(false);
      await shows("one", "two");
    });

    test("ExternalName: an alias, and an address once it is a ClusterIP with hand-made Endpoints", async () => {
      const { kubectl } = stack();
      const name = `external-service.${zone}`;
      const external = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { namespace, name: "external-service" },
        spec: { type: "ExternalName", externalName: "api.somecompany.example.com", ports: [{ port: 80 }] },
      };
      await apply(stack(), external);
      const alias = ["api.somecompany.example.com."];
      await eventually(async () => expect(await dig(stack(), name, "CNAME")).toEqual(alias), patience);
      const endpoints = {
        apiVersion: "v1",
        kind: "Endpoints",
        metadata: { namespace, name: "external-service" },
        subsets: [{ addresses: [{ ip: stack().plan.server(3) }], ports: [{ port }] }],
      };
      await apply(stack(), endpoints);
      const patch = JSON.stringify({ spec: { type: "ClusterIP", externalName: null } });
      await kubectl(["patch", "service", "external-service", "-n", namespace, "-p", patch]);
      const address = await clusterIP(stack(), namespace, "external-service");
      await eventually(async () => expect(await dig(stack(), name)).toEqual([address]), patience);
      expect(await dig(stack(), name, "CNAME")).toEqual([]);
      expect(await digStatus(stack(), name, "CNAME")).toBe("NOERROR");
      expect(await eventually(() => get(`http://${address}/`))).toBe("You've hit the outside\n");
    });
  });
}

/** By name; waits until every pod has one. */
async function podAddresses(stack: Stack, namespace: string): Promise<Map<string, string>> {
  return await eventually(async () => {
    const { items } = await stack.kubectl.json<{ items: PodView[] }>(`get pods -n ${namespace} -l app=kubia`);
    return new Map(items.map(({ metadata, status }) => [metadata.name, addressOf(status)]));
  }, patience);
}

function addressOf({ podIP }: PodView["status"]): string {
  if (podIP === undefined) throw new Error("a pod has no address yet");
  return podIP;
}
