import { RecordingLogger } from "@fairlead/testkit";
import { cidr } from "@fairlead/types";
import type { Cidr } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Bootstrap } from "../src/server/bootstrap.ts";
import type { Registry } from "../src/api/registry.ts";
import { type ApiFixture, openApi, ranges, service } from "./api-fixture.ts";
import { createApi } from "./strategy-cluster.ts";

let fixture: ApiFixture;
const started: Bootstrap[] = [];

beforeEach(async () => {
  fixture = await openApi();
});

afterEach(async () => {
  for (const bootstrap of started.splice(0)) await bootstrap.stop();
});

async function start(
  options: { api?: Registry; port?: number; podCidr?: string; address?: string; serviceCidr?: Cidr } = {},
): Promise<Bootstrap> {
  const { clock } = fixture;
  const { api = fixture.api, serviceCidr = ranges.serviceCidr } = options;
  const bootstrap = new Bootstrap({
    api,
    serviceCidr,
    podCidr: cidr(options.podCidr ?? "127.244.0.0/16"),
    apiAddress: () => ({ address: options.address ?? "127.0.0.1", port: options.port ?? 6443 }),
    clock,
    log: new RecordingLogger(),
  });
  started.push(bootstrap);
  await bootstrap.start();
  return bootstrap;
}

const find = (): unknown => fixture.api.find("services", "default", "kubernetes")?.spec?.clusterIP;

describe("the objects that every cluster has", () => {
  test("are made once, and nothing is written where they are as they should be", async () => {
    await start();
    const { revision } = fixture.api;
    await start();
    expect(fixture.api.revision).toBe(revision);
    expect(fixture.api.list("namespaces").items).toHaveLength(4);
    expect(fixture.api.get("endpoints", "default", "kubernetes").subsets).toMatchObject([
      { addresses: [{ ip: "127.0.0.1" }], ports: [{ port: 6443 }] },
    ]);
  });

  test("follow the API to another port", async () => {
    await (await start()).stop();
    await start({ port: 7443 });
    const { api } = fixture;
    expect(api.get("services", "default", "kubernetes").spec?.ports).toMatchObject([{ port: 443, targetPort: 7443 }]);
    expect(api.get("endpointslices", "default", "kubernetes").ports).toMatchObject([{ port: 7443 }]);
  });

  test("are repaired while it runs, and left alone afterwards", async () => {
    const bootstrap = await start();
    const { api, clock } = fixture;
    api.delete("services", "default", "kubernetes");
    api.delete("endpointslices", "default", "kubernetes");
    await clock.advance(1000);
    expect(find()).toBe("127.96.0.1");
    expect(api.find("endpointslices", "default", "kubernetes")).toBeDefined();
    await bootstrap.stop();
    api.delete("services", "default", "kubernetes");
    await clock.advance(1000);
    expect(find()).toBeUndefined();
  });

  test("have no endpoints where a loopback address may not be one", async () => {
    await start({ podCidr: "10.244.0.0/16" });
    expect(find()).toBe("127.96.0.1");
    expect(fixture.api.find("endpointslices", "default", "kubernetes")).toBeUndefined();
  });

  test("follow the API from a loopback address to one that pods with networks of their own reach, and back", async () => {
    const { api } = fixture;
    const addresses = (): unknown => api.find("endpointslices", "default", "kubernetes")?.endpoints?.[0]?.addresses;
    await (await start()).stop();
    expect(addresses()).toEqual(["127.0.0.1"]);
    await (await start({ podCidr: "10.244.0.0/16", address: "10.64.0.254" })).stop();
    expect(addresses()).toEqual(["10.64.0.254"]);
    expect(api.get("endpoints", "default", "kubernetes").subsets?.[0]?.addresses).toEqual([{ ip: "10.64.0.254" }]);
    await (await start({ podCidr: "10.244.0.0/16" })).stop();
    expect(addresses()).toBeUndefined();
    expect(api.find("endpoints", "default", "kubernetes")).toBeUndefined();
  });

  test("have Services in another range keep all but their addresses", async () => {
    await start();
    const { api, store, clock, errors } = fixture;
    const loadBalancer = { type: "LoadBalancer", externalTrafficPolicy: "Local", ports: [{ port: 80 }] };
    const before = [
      api.create("services", service("plain")),
      api.create("services", service("balanced", loadBalancer)),
      api.create("services", service("headless", { clusterIP: "None" })),
      api.create("services", service("elsewhere", { type: "ExternalName", externalName: "example.org" })),
    ];
    await started[0]?.stop();
    await api.stop();

    const moved = createApi(store, { ...ranges, serviceCidr: cidr("10.96.0.0/12") }, clock, errors);
    await moved.start();
    await start({ api: moved, serviceCidr: cidr("10.96.0.0/12"), podCidr: "10.244.0.0/16", address: "10.64.0.254" });
    expect(moved.get("services", "default", "kubernetes").spec?.clusterIP).toBe("10.96.0.1");
    const [plain, balanced, headless, elsewhere] = before.map(({ metadata }) =>
      moved.get("services", "default", metadata?.name ?? ""),
    );
    for (const [index, now] of [plain, balanced].entries()) {
      const old = before[index]?.spec;
      expect(now?.metadata?.uid).toBe(before[index]?.metadata?.uid);
      expect(now?.spec?.clusterIP).toMatch(/^10\.(9[6-9]|10\d|11[01])\./);
      expect(now?.spec).toEqual({ ...old, clusterIP: now?.spec?.clusterIP, clusterIPs: [now?.spec?.clusterIP] });
    }
    expect([headless, elsewhere]).toEqual(before.slice(2));
    expect(errors).toEqual([]);
    await moved.stop();
  });
});
