/** The ingress, put together. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { ChangeFeed } from "@fairlead/bus";
import { feedSource } from "@fairlead/bus/nats";
import type { FeedSource } from "@fairlead/bus/nats";
import { createPicker, withClientIpAffinity } from "@fairlead/balancing";
import { createHealthServer, createMetrics, ServiceStack } from "@fairlead/host";
import type { Given, HealthServer, Startable } from "@fairlead/host";
import { createWiring, token } from "@fairlead/host/wiring";
import type { Wiring } from "@fairlead/host/wiring";
import { connect, EventRecorder } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import { cidrMatcher } from "@fairlead/types";
import type { IngressConfig } from "./config.ts";
import { Controller } from "./control/controller.ts";
import { StatusLeader } from "./control/status-leader.ts";
import { IngressMetrics } from "./ingress-metrics.ts";
import { collectedMetrics, PortMetrics } from "./l4/port-metrics.ts";
import { PortServices } from "./l4/port-services.ts";
import type { OwnDoor } from "./l4/port-plan.ts";
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
  events: token<EventRecorder>("events"),
  feed: token<FeedSource>("feed"),
  gateway: token<Gateway>("gateway"),
  health: token<HealthServer>("health"),
  listeners: token<Listeners>("listeners"),
  metrics: token<IngressMetrics>("metrics"),
  portMetrics: token<PortMetrics>("port metrics"),
  ports: token<PortServices>("ports"),
  statusLeader: token<StatusLeader>("status leader"),
  upstreams: token<UpstreamSet>("upstreams"),
};

/** Binds everything. Nothing is opened before it is started. */
export function wireIngress(config: IngressConfig, given: IngressGiven): Wiring {
  const { clock, log, random } = given;
  const wiring = createWiring();
  const registry = createMetrics({ process: true });
  wiring.bind(parts.client, () => connect({ clock, kubeconfig: config.kubeconfig }));
  wiring.bind(parts.feed, () => feedSource(config, given, "ingress"));
  wiring.bind(
    parts.events,
    (get) => new EventRecorder({ client: get(parts.client), component: "fairlead-ingress", clock, log }),
  );
  wiring.bind(parts.metrics, () => new IngressMetrics(registry));
  wiring.bind(parts.portMetrics, () => new PortMetrics(registry));
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
      events: get(parts.events),
      classes: { ingressClass: config.ingressClass, controllerName: config.controllerName },
      addresses: config.publishAddress,
      onFeed: (services, view) => get(parts.ports).update(services, view),
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
  wiring.bind(parts.statusLeader, (get) => {
    const { leaseNamespace, leaseName, podNamespace, podName, updateStatusOnShutdown } = config;
    const pod = podName === undefined ? undefined : { namespace: podNamespace ?? "default", name: podName };
    return new StatusLeader({
      client: get(parts.client),
      status: get(parts.controller).status,
      lease: { namespace: leaseNamespace, name: leaseName },
      identity: `${podName ?? hostname()}-${randomUUID()}`,
      pod,
      takesBack: updateStatusOnShutdown,
      metrics: get(parts.metrics),
      clock,
      log,
    });
  });
  // What the ingress listens at itself is known once the listeners are bound, which is before the first port is.
  let doors = (): readonly OwnDoor[] => [];
  wiring.bind(
    parts.ports,
    (get) =>
      new PortServices({
        client: get(parts.client),
        tcp: config.tcpServicesConfigmap,
        udp: config.udpServicesConfigmap,
        tcpAddress: config.tcpAddress,
        udpAddress: config.udpAddress,
        doors: () => doors(),
        makePicker: (scheduler, affinityMs) => {
          const picker = createPicker(scheduler ?? config.scheduler, { random });
          return affinityMs === undefined ? picker : withClientIpAffinity(picker, { timeoutMs: affinityMs, clock });
        },
        connectTimeoutMs: config.connectTimeout,
        udpTimeoutMs: config.udpTimeout,
        drainMs: config.drainTimeout,
        events: get(parts.events),
        metrics: get(parts.portMetrics),
        clock,
        random,
        log,
      }),
  );
  wiring.bind(parts.health, (get) => {
    const ports = get(parts.ports);
    const metrics = collectedMetrics(registry, () => get(parts.portMetrics).collect(() => ports.counters()));
    const health = createHealthServer({ address: config.healthAddress, metrics, log });
    const controller = get(parts.controller);
    const listeners = get(parts.listeners);
    doors = () => [
      door("HTTP", listeners.http),
      door("HTTPS", listeners.https),
      door("health and metrics", health.url),
    ];
    health.ready("ports", () => ports.whyNotReady());
    health.ready("routes", () => controller.whyNotReady());
    return health;
  });
  return wiring;
}

/** Parts that stop at the same time, so that all may take the whole time for it. They start in order. */
function besideEachOther(name: string, members: readonly Startable[]): Startable {
  return {
    name,
    start: async () => {
      for (const member of members) await member.start();
    },
    stop: async () => {
      await Promise.all(members.map((member) => member.stop()));
    },
  };
}

function door(what: string, url: string): OwnDoor {
  const { hostname, port, protocol } = new URL(url);
  const usual = protocol === "https:" ? 443 : 80;
  return { what, host: hostname.replaceAll(/[[\]]/g, ""), port: port === "" ? usual : Number(port) };
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
      besideEachOther("doors and status", [listeners, resolve(parts.ports), resolve(parts.statusLeader)]),
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
