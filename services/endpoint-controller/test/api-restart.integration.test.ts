import { startDevCluster } from "@fairlead/testkit";
import { serviceKey } from "@fairlead/types";
import { expect, test } from "vitest";
import { ControllerRig } from "./support/controller-rig.ts";

test("the API is killed and comes back: the state stands meanwhile, and what changes afterwards arrives", async () => {
  await using cluster = await startDevCluster();
  await using rig = new ControllerRig({ kubeconfig: cluster.kubeconfig });
  await rig.node();
  await rig.start();
  await rig.service("default", "web");
  await rig.pod("default", "a", { app: "web", ip: "127.244.9.1" });
  await rig.eventually(() => expect(rig.readyOnFeed("default", "web")).toEqual(["127.244.9.1"]));
  await cluster.restart("SIGKILL");
  expect(rig.readyOnFeed("default", "web")).toEqual(["127.244.9.1"]);
  await rig.eventually(() => rig.pod("default", "b", { app: "web", ip: "127.244.9.2" }));
  await rig.service("default", "api");
  await rig.eventually(() => {
    expect(rig.readyOnFeed("default", "web")).toEqual(["127.244.9.1", "127.244.9.2"]);
    expect(rig.view.services.has(serviceKey("default", "api"))).toBe(true);
  });
  expect(rig.log.messages("error")).toEqual([]);
});
