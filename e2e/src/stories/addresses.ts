/** Story 7: endpoints made by hand, external addresses, and traffic that stays on its node. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countByPod, get } from "../http-load.ts";
import { list, pod, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, curl, curlCode, loadBalancerIP, patienceMs, untilEndpoints, useNamespace } from "./story.ts";
import type { PodView } from "./story.ts";

const connectionRefused = 7;
const timedOut = 28;

export function addressesStory(stack: () => Stack): void {
  describe("a Service without a selector", () => {
    const namespace = useNamespace(stack, "by-hand");
    const servers: Server[] = [];
    const hosts = (): readonly [string, string] => [stack().plan.server(1), stack().plan.server(2)];
    let port = 0;

    beforeAll(async () => {
      for (const host of hosts()) {
        const server = createServer((_request, response) => response.end(`You've hit ${host}\n`));
        await new Promise<void>((resolve) => server.listen(port, host, resolve));
        port = (server.address() as AddressInfo).port;
        servers.push(server);
      }
    });
    afterAll(() => servers.forEach((server) => server.close()));

    test("is balanced over the addresses of hand-made Endpoints", async () => {
      const { kubectl } = stack();
      const [one, two] = hosts();
      const endpoints = {
        apiVersion: "v1",
        kind: "Endpoints",
        metadata: { namespace, name: "external" },
        subsets: [{ addresses: [{ ip: one }, { ip: two }], ports: [{ port }] }],
      };
      const { selector: _none, ...spec } = { selector: undefined, ports: [{ port: 80 }] };
      await apply(
        stack(),
        list({ apiVersion: "v1", kind: "Service", metadata: { namespace, name: "external" }, spec }, endpoints),
      );
      const url = `http://${await clusterIP(stack(), namespace, "external")}/`;
      await untilEndpoints(stack(), namespace, "external", 2);
      await expect.poll(() => curlCode(url)).toBe(0);
      const counts = countByPod((await curl("-H", "Connection: close", `${url}?[1-20]`)).trim().split("\n"));
      expect(Object.fromEntries(counts)).toEqual({ [one]: 10, [two]: 10 });
      expect(await kubectl(`get endpoints external -n ${namespace}`)).toContain(`${one}:${port},${two}:${port}`);
    });
  });

  describe("other addresses of a Service", () => {
    const namespace = useNamespace(stack, "addresses");

    test("externalIPs and a load balancer's address lead to the pods", async () => {
      const { kubectl, plan } = stack();
      const { external } = plan;
      await apply(
        stack(),
        list(
          pod(namespace, "one", "everywhere"),
          service(namespace, "everywhere", { type: "LoadBalancer", externalIPs: [external] }),
        ),
      );
      await untilEndpoints(stack(), namespace, "everywhere", 1);
      await expect.poll(() => curlCode(`http://${external}/`)).toBe(0);
      expect(await get(`http://${external}/`)).toContain("You've hit one");
      expect(await kubectl(`get service everywhere -n ${namespace}`)).toContain(external);
      const balanced = await eventually(() => loadBalancerIP(stack(), namespace, "everywhere"), {
        timeoutMs: patienceMs,
      });
      await expect.poll(() => curlCode(`http://${balanced}/`)).toBe(0);
      expect(await get(`http://${balanced}/`)).toContain("You've hit one");
    });

    test("a Service without endpoints refuses at once", async () => {
      await apply(stack(), service(namespace, "nobody"));
      const address = await clusterIP(stack(), namespace, "nobody");
      expect(await curlCode(`http://${address}/`)).toBe(connectionRefused);
    });

    test("with externalTrafficPolicy Local only a node with a pod answers, and the pod sees the client", async () => {
      const { kubectl, dev, plan } = stack();
      const ports = [{ port: 80, targetPort: 8080, nodePort: 30_050 }];
      const spec = { type: "NodePort", ports, externalTrafficPolicy: "Local" };
      await apply(stack(), list(pod(namespace, "single", "local"), service(namespace, "local", spec)));
      await untilEndpoints(stack(), namespace, "local", 1);
      const home = (await kubectl.json<PodView>(`get pod single -n ${namespace}`)).spec.nodeName;
      const local = dev.nodes.find(({ name }) => name === home)?.address ?? "";
      const other = dev.nodes.find(({ name }) => name !== home)?.address ?? "";
      const client = plan.client(1);
      await expect.poll(() => curlCode(`http://${local}:30050/`)).toBe(0);
      expect(await curl("--interface", client, `http://${local}:30050/client`)).toContain(client);
      // The kernel drops what another node could serve, as kube-proxy has it do.
      const unserved = plan.plane === "userspace" ? connectionRefused : timedOut;
      expect(await curlCode("--connect-timeout", "1", `http://${other}:30050/`)).toBe(unserved);
      // Policy Cluster: every node answers.
      await kubectl([
        "patch",
        "service",
        "local",
        "-n",
        namespace,
        "-p",
        '{"spec":{"externalTrafficPolicy":"Cluster"}}',
      ]);
      await expect.poll(() => curlCode(`http://${other}:30050/`)).toBe(0);
    });
  });
}
