import { RecordingLogger } from "@fairlead/testkit";
import { cidr } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Bootstrap } from "../src/server/bootstrap.ts";
import { type ApiFixture, openApi, ranges } from "./api-fixture.ts";

let fixture: ApiFixture;
const started: Bootstrap[] = [];

beforeEach(async () => {
  fixture = await openApi();
});

afterEach(async () => {
  for (const bootstrap of started.splice(0)) await bootstrap.stop();
});

async function start(options: { port?: number; podCidr?: string; address?: string } = {}): Promise<Bootstrap> {
  const { api, clock } = fixture;
  const bootstrap = new Bootstrap({
    api,
    serviceCidr: ranges.serviceCidr,
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
});
