/** An API with an empty store in memory, for tests of strategies and controllers. */
import type { Namespace, Service } from "@fairlead/kube/objects";
import { addressPlan, FakeClock, seededRandom } from "@fairlead/testkit";
import type { Cidr, Clock } from "@fairlead/types";
import { ApiError } from "../src/api/errors.ts";
import { createClusterApi } from "../src/api/registry.ts";
import type { Registry } from "../src/api/registry.ts";
import { SqliteObjectStore } from "../src/store/sqlite-object-store.ts";
import { createStrategies } from "../src/strategies/index.ts";
import type { StrategyConfig } from "../src/strategies/index.ts";
import { resourceNames } from "../src/strategies/names.ts";

export interface TestCluster extends AsyncDisposable {
  readonly api: Registry;
  readonly clock: FakeClock;
  /** What watch handlers threw: a test should find it empty. */
  readonly errors: unknown[];
}

export const testConfig: StrategyConfig = {
  serviceCidr: addressPlan.services,
  podCidr: addressPlan.pods,
  nodePortRange: { first: 30_000, last: 32_767 },
};

export const secondRange = "fd00:96::/112" as Cidr;

/** Starts one, with the namespaces `default` and `other`. */
export async function testCluster(config: StrategyConfig = testConfig): Promise<TestCluster> {
  const clock = new FakeClock();
  const store = new SqliteObjectStore({ path: ":memory:" });
  await store.start();
  const errors: unknown[] = [];
  const api = createApi(store, config, clock, errors);
  await api.start();
  for (const name of ["default", "other"]) api.create("namespaces", { metadata: { name } } satisfies Namespace);
  return {
    api,
    clock,
    errors,
    async [Symbol.asyncDispose]() {
      await api.stop();
      await store.stop();
    },
  };
}

/** Another API over the same store, as after a restart. */
export function createApi(store: SqliteObjectStore, config: StrategyConfig, clock: Clock, errors: unknown[]): Registry {
  const random = seededRandom(42);
  const strategies = createStrategies({ config, clock, random });
  return createClusterApi({
    store,
    resources: resourceNames,
    strategies,
    clock,
    random,
    onError: (error) => errors.push(error),
  });
}

/** A Service with one port, changed by `spec`. */
export function service(name: string, spec: NonNullable<Service["spec"]> = {}): Service {
  return {
    metadata: { name, namespace: "default" },
    spec: { ports: [{ port: 80 }], selector: { app: name }, ...spec },
  };
}

/** The status that a refused request answers with. */
export function refusal(request: () => unknown): { code: number; reason: string; message: string } {
  try {
    request();
  } catch (error) {
    if (error instanceof ApiError) return error.status;
    throw error;
  }
  throw new Error("the request was not refused");
}
