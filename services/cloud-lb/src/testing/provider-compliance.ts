/** What every provider must do, asked of a real instance. */
import type { Node, Service } from "@fairlead/kube/objects";
import { cidr } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import type { LoadBalancerProvider, LoadBalancerRequest, LoadBalancerStatus } from "../provider.ts";

/** Makes providers that share what they manage, as the processes of one cluster do. At least three Services must find room. */
export interface ProviderCase {
  /** A provider as it is in a process that has just started, not yet restored. */
  make(): LoadBalancerProvider;
}

/** The suite. `open` gives each test a case of its own. */
export function providerCompliance(name: string, open: () => ProviderCase): void {
  describe(`${name} is a provider that`, () => {
    const start = (services: readonly Service[] = [], given = open()): LoadBalancerProvider => {
      const provider = given.make();
      provider.restore({ services, namespaceLabels: () => ({}) });
      return provider;
    };

    test("names a load balancer by the Service's uid, in at most 32 characters", () => {
      const provider = start();
      const [a, b] = [service(1), service(2)];
      expect(provider.nameOf(a)).toBe(provider.nameOf({ ...a, spec: {} }));
      expect(provider.nameOf(a)).not.toBe(provider.nameOf(b));
      expect(provider.nameOf(a)).toMatch(/^.{1,32}$/);
    });

    test("has nothing for a Service until it is asked to, and says then what it has", async () => {
      const provider = start();
      expect(await provider.get(service(1))).toBeUndefined();
      const status = await provider.ensure(request(service(1)));
      expect(status.ingress.length).toBeGreaterThan(0);
      for (const { ip, hostname, ipMode } of status.ingress) {
        expect([ip, hostname].filter((one) => one !== undefined)).toHaveLength(1);
        if (ip === undefined) expect(ipMode).toBeUndefined();
      }
      expect(await provider.get(service(1))).toEqual(status);
    });

    test("answers the same when it is asked again, with other nodes and ports as well", async () => {
      const provider = start();
      const status = await provider.ensure(request(service(1)));
      expect(await provider.ensure(request(service(1)))).toEqual(status);
      expect(await provider.ensure(request(service(1), ["a", "b"]))).toEqual(status);
      await provider.update(request(service(1), []));
      expect(await provider.get(service(1))).toEqual(status);
    });

    test("gives two Services different load balancers, asked at the same time as well", async () => {
      const provider = start();
      const all = await Promise.all([1, 2, 3].map((n) => provider.ensure(request(service(n)))));
      expect(new Set(all.map((status) => JSON.stringify(status.ingress))).size).toBe(3);
    });

    test("takes away what it gave, once or twice, and what it never gave", async () => {
      const provider = start();
      await provider.ensure(request(service(1)));
      const other = await provider.ensure(request(service(2)));
      await provider.ensureDeleted(service(1));
      await provider.ensureDeleted(service(1));
      await provider.ensureDeleted(service(3));
      expect(await provider.get(service(1))).toBeUndefined();
      expect(await provider.get(service(2))).toEqual(other);
      expect((await provider.ensure(request(service(1)))).ingress.length).toBeGreaterThan(0);
    });

    test("started anew, has what the Services' status says", async () => {
      const shared = open();
      const first = start([], shared);
      const statuses = [await first.ensure(request(service(1))), await first.ensure(request(service(2)))];
      const stored = statuses.map((status, index) => withStatus(service(index + 1), status));
      const second = start([...stored].reverse(), shared);
      expect(await Promise.all(stored.map((one) => second.get(one)))).toEqual(statuses);
      expect(await second.ensure(request(stored[1] as Service))).toEqual(statuses[1]);
      expect(statuses).not.toContainEqual(await second.ensure(request(service(3))));
      expect(await second.ensure(request(stored[0] as Service))).toEqual(statuses[0]);
    });
  });
}

function service(n: number): Service {
  return {
    metadata: {
      namespace: "default",
      name: `service-${n}`,
      uid: `${n}0000000-0000-4000-8000-000000000000`,
      creationTimestamp: `2026-01-01T00:00:0${n}Z`,
    },
    spec: { type: "LoadBalancer", ipFamilies: ["IPv4"], ports: [{ port: 80, protocol: "TCP", nodePort: 30_000 + n }] },
  };
}

function withStatus(of: Service, { ingress }: LoadBalancerStatus): Service {
  return { ...of, status: { loadBalancer: { ingress: [...ingress] } } };
}

function request(of: Service, names: readonly string[] = ["a"]): LoadBalancerRequest {
  const nodes = names.map((name): Node => ({ metadata: { name } }));
  return { service: of, nodes, sourceRanges: [cidr("0.0.0.0/0")], healthCheck: { port: 10_256, path: "/healthz" } };
}
