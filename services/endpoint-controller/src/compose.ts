/** Everything that the endpoint-controller is made of. */
import type { ChangePublisher } from "@fairlead/bus";
import { createNatsPublisher, natsOptions, podBucket } from "@fairlead/bus/nats";
import { createHealthServer, createMetrics, ServiceStack } from "@fairlead/host";
import type { HealthServer, Logger, Metrics, Startable } from "@fairlead/host";
import { createWiring, token } from "@fairlead/host/wiring";
import type { Wiring } from "@fairlead/host/wiring";
import { connect } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import type { Clock, Random } from "@fairlead/types";
import type { EndpointControllerConfig } from "./config.ts";
import { EndpointController } from "./controller.ts";
import { endpointControllerMetrics } from "./metrics.ts";

/** What the process gives. */
export interface Given {
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Publishes on a feed of this process; without it `natsUrl` is needed. */
  readonly publisher?: ChangePublisher;
  /** Publishes on a feed of pods of this process; without it, and with `publisher`, there is none. */
  readonly podPublisher?: ChangePublisher;
}

/** A composed service. */
export interface EndpointControllerService extends Startable {
  /** Base URL of the health server; throws before start. */
  readonly healthUrl: string;
}

/** A publisher, and its own life where it has one. */
interface Publishing {
  readonly publisher: ChangePublisher;
  /** Undefined where nobody is to follow pods. */
  readonly podPublisher: ChangePublisher | undefined;
  readonly start: () => Promise<void>;
}

export const tokens = {
  client: token<KubeClient>("client"),
  metrics: token<Metrics>("metrics"),
  health: token<HealthServer>("health"),
  publishing: token<Publishing>("publishing"),
  controller: token<EndpointController>("controller"),
};

/** Binds every part; makes none. */
export function wireEndpointController(config: EndpointControllerConfig, given: Given): Wiring {
  const { log, clock, random } = given;
  const wiring = createWiring();
  wiring.bind(tokens.client, () => connect({ clock, kubeconfig: config.kubeconfig }));
  wiring.bind(tokens.metrics, () => createMetrics({ process: true }));
  wiring.bind(tokens.publishing, () => publishing(config, given));
  wiring.bind(
    tokens.controller,
    (resolve) =>
      new EndpointController({
        client: resolve(tokens.client),
        publisher: resolve(tokens.publishing).publisher,
        podPublisher: resolve(tokens.publishing).podPublisher,
        mode: config.mode,
        metrics: endpointControllerMetrics(resolve(tokens.metrics)),
        log,
        clock,
        random,
      }),
  );
  wiring.bind(tokens.health, (resolve) => {
    const health = createHealthServer({ address: config.healthAddress, metrics: resolve(tokens.metrics), log });
    const controller = resolve(tokens.controller);
    health.ready("controller", () => controller.whyNotReady());
    health.live("controller", () => controller.whyNotLive());
    return health;
  });
  return wiring;
}

/** The service, not yet started. Throws InvalidInputError where the configuration leads nowhere. */
export function composeEndpointController(config: EndpointControllerConfig, given: Given): EndpointControllerService {
  const { resolve } = wireEndpointController(config, given);
  const health = resolve(tokens.health);
  const { start } = resolve(tokens.publishing);
  const stack = new ServiceStack({
    name: "endpoint-controller",
    // The controller closes the publisher: what it publishes last goes out before.
    parts: [health, { name: "publisher", start, stop: () => Promise.resolve() }, resolve(tokens.controller)],
    log: given.log,
    clock: given.clock,
  });
  return {
    name: stack.name,
    start: () => stack.start(),
    stop: () => stack.stop(),
    get healthUrl() {
      return health.url;
    },
  };
}

function publishing(config: EndpointControllerConfig, given: Given): Publishing {
  const { log, clock, random, publisher, podPublisher } = given;
  const pods = config.podFeed === "on";
  if (publisher !== undefined) {
    return { publisher, podPublisher: pods ? podPublisher : undefined, start: () => Promise.resolve() };
  }
  const options = { ...natsOptions(config), replicas: config.natsReplicas, clock, random };
  const nats = createNatsPublisher({ ...options, log });
  if (!pods) return { publisher: nats, podPublisher: undefined, start: () => nats.start() };
  const natsPods = createNatsPublisher({
    ...options,
    bucket: podBucket(config.natsBucket),
    name: "fairlead-publisher-pods",
    log: log.child({ feed: "pods" }),
  });
  return {
    publisher: nats,
    podPublisher: natsPods,
    start: async () => {
      await nats.start();
      await natsPods.start();
    },
  };
}
