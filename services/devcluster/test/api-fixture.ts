/** An API over a store in memory, or at a path, with the real rules of every resource. */
import type { ConfigMap, KubeObject, Service } from "@fairlead/kube/objects";
import { FakeClock, seededRandom } from "@fairlead/testkit";
import { cidr } from "@fairlead/types";
import { ApiError } from "../src/api/errors.ts";
import { createClusterApi, type Registry } from "../src/api/registry.ts";
import { SqliteObjectStore } from "../src/store/sqlite-object-store.ts";
import { createStrategies } from "../src/strategies/index.ts";
import { resourceNames } from "../src/strategies/names.ts";

export interface ApiFixture {
  readonly api: Registry;
  readonly store: SqliteObjectStore;
  readonly clock: FakeClock;
  /** What watch handlers and strategies threw. */
  readonly errors: unknown[];
}

export const ranges = {
  serviceCidr: cidr("127.96.0.0/16"),
  podCidr: cidr("127.244.0.0/16"),
  nodePortRange: { first: 30_000, last: 32_767 },
};

export async function openApi(options: { path?: string; clock?: FakeClock } = {}): Promise<ApiFixture> {
  const store = new SqliteObjectStore({ path: options.path ?? ":memory:" });
  const clock = options.clock ?? new FakeClock();
  const random = seededRandom(1);
  const errors: unknown[] = [];
  const api = createClusterApi({
    store,
    resources: resourceNames,
    strategies: createStrategies({ config: ranges, clock, random }),
    clock,
    random,
    onError: (error) => errors.push(error),
  });
  store.open();
  await api.start();
  if (!api.find("namespaces", undefined, "default")) api.create("namespaces", { metadata: { name: "default" } });
  return { api, store, clock, errors };
}

export function configMap(name: string, extra: { labels?: Record<string, string>; value?: string } = {}): ConfigMap {
  return {
    metadata: { name, namespace: "default", ...(extra.labels ? { labels: extra.labels } : {}) },
    data: { value: extra.value ?? "" },
  };
}

export function service(name: string, spec: NonNullable<Service["spec"]> = {}): Service {
  return { metadata: { name, namespace: "default" }, spec: { ports: [{ port: 80 }], ...spec } };
}

/** The ApiError that the action throws. */
export function refusal(action: () => unknown): ApiError {
  try {
    action();
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

export function names(objects: readonly KubeObject[]): (string | undefined)[] {
  return objects.map((object) => object.metadata?.name);
}
