/** A node agent over the real API, in memory, on addresses of its own. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger, systemClock } from "@fairlead/host";
import type { Pod } from "@fairlead/kube/objects";
import { eventually, seededRandom, temporaryDirectory } from "@fairlead/testkit";
import type { Cidr, Clock } from "@fairlead/types";
import { createClusterApi } from "../src/api/registry.ts";
import type { Registry } from "../src/api/registry.ts";
import { createNodeAgents } from "../src/node-agent/index.ts";
import type { NodeAgentConfig, NodeAgentStack } from "../src/node-agent/index.ts";
import { SqliteObjectStore } from "../src/store/sqlite-object-store.ts";
import { createStrategies } from "../src/strategies/index.ts";
import { resourceNames } from "../src/strategies/names.ts";

/** The table that ships with Fairlead. */
export const exampleImages = fileURLToPath(new URL("../../../examples/images.yaml", import.meta.url));

/** A cluster of nodes without a scheduler: tests place pods themselves. */
export interface Harness extends AsyncDisposable {
  readonly api: Registry;
  readonly stateDir: string;
  readonly agents: NodeAgentStack;
  readonly errors: unknown[];
  /** Creates a pod on node-1 unless `spec` says otherwise. */
  run(name: string, spec: Partial<NonNullable<Pod["spec"]>>, metadata?: Pod["metadata"]): Pod;
  pod(name: string): Pod;
  /** Waits until `check` does not throw for the pod, and returns it. */
  until(name: string, check: (pod: Pod) => void, timeoutMs?: number): Promise<Pod>;
  log(name: string, options?: object): Promise<string>;
  events(reason: string): string[];
  /** Stops the agents and starts new ones over the same API and directory, for two nodes unless told. */
  restart(nodes?: number): Promise<void>;
}

/**
 * Starts a harness; `slot` picks the pod range (127.244.<16 × slot>.0/20), where `config` does not. With a `stateDir` its objects are
 * durable.
 */
export async function startHarness(options: {
  slot: number;
  clock?: Clock;
  images?: string;
  stateDir?: string;
  config?: Partial<NodeAgentConfig>;
}): Promise<Harness> {
  const { slot, clock = systemClock, images = exampleImages } = options;
  const temporary = options.stateDir === undefined ? await temporaryDirectory() : undefined;
  const stateDir = temporary?.path ?? options.stateDir ?? "";
  const podCidr = options.config?.podCidr ?? (`127.244.${16 * slot}.0/20` as Cidr);
  const store = new SqliteObjectStore({ path: temporary ? ":memory:" : join(stateDir, "objects.db") });
  store.open();
  const random = seededRandom(1);
  const serviceCidr = "127.96.0.0/16" as Cidr;
  const nodePortRange = { first: 30000, last: 32767 };
  const strategies = createStrategies({ config: { serviceCidr, nodePortRange, podCidr }, clock, random });
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const api = createClusterApi({ store, resources: resourceNames, strategies, clock, random, onError });
  await api.start();
  for (const name of ["default", "other"]) {
    if (!api.find("namespaces", undefined, name)) api.create("namespaces", { metadata: { name } });
  }
  const make = (nodes = 2): NodeAgentStack =>
    createNodeAgents({
      api,
      clock,
      random,
      log: silentLogger,
      config: { stateDir, nodes, nodeCidr: "127.64.0.0/24" as Cidr, images, ...options.config, podCidr },
    });
  let agents = make();
  await agents.start();
  const pod = (name: string): Pod => api.get("pods", "default", name);
  return {
    api,
    errors,
    stateDir,
    get agents() {
      return agents;
    },
    run: (name, spec, metadata = {}) =>
      api.create("pods", {
        metadata: { ...metadata, name, namespace: "default" },
        spec: { nodeName: "node-1", containers: [], ...spec },
      }),
    pod,
    until: (name, check, timeoutMs = 10_000) =>
      eventually(
        () => {
          const found = pod(name);
          check(found);
          return found;
        },
        { timeoutMs },
      ),
    async log(name, request = {}) {
      const pieces: Uint8Array[] = [];
      for await (const piece of agents.podLog({ namespace: "default", name, ...request })) pieces.push(piece);
      return Buffer.concat(pieces).toString("utf8");
    },
    events: (reason) =>
      api
        .list("events")
        .items.filter((event) => event.reason === reason)
        .map((event) => event.message ?? ""),
    async restart(nodes) {
      await agents.stop();
      agents = make(nodes);
      await agents.start();
    },
    async [Symbol.asyncDispose]() {
      await agents.stop();
      await api.stop();
      await store.stop();
      await temporary?.remove();
    },
  };
}

/** One container `app` with this command. */
export function shell(script: string, more: object = {}): { name: string; image: string; command: string[] } {
  return { name: "app", image: "example/app", command: ["sh", "-c", script], ...more };
}

/** Whether the pod's Ready condition is True. */
export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}
