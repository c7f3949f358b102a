// A Deployment behind the ingress is rolled, again and again, while its Ingress is edited five times a second, under load. Both modes at
// once: most of the minute is waiting.
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "@fairlead/host";
import { connect } from "@fairlead/kube";
import { eventually, needs } from "@fairlead/testkit";
import { afterAll, describe, test } from "vitest";
import { loopbackPlan, secondLoopbackPlan } from "../../src/address-plan.ts";
import { startDoorLoad } from "../../src/door-load.ts";
import { ingress, visit } from "../../src/doors.ts";
import type { Route } from "../../src/doors.ts";
import { deployment, httpReady, list, pod, service } from "../../src/manifests.ts";
import { modes, startStack } from "../../src/stack.ts";
import type { Stack } from "../../src/stack.ts";
import { apply, patienceMs, untilEndpoints } from "../../src/stories/story.ts";

const loadMs = 60_000;
const editEveryMs = 200;

const shop = "shop.example.com";
const blog = "blog.example.com";
const destinations = [
  { host: shop, path: "/", answers: /^You've hit shop-/ },
  { host: blog, path: "/", answers: /^You've hit blog$/ },
  { host: shop, path: "/deep/path?with=query", answers: /^You've hit shop-/ },
  { host: shop, path: "/blog", answers: /^You've hit blog$/ },
  { host: shop, path: "/order", method: "POST", answers: /^You've hit shop-/ },
  { host: "any.wild.example.com", path: "/", answers: /^You've hit blog$/ },
] as const;

/** Routes that every edit keeps. */
const kept: readonly Route[] = [
  { host: shop, service: "shop" },
  { host: shop, path: "/blog", service: "blog" },
  { host: blog, service: "blog" },
  { host: "*.wild.example.com", service: "blog" },
];

/** The Ingress after so many edits: routes, hosts and annotations come and go beside those that are kept, in changing order. */
function edition(number: number): ReturnType<typeof ingress> {
  const more: Route[] = [
    { host: shop, path: `/season-${number % 7}`, service: "blog" },
    { host: `guest-${number % 5}.example.com`, service: "shop" },
    { host: blog, path: "/archive", type: "Exact", service: "shop" },
  ];
  const routes = [...kept, ...more.slice(0, number % 4)];
  const annotations: Record<string, string> = {
    ...(number % 2 === 0 ? { "proxy-read-timeout": String(30 + (number % 10)) } : {}),
    ...(number % 3 === 0 ? { "load-balance": "ewma" } : {}),
    ...(number % 5 === 0 ? { "enable-cors": "true" } : {}),
  };
  return ingress("default", "doors", number % 2 === 0 ? routes : routes.toReversed(), { annotations });
}

/** A version of the shop, as users write it: it is ready when it says so, and leaves after a pause in which it is still asked. */
function version(number: number): object {
  const made = deployment("default", "shop", 3, {
    env: { VERSION: `v${number}` },
    readinessProbe: { ...httpReady, httpGet: { path: "/healthz", port: 8080 } },
  }) as { spec: { template: { spec: { containers: object[] } } } };
  const lifecycle = { preStop: { exec: { command: ["sleep", "1"] } } };
  made.spec.template.spec.containers = made.spec.template.spec.containers.map((container) => ({
    ...container,
    lifecycle,
  }));
  return made;
}

describe.concurrent.each(modes)("a Deployment behind the ingress, %s", (mode) => {
  const missing = needs("kubectl", "curl", ...(mode === "distributed" ? ["nats-server"] : []));
  let running: Stack | undefined;
  afterAll(async () => await running?.dispose());

  test.skipIf(missing)(
    "is rolled for 60 s, its Ingress edited every 200 ms: no request fails or is misrouted",
    async ({ expect }) => {
      const plan = mode === "embedded" ? loopbackPlan : secondLoopbackPlan;
      const stack = (running = await startStack({ mode, plan }));
      const { kubectl } = stack;
      const rolled = (): Promise<string> => kubectl("rollout status deployment/shop --timeout=60s");
      const services = [service("default", "shop"), service("default", "blog"), pod("default", "blog", "blog")];
      await apply(stack, list(version(0), ...services, edition(0)));
      await rolled();
      await untilEndpoints(stack, "default", "shop", 3);
      await untilEndpoints(stack, "default", "blog", 1);
      await eventually(
        async () => {
          for (const { host, path } of destinations) {
            expect(await visit(stack, `http://${host}${path}`)).toMatchObject({ status: 200 });
          }
        },
        { timeoutMs: patienceMs },
      );

      const client = connect({ kubeconfig: stack.dev.kubeconfig, clock: systemClock });
      const load = startDoorLoad(stack, { destinations, perSecond: 200, keeping: 8, fresh: 4 });
      const begun = performance.now();
      const isOver = (): boolean => performance.now() - begun > loadMs;
      let edits = 0;
      let rolls = 0;
      const edit = async (): Promise<void> => {
        while (!isOver()) {
          const started = performance.now();
          edits += 1;
          const next = edition(edits);
          await client.apply("ingresses", next.metadata, (current) => {
            const resourceVersion = current?.metadata?.resourceVersion ?? "";
            return { ...next, metadata: { ...next.metadata, resourceVersion } };
          });
          await sleep(Math.max(0, editEveryMs - (performance.now() - started)));
        }
      };
      const roll = async (): Promise<void> => {
        while (!isOver()) {
          rolls += 1;
          await apply(stack, version(rolls));
          await rolled();
        }
      };
      try {
        await Promise.all([edit(), roll()]);
      } finally {
        await load.stop();
        client.transport.close();
      }
      console.log(`${mode}: ${load.answers} answers, ${edits} edits, ${rolls} rolls`);
      expect(load.failures).toEqual([]);
      expect(load.misrouted).toEqual([]);
      // It was what it says: enough of everything, and each version had its part.
      expect(load.answers).toBeGreaterThan(5_000);
      expect(edits).toBeGreaterThan(100);
      expect(rolls).toBeGreaterThan(2);
      for (let number = 0; number < rolls; number += 1) {
        expect(
          [...load.bodies.keys()].filter((body) => body.endsWith(`(v${number})`)),
          `v${number}`,
        ).not.toEqual([]);
      }
      expect(await kubectl("describe ingress doors")).not.toContain("Warning");
    },
  );
});
