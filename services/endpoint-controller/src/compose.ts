/** Everything that the endpoint-controller is made of. */
import type { ChangePublisher } from "@fairlead/bus";
import { createNatsPublisher, natsOptions } from "@fairlead/bus/nats";
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
}

/** A composed service. */
export interface EndpointControllerService extends Startable {
  /** Base URL of the health server; throws before start. */
  readonly healthUrl: string;
}

/** A publisher, and its own life where it has one. */
interface Publishing {
  readonly publisher: ChangePublisher;
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
  wiring.bind(tokens.client, () =>
    connect({ clock, ...(config.kubeconfig === undefined ? {} : { kubeconfig: config.kubeconfig }) }),
  );
  wiring.bind(tokens.metrics, () => createMetrics({ process: true }));
  wiring.bind(tokens.publishing, () => publishing(config, given));
  wiring.bind(
    tokens.controller,
    (resolve) =>
      new EndpointController({
        client: resolve(tokens.client),
        publisher: resolve(tokens.publishing).publisher,
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

function publishing(config: EndpointControllerConfig, { log, clock, random, publisher }: Given): Publishing {
  if (publisher !== undefined) return { publisher, start: () => Promise.resolve() };
  const nats = createNatsPublisher({
    ...natsOptions(config),
    replicas: config.natsReplicas,
    clock,
    random,
    log,
  });
  return { publisher: nats, start: () => nats.start() };
}
