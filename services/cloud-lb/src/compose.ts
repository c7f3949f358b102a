/** Everything that cloud-lb is made of. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { createHealthServer, createMetrics, ServiceStack } from "@fairlead/host";
import type { HealthServer, Logger, Metrics, Startable } from "@fairlead/host";
import { createWiring, token } from "@fairlead/host/wiring";
import type { Wiring } from "@fairlead/host/wiring";
import { connect, EventRecorder } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import { InvalidInputError } from "@fairlead/types";
import type { Clock, Random } from "@fairlead/types";
import type { CloudLbConfig } from "./config.ts";
import { aboutService, CloudLbController } from "./controller.ts";
import { growingClock } from "./event-clock.ts";
import { cloudLbMetrics } from "./metrics.ts";
import { PoolFile } from "./providers/pool/pool-file.ts";
import { PoolProvider } from "./providers/pool/pool-provider.ts";
import { solePool } from "./providers/pool/pool.ts";

/** What the process gives. */
export interface Given {
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** A composed service. */
export interface CloudLbService extends Startable {
  /** Base URL of the health server; throws before start. */
  readonly healthUrl: string;
}

export const tokens = {
  client: token<KubeClient>("client"),
  recorder: token<EventRecorder>("recorder"),
  metrics: token<Metrics>("metrics"),
  health: token<HealthServer>("health"),
  provider: token<PoolProvider>("provider"),
  /** What keeps the provider's configuration up to date; absent where it has none. */
  poolFile: token<PoolFile | undefined>("poolFile"),
  controller: token<CloudLbController>("controller"),
};

/** Source component of Events: what the cloud providers' controller calls itself. */
const component = "service-controller";

/** Binds every part; makes none. */
export function wireCloudLb(config: CloudLbConfig, given: Given): Wiring {
  const { log, clock, random } = given;
  const wiring = createWiring();
  wiring.bind(tokens.metrics, () => createMetrics({ process: true }));
  wiring.bind(tokens.health, (resolve) =>
    createHealthServer({ address: config.healthAddress, metrics: resolve(tokens.metrics), log }),
  );
  if (config.provider === "none") return wiring;
  wiring.bind(tokens.client, () => connect({ clock, kubeconfig: config.kubeconfig }));
  wiring.bind(
    tokens.recorder,
    (resolve) => new EventRecorder({ client: resolve(tokens.client), component, clock: growingClock(clock), log }),
  );
  wiring.bind(tokens.provider, (resolve) => {
    const recorder = resolve(tokens.recorder);
    return new PoolProvider({
      pools: config.poolRange === undefined ? [] : solePool(config.poolRange),
      notify: (service, note) => recorder.record(aboutService(service), note),
      metrics: resolve(tokens.metrics),
      log,
    });
  });
  wiring.bind(tokens.poolFile, (resolve) => poolFile(config, given, resolve(tokens.provider)));
  wiring.bind(
    tokens.controller,
    (resolve) =>
      new CloudLbController({
        client: resolve(tokens.client),
        recorder: resolve(tokens.recorder),
        provider: resolve(tokens.provider),
        loadBalancerClass: config.loadBalancerClass,
        lease: { namespace: config.leaseNamespace, name: config.leaseName },
        identity: `${hostname()}_${randomUUID()}`,
        metrics: cloudLbMetrics(resolve(tokens.metrics)),
        clock,
        random,
        log,
      }),
  );
  return wiring;
}

/** The service, not yet started. Throws InvalidInputError where the configuration leads nowhere. */
export function composeCloudLb(config: CloudLbConfig, given: Given): CloudLbService {
  const { resolve } = wireCloudLb(config, given);
  const health = resolve(tokens.health);
  const parts: Startable[] = [health];
  if (config.provider === "none") {
    given.log.notice("no provider is configured: LoadBalancer Services get no address and answer on their node ports");
  } else {
    const controller = resolve(tokens.controller);
    health.ready("controller", () => controller.whyNotReady());
    const file = resolve(tokens.poolFile);
    // Its pools come first: what Services hold is only known beside them.
    parts.push(...(file ? [file] : []), controller);
  }
  const stack = new ServiceStack({ name: "cloud-lb", parts, log: given.log, clock: given.clock });
  return {
    name: stack.name,
    start: () => stack.start(),
    stop: () => stack.stop(),
    get healthUrl() {
      return health.url;
    },
  };
}

function poolFile(config: CloudLbConfig, { clock, log }: Given, provider: PoolProvider): PoolFile | undefined {
  if (config.poolRange !== undefined) return undefined;
  if (config.pools === undefined) throw new InvalidInputError("pools", "is required: a file of address pools");
  return new PoolFile({
    path: config.pools,
    clock,
    log,
    onPools: (pools) => provider.offer(pools),
    onFault: () => provider.faulty(),
  });
}
