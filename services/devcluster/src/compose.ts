/** The dev cluster, put together. */
import { join } from "node:path";
import { createHealthServer, createMetrics, ServiceStack } from "@fairlead/host";
import type { Given, HealthServer, Startable } from "@fairlead/host";
import { createWiring, token } from "@fairlead/host/wiring";
import type { Wiring } from "@fairlead/host/wiring";
import { bigIntToAddress, cidrParts } from "@fairlead/types";
import { createClusterApi, type Registry } from "./api/registry.ts";
import type { Strategies } from "./api/strategy.ts";
import type { DevclusterConfig } from "./config.ts";
import { createControllers } from "./controllers/index.ts";
import { createNodeAgents, type NodeAgentStack } from "./node-agent/index.ts";
import { applyPatch } from "./patch/index.ts";
import { serverSideApply, trackWrite } from "./patch/server-side-apply.ts";
import { loadSchemas } from "./schema/index.ts";
import { ApiServer } from "./server/api-server.ts";
import { Bootstrap } from "./server/bootstrap.ts";
import { ClusterMetrics } from "./server/cluster-metrics.ts";
import { Credentials } from "./server/credentials.ts";
import { LoadedSchemas } from "./server/loaded-schemas.ts";
import type { ServerParts } from "./server/parts.ts";
import { SqliteObjectStore } from "./store/sqlite-object-store.ts";
import { createStrategies } from "./strategies/index.ts";
import { resourceNames } from "./strategies/names.ts";
import { toTable } from "./table/index.ts";

/** Where the API listens for programs of this machine. */
const apiAddress = "127.0.0.1";

/** A composed dev cluster. */
export interface Devcluster extends Startable {
  /** Path of the kubeconfig; the file is there once started. */
  readonly kubeconfig: string;
  /** `https://127.0.0.1:PORT`; with the port as bound once started. */
  readonly apiUrl: string;
  readonly nodes: readonly { readonly name: string; readonly address: string }[];
  /** `http://HOST:PORT` of /healthz, /readyz, /livez and /metrics; throws before the start. */
  readonly healthUrl: string;
}

/** What is bound; exported for the test that makes every one. */
export const parts = {
  api: token<Registry>("api"),
  bootstrap: token<Bootstrap>("bootstrap"),
  controllers: token<readonly Startable[]>("controllers"),
  credentials: token<Credentials>("credentials"),
  health: token<HealthServer>("health"),
  metrics: token<ClusterMetrics>("metrics"),
  nodeAgents: token<NodeAgentStack>("node agents"),
  schemas: token<LoadedSchemas>("schemas"),
  server: token<ApiServer>("server"),
  store: token<SqliteObjectStore>("store"),
  strategies: token<Strategies>("strategies"),
};

/** Binds everything. Nothing is opened before it is started. */
export function wireDevcluster(config: DevclusterConfig, { log, clock, random }: Given): Wiring {
  const wiring = createWiring();
  wiring.bind(parts.store, () => new SqliteObjectStore({ path: join(config.stateDir, "devcluster.db") }));
  wiring.bind(parts.strategies, () => createStrategies({ config, clock, random }));
  wiring.bind(parts.api, (get) =>
    createClusterApi({
      store: get(parts.store),
      resources: resourceNames,
      strategies: get(parts.strategies),
      clock,
      random,
      onError: (error) => log.error("a watcher or a strategy failed", { error }),
    }),
  );
  wiring.bind(parts.schemas, () => new LoadedSchemas({ load: loadSchemas }));
  wiring.bind(
    parts.credentials,
    () =>
      new Credentials({
        stateDir: config.stateDir,
        hosts: [...apiAddresses(config), "localhost", ...serviceNames(config)],
        clock,
      }),
  );
  wiring.bind(parts.metrics, (get) => {
    const api = get(parts.api);
    return new ClusterMetrics({
      metrics: createMetrics({ process: true }),
      objects: () => resourceNames.map(({ resource }) => [resource, api.list(resource).items.length] as const),
    });
  });
  wiring.bind(parts.server, (get) => {
    const nodeAgents = get(parts.nodeAgents);
    const serverParts: ServerParts = {
      api: get(parts.api),
      resources: resourceNames,
      schemas: get(parts.schemas),
      applyPatch,
      ownership: { serverSideApply, trackWrite },
      toTable,
      podLog: (request) => nodeAgents.podLog(request),
      clock,
      random,
    };
    return new ApiServer({
      addresses: apiAddresses(config),
      port: config.apiPort,
      credentials: () => get(parts.credentials).certificates,
      parts: serverParts,
      observe: (answer) => get(parts.metrics).count(answer),
      log,
    });
  });
  wiring.bind(
    parts.bootstrap,
    (get) =>
      new Bootstrap({
        api: get(parts.api),
        serviceCidr: config.serviceCidr,
        podCidr: config.podCidr,
        apiAddress: () => ({ address: config.advertiseAddress, port: get(parts.server).port }),
        clock,
        log,
      }),
  );
  wiring.bind(parts.nodeAgents, (get) => createNodeAgents({ api: get(parts.api), clock, random, log, config }));
  wiring.bind(parts.controllers, (get) => createControllers({ api: get(parts.api), clock, random, log }));
  wiring.bind(parts.health, (get) => {
    const health = createHealthServer({ address: config.healthAddress, metrics: get(parts.metrics).exposed, log });
    health.ready("api", () => (get(parts.server).serving ? undefined : "the API is not served yet"));
    return health;
  });
  return wiring;
}

/**
 * Puts the dev cluster together. `start` settles once the API answers and the controllers and node agents work; it rejects with
 * a `StartError` whose cause says what is in the way: the state directory in use, the port taken, a file that cannot be read.
 */
export function composeDevcluster(config: DevclusterConfig, given: Given): Devcluster {
  const { resolve } = wireDevcluster(config, given);
  const server = resolve(parts.server);
  const credentials = resolve(parts.credentials);
  const nodeAgents = resolve(parts.nodeAgents);
  const health = resolve(parts.health);
  const url = (): string => `https://${apiAddress}:${server.port || config.apiPort}`;
  const opening: Startable = {
    name: "API",
    async start() {
      credentials.writeKubeconfig(url());
      server.open();
    },
    // It is served to the end, so that those who watch see the pods go.
    async stop() {},
  };
  const stack = new ServiceStack({
    name: "devcluster",
    // The port is taken early, so that one that is in use is known before anything runs; requests wait for the opening.
    parts: [
      resolve(parts.store),
      resolve(parts.api),
      resolve(parts.schemas),
      credentials,
      server,
      resolve(parts.bootstrap),
      nodeAgents,
      ...resolve(parts.controllers),
      opening,
      health,
    ],
    log: given.log,
    clock: given.clock,
  });
  return {
    name: stack.name,
    start: () => stack.start(),
    stop: () => stack.stop(),
    kubeconfig: credentials.kubeconfig,
    get apiUrl() {
      return url();
    },
    nodes: nodeAgents.nodes,
    get healthUrl() {
      return health.url;
    },
  };
}

function apiAddresses({ advertiseAddress }: DevclusterConfig): readonly string[] {
  return [...new Set([apiAddress, advertiseAddress])];
}

/** What pods in a real cluster call the API: the names and the address of the Service `kubernetes`. */
function serviceNames({ clusterDomain, serviceCidr }: DevclusterConfig): string[] {
  const { first, family } = cidrParts(serviceCidr);
  const service = "kubernetes.default.svc";
  return [
    "kubernetes",
    "kubernetes.default",
    service,
    `${service}.${clusterDomain}`,
    bigIntToAddress(first + 1n, family),
  ];
}
