/** A cluster for tests of controllers: the API, every controller, two nodes, and a stand-in for the agents on them. */
import type { Startable } from "@fairlead/host";
import type { Deployment, Pod, PodTemplateSpec, ReplicaSet } from "@fairlead/kube/objects";
import { addressPlan, RecordingLogger, seededRandom } from "@fairlead/testkit";
import { createControllers } from "../src/controllers/index.ts";
import { testCluster } from "./strategy-cluster.ts";
import type { TestCluster } from "./strategy-cluster.ts";

export interface ControlledCluster extends TestCluster {
  readonly log: RecordingLogger;
  /** Lets everything that can happen without time passing happen. */
  settle(): Promise<void>;
  /** Lets time pass, in steps of a second, settling after each. */
  pass(seconds: number): Promise<void>;
  /** Stops the controllers and starts new ones, as a restart of the process does. */
  restart(): Promise<void>;
  pods(selector?: string): Pod[];
  setReady(pod: Pod, ready: boolean): void;
  /** Reasons and messages of the Events about an object, oldest first. */
  eventsOf(kind: string, name: string): string[];
}

/** Rounds of controllers and agents after which a cluster that still changes is taken to be in a loop. */
const settleRounds = 100;

export interface ControlledOptions {
  /** Pods are ready as soon as they have a node; otherwise a test calls setReady. */
  readonly readyAtOnce?: boolean;
  /** Deleted pods are gone at once; otherwise they stay terminating. */
  readonly stopAtOnce?: boolean;
}

export async function controlledCluster({
  readyAtOnce = true,
  stopAtOnce = true,
}: ControlledOptions = {}): Promise<ControlledCluster> {
  const cluster = await testCluster();
  const { api, clock } = cluster;
  const log = new RecordingLogger();
  for (const n of [1, 2]) addNode(cluster, `node-${n}`);

  const setReady = (pod: Pod, ready: boolean): void => {
    const lastTransitionTime = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
    api.modify(
      "pods",
      pod.metadata?.namespace,
      pod.metadata?.name ?? "",
      (copy) => {
        const others = (copy.status?.conditions ?? []).filter(({ type }) => type !== "Ready");
        const conditions = [...others, { type: "Ready", status: ready ? "True" : "False", lastTransitionTime }];
        return { ...copy, status: { ...copy.status, phase: "Running", conditions } };
      },
      "status",
    );
  };
  const agent = (): void => {
    for (const pod of api.list("pods").items) {
      if (!pod.spec?.nodeName) continue;
      const { name = "", namespace } = pod.metadata ?? {};
      if (pod.metadata?.deletionTimestamp && stopAtOnce) api.delete("pods", namespace, name, { gracePeriodSeconds: 0 });
      else if (!pod.metadata?.deletionTimestamp && readyAtOnce && pod.status?.phase === "Pending") setReady(pod, true);
    }
  };
  const settle = async (): Promise<void> => {
    let before = "";
    for (let round = 0; before !== api.revision; round += 1) {
      if (round === settleRounds) throw new Error("the controllers do not come to rest");
      before = api.revision;
      await clock.advance(0);
      agent();
      await clock.advance(0);
    }
  };
  let controllers: readonly Startable[] = [];
  const stop = async (): Promise<void> => {
    for (const controller of [...controllers].reverse()) await controller.stop();
  };
  const restart = async (): Promise<void> => {
    await stop();
    controllers = createControllers({ api, clock, random: seededRandom(3), log });
    for (const controller of controllers) await controller.start();
    await settle();
  };
  await restart();
  return {
    ...cluster,
    log,
    settle,
    restart,
    setReady,
    async pass(seconds) {
      for (let n = 0; n < seconds; n += 1) {
        await clock.advance(1000);
        await settle();
      }
    },
    pods: (labelSelector) => [...api.list("pods", labelSelector === undefined ? {} : { labelSelector }).items],
    eventsOf: (kind, name) =>
      api
        .list("events", { fieldSelector: `involvedObject.kind=${kind},involvedObject.name=${name}` })
        .items.map((event) => `${event.reason}: ${event.message}`),
    async [Symbol.asyncDispose]() {
      await stop();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

export function addNode({ api }: TestCluster, name: string, labels: Record<string, string> = {}): void {
  api.create("nodes", { metadata: { name, labels } });
  api.modify(
    "nodes",
    undefined,
    name,
    (node) => {
      const addresses = [{ type: "InternalIP", address: addressPlan.node(1) }];
      return { ...node, status: { addresses, conditions: [{ type: "Ready", status: "True" }] } };
    },
    "status",
  );
}

export function template(app: string, image = "example.org/app:1"): PodTemplateSpec {
  return { metadata: { labels: { app } }, spec: { containers: [{ name: "main", image }] } };
}

export function replicaSet(
  name: string,
  replicas: number,
  spec: Partial<NonNullable<ReplicaSet["spec"]>> = {},
): ReplicaSet {
  return {
    metadata: { name, namespace: "default" },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: template(name), ...spec },
  };
}

export function deployment(
  name: string,
  replicas: number,
  spec: Partial<NonNullable<Deployment["spec"]>> = {},
): Deployment {
  return {
    metadata: { name, namespace: "default" },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: template(name), ...spec },
  };
}
