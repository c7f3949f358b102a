/** The proxy agent, put together. */
import { networkInterfaces } from "node:os";
import { createPicker, withClientIpAffinity } from "@fairlead/balancing";
import type { ChangeFeed } from "@fairlead/bus";
import { feedSource } from "@fairlead/bus/nats";
import type { FeedSource } from "@fairlead/bus/nats";
import { createHealthServer, createMetrics, ServiceStack } from "@fairlead/host";
import type { Given, HealthServer, Startable } from "@fairlead/host";
import { createWiring, token } from "@fairlead/host/wiring";
import type { Wiring } from "@fairlead/host/wiring";
import { connect, EventRecorder } from "@fairlead/kube";
import type { PickerFactory } from "@fairlead/relay";
import { ipAddress } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import type { ProxyAgentConfig } from "./config.ts";
import { DesiredState } from "./desired-state.ts";
import { logOnlyEventSink } from "./event-sink.ts";
import type { EventSink } from "./event-sink.ts";
import { HealthCheckServers } from "./health-check-servers.ts";
import { Programmer } from "./programmer.ts";
import { collectedMetrics, ProxyMetrics } from "./proxy-metrics.ts";
import { ServiceObserver } from "./service-observer.ts";
import { UserspacePlane } from "./userspace/userspace-plane.ts";

/** What the agent gets from outside. */
export interface ProxyAgentGiven extends Given {
  /** The feed to follow where the configuration names no bus. */
  readonly feed?: ChangeFeed;
  /** Where Events go; made from the kubeconfig if absent. */
  readonly events?: EventSink;
}

/** A composed agent. */
export interface ProxyAgent extends Startable {
  /** `http://host:port` of /healthz, /readyz, /livez and /metrics; throws before the start. */
  readonly healthUrl: string;
}

/** What is bound; exported for the test that makes every one. */
export const parts = {
  events: token<EventSink>("events"),
  feed: token<FeedSource>("feed"),
  health: token<HealthServer>("health"),
  healthChecks: token<HealthCheckServers>("health checks"),
  metrics: token<ProxyMetrics>("metrics"),
  observer: token<ServiceObserver>("observer"),
  pickers: token<PickerFactory>("pickers"),
  plane: token<UserspacePlane>("plane"),
  programmer: token<Programmer>("programmer"),
  state: token<DesiredState>("state"),
};

/** Binds everything. Nothing is opened before it is started. */
export function wireProxyAgent(config: ProxyAgentConfig, given: ProxyAgentGiven): Wiring {
  const { clock, log, random } = given;
  const wiring = createWiring();
  const registry = createMetrics({ process: true });
  wiring.bind(parts.events, () => given.events ?? eventSink(config, given));
  wiring.bind(parts.feed, () => feedSource(config, given, `proxy-agent ${config.nodeName}`));
  wiring.bind(parts.observer, (get) => new ServiceObserver({ events: get(parts.events), log }));
  wiring.bind(parts.pickers, () => (scheduler, affinityMs) => {
    const picker = createPicker(scheduler ?? config.scheduler, { random });
    return affinityMs === undefined ? picker : withClientIpAffinity(picker, { timeoutMs: affinityMs, clock });
  });
  wiring.bind(
    parts.plane,
    (get) =>
      new UserspacePlane({
        makePicker: get(parts.pickers),
        observer: get(parts.observer),
        clock,
        log,
        connectTimeoutMs: config.connectTimeout,
        udpTimeoutMs: config.udpTimeout,
      }),
  );
  wiring.bind(
    parts.metrics,
    (get) => new ProxyMetrics({ metrics: registry, counters: () => get(parts.plane).counters() }),
  );
  wiring.bind(
    parts.state,
    () =>
      new DesiredState({
        node: config.nodeName,
        proxyName: config.serviceProxyName ?? "",
        sharedHost: config.sharedHost,
        nodePortRanges: config.nodePortAddresses,
        machineAddresses,
      }),
  );
  wiring.bind(
    parts.healthChecks,
    (get) =>
      new HealthCheckServers({
        events: get(parts.events),
        log,
        // Asked only once a plan exists, so the programmer does by then.
        healthy: () => isHealthy(get(parts.programmer), get(parts.state)),
      }),
  );
  wiring.bind(
    parts.programmer,
    (get) =>
      new Programmer({
        feed: get(parts.feed).feed,
        state: get(parts.state),
        plane: get(parts.plane),
        healthChecks: get(parts.healthChecks),
        metrics: get(parts.metrics),
        observer: get(parts.observer),
        clock,
        log,
      }),
  );
  wiring.bind(parts.health, (get) => {
    const metrics = collectedMetrics(registry, () => get(parts.metrics).collect());
    const health = createHealthServer({ address: config.healthAddress, metrics, log });
    const programmer = get(parts.programmer);
    health.ready("plane", programmer.notReady);
    health.live("plane", programmer.notLive);
    return health;
  });
  return wiring;
}

/** Puts the agent together; throws where it would have nothing to follow. */
export function composeProxyAgent(config: ProxyAgentConfig, given: ProxyAgentGiven): ProxyAgent {
  const { resolve } = wireProxyAgent(config, given);
  const health = resolve(parts.health);
  const stack = new ServiceStack({
    name: `proxy-agent ${config.nodeName}`,
    parts: [health, resolve(parts.plane), ...resolve(parts.feed).parts, resolve(parts.programmer)],
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

function isHealthy(programmer: Programmer, state: DesiredState): boolean {
  return programmer.notLive() === undefined && programmer.notReady() === undefined && state.node?.leaving !== true;
}

function eventSink(config: ProxyAgentConfig, { clock, log }: ProxyAgentGiven): EventSink {
  if (config.kubeconfig === undefined) return logOnlyEventSink({ log });
  return new EventRecorder({
    client: connect({ kubeconfig: config.kubeconfig, clock }),
    component: "fairlead-proxy-agent",
    host: config.nodeName,
    clock,
    log,
  });
}

function machineAddresses(): readonly IpAddress[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ scopeid }) => scopeid === undefined || scopeid === 0)
    .map(({ address }) => ipAddress(address));
}
