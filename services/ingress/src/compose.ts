/** The ingress, put together. */
import type { ChangeFeed } from "@fairlead/bus";
import { feedSource } from "@fairlead/bus/nats";
import type { FeedSource } from "@fairlead/bus/nats";
import { createHealthServer, createMetrics, ServiceStack } from "@fairlead/host";
import type { Given, HealthServer, Startable } from "@fairlead/host";
import { createWiring, token } from "@fairlead/host/wiring";
import type { Wiring } from "@fairlead/host/wiring";
import { connect, EventRecorder } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import { cidrMatcher } from "@fairlead/types";
import type { IngressConfig } from "./config.ts";
import { Controller } from "./control/controller.ts";
import { IngressMetrics } from "./ingress-metrics.ts";
import { Gateway } from "./proxy/gateway.ts";
import { Listeners } from "./proxy/listeners.ts";
import { UpstreamSet } from "./proxy/upstreams.ts";

/** What the ingress gets from outside. */
export interface IngressGiven extends Given {
  /** The feed to follow where the configuration names no bus. */
  readonly feed?: ChangeFeed;
}

/** A composed ingress. The URLs throw before the start. */
export interface IngressService extends Startable {
  /** Base URL of /healthz, /readyz, /livez and /metrics. */
  readonly healthUrl: string;
  /** Where HTTP and HTTPS are served, as bound. */
  readonly http: string;
  readonly https: string;
}

/** What is bound; exported for the test that makes every one. */
export const parts = {
  client: token<KubeClient>("client"),
  controller: token<Controller>("controller"),
  feed: token<FeedSource>("feed"),
  gateway: token<Gateway>("gateway"),
  health: token<HealthServer>("health"),
  listeners: token<Listeners>("listeners"),
  metrics: token<IngressMetrics>("metrics"),
  upstreams: token<UpstreamSet>("upstreams"),
};

/** Binds everything. Nothing is opened before it is started. */
export function wireIngress(config: IngressConfig, given: IngressGiven): Wiring {
  const { clock, log, random } = given;
  const wiring = createWiring();
  const registry = createMetrics({ process: true });
  wiring.bind(parts.client, () =>
    connect({ clock, ...(config.kubeconfig === undefined ? {} : { kubeconfig: config.kubeconfig }) }),
  );
  wiring.bind(parts.feed, () => feedSource(config, given, "ingress"));
  wiring.bind(parts.metrics, () => new IngressMetrics(registry));
  wiring.bind(parts.upstreams, () => new UpstreamSet({ random, scheduler: config.scheduler }));
  // The port of redirects is known once the listeners are bound, which are made after the gateway.
  let httpsPort = (): number => 443;
  wiring.bind(
    parts.gateway,
    (get) =>
      new Gateway({
        upstreams: get(parts.upstreams),
        metrics: get(parts.metrics),
        settings: {
          connectTimeoutMs: config.connectTimeout,
          readTimeoutMs: config.readTimeout,
          sendTimeoutMs: config.sendTimeout,
          maxBodyBytes: config.maxBodyBytes,
          sslRedirect: config.sslRedirect,
          httpsPort: () => config.publicHttpsPort ?? httpsPort(),
          isTrusted: config.trustedProxies.length === 0 ? () => false : cidrMatcher(config.trustedProxies),
        },
        clock,
        random,
        log,
      }),
  );
  wiring.bind(parts.controller, (get) => {
    const client = get(parts.client);
    return new Controller({
      client,
      feed: get(parts.feed).feed,
      gateway: get(parts.gateway),
      upstreams: get(parts.upstreams),
      events: new EventRecorder({ client, component: "fairlead-ingress", clock, log }),
      classes: { ingressClass: config.ingressClass, controllerName: config.controllerName },
      addresses: config.publishAddress,
      metrics: get(parts.metrics),
      clock,
      random,
      log,
    });
  });
  wiring.bind(parts.listeners, (get) => {
    const { certificates } = get(parts.controller);
    const listeners = new Listeners({
      httpAddress: config.httpAddress,
      httpsAddress: config.httpsAddress,
      gateway: get(parts.gateway),
      certificate: (name) => certificates.find(name),
      drainMs: config.drainTimeout,
      clock,
      log,
    });
    httpsPort = () => listeners.httpsPort;
    return listeners;
  });
  wiring.bind(parts.health, (get) => {
    const health = createHealthServer({ address: config.healthAddress, metrics: registry, log });
    const controller = get(parts.controller);
    health.ready("routes", () => controller.whyNotReady());
    return health;
  });
  return wiring;
}

/** Puts the ingress together; throws where it would have nothing to follow. */
export function composeIngress(config: IngressConfig, given: IngressGiven): IngressService {
  const { resolve } = wireIngress(config, given);
  const health = resolve(parts.health);
  const listeners = resolve(parts.listeners);
  const client = resolve(parts.client);
  const stack = new ServiceStack({
    name: "ingress",
    parts: [
      health,
      { name: "API client", start: () => Promise.resolve(), stop: () => Promise.resolve(client.transport.close()) },
      ...resolve(parts.feed).parts,
      resolve(parts.controller),
      listeners,
    ],
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
    get http() {
      return listeners.http;
    },
    get https() {
      return listeners.https;
    },
  };
}
