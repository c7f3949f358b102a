import { createNatsFeed, DEFAULT_BUCKET, feedWriterPermissions, podBucket } from "@fairlead/bus/nats";
import type { NatsPermissions } from "@fairlead/bus/nats";
import { FeedView } from "@fairlead/bus";
import { silentLogger, systemClock } from "@fairlead/host";
import {
  eventually,
  freePort,
  launchService,
  needs,
  seededRandom,
  startDevCluster,
  startNats,
  temporaryDirectory,
} from "@fairlead/testkit";
import type { DevCluster } from "@fairlead/testkit";
import { connect } from "@fairlead/kube";
import { join } from "node:path";
import { podFeedKey } from "@fairlead/types";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const patience = { timeoutMs: 20_000 };

/** The permissions without those for the bucket of pods. */
function mainOnly({ publish, subscribe }: NatsPermissions): NatsPermissions {
  const ofPods = podBucket(DEFAULT_BUCKET);
  return { publish: publish.filter((subject) => !subject.includes(ofPods)), subscribe };
}

describe.skipIf(needs("nats-server"))("the endpoint-controller over a bus", () => {
  let cluster: DevCluster;

  beforeAll(async () => {
    cluster = await startDevCluster();
    const client = connect({ kubeconfig: cluster.kubeconfig, clock: systemClock });
    await client.create("pods", {
      metadata: { namespace: "default", name: "web-1" },
      spec: { nodeName: "bare-1", containers: [{ name: "app", image: "fairlead/sleep" }] },
    });
    const status = { phase: "Running", podIP: "127.244.250.1", podIPs: [{ ip: "127.244.250.1" }] };
    await client.patchStatus("pods", { namespace: "default", name: "web-1" }, status);
    client.transport.close();
  });

  afterAll(() => cluster?.[Symbol.asyncDispose]());

  /** Runs it as a user with these permissions, and follows both feeds. */
  async function run(permissions: NatsPermissions) {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryDirectory());
    const config = `authorization { users: [
      { user: "all", password: "p" }
      { user: "ec", password: "p", permissions: ${JSON.stringify(permissions)} }
    ] }`;
    const nats = await startNats({ storeDir: join(folder.path, "nats"), config });
    stack.defer(() => nats.stop());
    const health = `127.0.0.1:${await freePort()}`;
    const controller = await launchService(
      "endpoint-controller",
      `--kubeconfig=${cluster.kubeconfig}`,
      `--nats-url=${nats.url}`,
      "--nats-user=ec",
      "--nats-password=p",
      `--health-address=${health}`,
    );
    stack.defer(() => controller.stop());
    const follow = async (bucket: string, kind: "namespace" | "pod"): Promise<FeedView> => {
      const credentials = { servers: nats.url, user: "all", password: "p", bucket };
      const feed = createNatsFeed({ ...credentials, clock: systemClock, random: seededRandom(1), log: silentLogger });
      await feed.start();
      stack.defer(() => feed.stop());
      const view = new FeedView();
      feed.follow({ kinds: [kind], apply: (batch) => void view.apply(batch) });
      return view;
    };
    const main = await follow(DEFAULT_BUCKET, "namespace");
    const pods = await follow(podBucket(DEFAULT_BUCKET), "pod");
    const ready = async (): Promise<string> => (await fetch(`http://${health}/readyz`)).text();
    return { main, pods, ready, controller, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  }

  test("needs no more than the writer's permissions for both feeds", async () => {
    await using it = await run(feedWriterPermissions());
    await eventually(async () => expect(await it.ready()).toBe("ok"), patience);
    await eventually(() => expect([...it.main.namespaces]).toContain("default"), patience);
    await eventually(() => expect(it.pods.values.has(podFeedKey("default", "web-1"))).toBe(true), patience);
  });

  test("publishes the main feed without those for pods, and says what it lacks", async () => {
    await using it = await run(mainOnly(feedWriterPermissions()));
    await eventually(() => expect([...it.main.namespaces]).toContain("default"), patience);
    await eventually(async () => expect(await it.ready()).toContain("waiting for the bus to take the pods"), patience);
    await eventually(() => expect(it.controller.stdout()).toMatch(/[Pp]ermissions Violation.*fairlead-pods/), patience);
    expect(it.pods.values.size).toBe(0);
  });
});
