/** What only holds where the kernel carries the traffic: nodes and pods have networks of their own, and the client's address is kept. */
import { execFile } from "node:child_process";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { eventually } from "@fairlead/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { get } from "../http-load.ts";
import { list, pod, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, clusterIP, patienceMs, untilEndpoints, useNamespace } from "./story.ts";
import type { PodView } from "./story.ts";

const run = promisify(execFile);

export function ownNetworksStory(stack: () => Stack): void {
  describe("pods with networks of their own", () => {
    const namespace = useNamespace(stack, "own-networks");
    const addresses = { one: "", two: "" };
    /** What a command says in the network of a pod, or of a node: all that is needed is its name. */
    const within = async (which: string, ...command: readonly string[]): Promise<string> => {
      const [node] = stack().dev.nodes;
      const prefix = basename(node?.networkNamespace ?? "").slice(0, -(node?.name.length ?? 0));
      return (await run("ip", ["netns", "exec", `${prefix}${which}`, ...command])).stdout;
    };
    const url = async (name: string): Promise<string> => `http://${await clusterIP(stack(), namespace, name)}/client`;

    beforeAll(async () => {
      const pods = ["one", "two"] as const;
      await apply(
        stack(),
        list(
          ...pods.flatMap((name) => [pod(namespace, name, name), service(namespace, name)]),
          service(namespace, "both", { selector: undefined }),
        ),
      );
      for (const name of pods) {
        await untilEndpoints(stack(), namespace, name, 1);
        addresses[name] = (await stack().kubectl.json<PodView>(`get pod ${name} -n ${namespace}`)).status.podIP ?? "";
      }
      await eventually(async () => await get(await url("two")), { timeoutMs: patienceMs });
    });

    test("the server sees a pod's own address, its node's for a client from outside, and for its own", async () => {
      const { nodes } = stack().dev;
      expect(await within(addresses.one, "curl", "-sS", await url("two"))).toBe(`${addresses.one}\n`);
      // A pod that meets itself would not take an answer from its own address.
      expect(nodes.map(({ address }) => `${address}\n`)).toContain(
        await within(addresses.one, "curl", "-sS", await url("one")),
      );
      // This machine comes in by node-1, which stands for it.
      expect(await get(await url("two"))).toBe(`${nodes[0]?.address}\n`);
    });

    test("the system's own resolver finds Services by their short names", async () => {
      const command = ["getent", "ahostsv4", "two", `one.${namespace}`, "kubernetes.default.svc"];
      const finder = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { namespace, name: "finder" },
        spec: { restartPolicy: "Never", containers: [{ name: "main", image: "any", command }] },
      };
      await apply(stack(), finder);
      const found = await eventually(
        async () => {
          const { status } = await stack().kubectl.json<{ status: { phase: string } }>(
            `get pod finder -n ${namespace}`,
          );
          expect(status.phase).toBe("Succeeded");
          return await stack().kubectl(`logs finder -n ${namespace}`);
        },
        { timeoutMs: patienceMs },
      );
      expect(found.split("\n").flatMap((line) => /^(\S+)\s+STREAM (\S+)/.exec(line)?.slice(1) ?? [])).toEqual([
        await clusterIP(stack(), namespace, "two"),
        `two.${namespace}.svc.cluster.local`,
        await clusterIP(stack(), namespace, "one"),
        `one.${namespace}.svc.cluster.local`,
        stack().plan.kubernetes,
        "kubernetes.default.svc.cluster.local",
      ]);
    });

    test("the API is there for pods under the name and the address that every cluster has, with a certificate for both", async () => {
      const ca = join(stack().stateDir, "pki", "ca.crt");
      const { kubernetes } = stack().plan;
      const name = "kubernetes.default.svc";
      for (const url of [`https://${kubernetes}/healthz`, `https://${name}/healthz`]) {
        const args = ["-sS", "--cacert", ca, "--resolve", `${name}:443:${kubernetes}`, url];
        expect(await within(addresses.two, "curl", ...args), url).toBe("ok");
      }
    });

    test("a node's own processes reach Services as well", async () => {
      const [first, second] = stack().dev.nodes;
      for (const node of [first, second]) {
        expect(await within(node?.name ?? "", "curl", "-sS", await url("two"))).toBe(`${node?.address}\n`);
      }
    });
  });
}
